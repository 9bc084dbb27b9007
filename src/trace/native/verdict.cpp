// SPDX-License-Identifier: Apache-2.0
#include "trace/native/verdict.h"

namespace ullage::trace {

using evidence::GrowthLaw;
using evidence::Verdict;

Verdict verdict_of(const GrowthPlace& s, bool named) {
  if (s.series * 2 > s.links) {
    // Sizes of unrelated blocks line up by chance now and then: a place where most blocks continue
    // nothing is not a growing table.
    return s.series * 2 < s.series_misfits ? Verdict::kReplace : Verdict::kSeries;
  }
  if (s.reallocs * 2 >= s.links) return Verdict::kRealloc;
  const std::uint64_t up = s.links - s.reallocs - s.series;
  // First of all: buffers of equal contents fake the strongest proof by the ten thousand.
  if (s.downs * 5 > up) return s.reallocs > 0 ? Verdict::kRealloc : Verdict::kReplace;
  if (s.content > 0 && s.content * 2 >= s.checked) return Verdict::kContent;
  // Many containers that grow once must not outvote the one that costs: half of the chains, of the
  // growths or of what they copied is enough.
  const bool mostly_strong = s.strong_chains * 2 >= s.chains || s.strong_links * 2 >= s.links ||
                             s.strong_copied * 2 >= s.copied;
  if (mostly_strong && s.strong_chains > 0 && s.downs * 20 < up) {
    return Verdict::kStructure;
  }
  if (s.reallocs > 0) return Verdict::kRealloc;
  return named ? Verdict::kMixed : Verdict::kWeak;
}

GrowthLaw law_of(const GrowthPlace& s) {
  // Only a chain's second and later links can repeat a step.
  const std::uint64_t later = s.links > s.chains ? s.links - s.chains : 0;
  if (later >= 2 && s.repeats * 2 >= later) return GrowthLaw::kArithmetic;
  if (later == 0) return GrowthLaw::kOneShot;
  const std::uint64_t median = s.factor.quantile(0.5);
  const std::uint64_t low = s.factor.quantile(0.25);
  // A quarter may differ: rounding to size classes, and small first steps.
  if (median >= 1200 && low >= 1150) return GrowthLaw::kGeometric;
  return GrowthLaw::kIrregular;
}

}  // namespace ullage::trace

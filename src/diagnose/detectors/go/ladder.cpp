// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/go/ladder.h"

#include <algorithm>
#include <cstdio>

namespace ullage::diagnose::go {
namespace {

// append doubles below 256 elements and then comes down to 1.25, after which sizes are rounded up
// to an allocator's class; a profile that samples misses a rung now and then. Below 1.1 are lines
// that make whatever is asked for.
constexpr double kFactorMin = 1.1;
constexpr double kFactorMax = 2.3;
constexpr double kGeometricShare = 0.7;
// Small objects are sampled thinly: what stands below this share of an object is noise.
constexpr double kObjectsMin = 0.5;

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

}  // namespace

Ladder ladder_of(const HeapPlace& place) {
  Ladder ladder;
  std::vector<const evidence::Rung*> rungs;
  for (const auto& [bytes, rung] : place.rungs) {
    if (rung.allocated_objects >= kObjectsMin && bytes > 0) rungs.push_back(&rung);
  }
  ladder.rungs = rungs.size();
  if (rungs.empty()) return ladder;
  ladder.bottom_bytes = rungs.front()->bytes;
  ladder.top_bytes = rungs.back()->bytes;
  ladder.tops = rungs.back()->allocated_objects;
  ladder.top_total_bytes = ladder.tops * static_cast<double>(ladder.top_bytes);
  std::vector<double> factors;
  for (std::size_t i = 1; i < rungs.size(); ++i) {
    ladder.growths += rungs[i]->allocated_objects;
    ladder.waste_bytes +=
        rungs[i - 1]->allocated_objects * static_cast<double>(rungs[i - 1]->bytes);
    factors.push_back(static_cast<double>(rungs[i]->bytes) /
                      static_cast<double>(rungs[i - 1]->bytes));
  }
  ladder.waste = 1 + ladder.waste_bytes / ladder.top_total_bytes;
  if (factors.empty()) return ladder;
  const auto steps = static_cast<double>(std::count_if(
      factors.begin(), factors.end(), [](double f) { return f >= kFactorMin && f <= kFactorMax; }));
  ladder.geometric = steps >= kGeometricShare * static_cast<double>(factors.size());
  const std::size_t last = std::min<std::size_t>(factors.size(), 3);
  ladder.top_factor = median({factors.end() - static_cast<std::ptrdiff_t>(last), factors.end()});
  ladder.factor = median(factors);
  return ladder;
}

std::string factor_text(double factor) {
  char text[32];
  std::snprintf(text, sizeof text, factor < 10 ? "%.2f" : "%.0f", std::min(factor, 1e9));
  std::string word = text;
  if (word.find('.') != std::string::npos) {
    while (word.ends_with('0')) word.pop_back();
    if (word.ends_with('.')) word.pop_back();
  }
  return word;
}

}  // namespace ullage::diagnose::go

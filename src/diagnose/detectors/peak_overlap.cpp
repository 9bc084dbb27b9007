// SPDX-License-Identifier: Apache-2.0
//
// peak-overlap: at the memory peak, old blocks still stood beside the new ones they were copied to.
//
// Rule      may_stand, and its old blocks alive at the process's peak are at least kShare of it.
// Silent    for growth away from the peak, and for realloc that moved pages (nothing stands twice).
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// Share of the peak, and amount, from which a smaller machine would do.
constexpr double kShare = 0.10;
constexpr std::uint64_t kBytes = 1 << 20;

}  // namespace

void peak_overlap(const evidence::Evidence& evidence, const DetectorOptions&,
                  std::vector<Finding>& findings) {
  const evidence::ProcessFacts& process = evidence.process;
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!may_stand(site) || copying_links(site) == 0 || grows_index_only(site) ||
        process.live_bytes_max == 0)
      continue;
    const auto overlap = static_cast<double>(site.overlap_bytes_at_peak);
    const double share = overlap / static_cast<double>(process.live_bytes_max);
    if (share < kShare || site.overlap_bytes_at_peak < kBytes) continue;

    Finding finding = growth_finding(evidence, i);
    finding.title = subject(site) + " stood twice at the memory peak";
    finding.cost.wasted_bytes = site.overlap_bytes_at_peak;
    std::string sentence = "At the peak of " + format_bytes(process.live_bytes_max) + " live (" +
                           format_ns(process.live_bytes_max_at_ns) + " after the start), " +
                           format_bytes(site.overlap_bytes_at_peak) + " or " +
                           format_percent(std::min(share, 1.0)) +
                           " of it were old blocks beside the new ones they were copied to";
    if (process.rss_peak_bytes > 0) {
      sentence += "; resident memory peaked at " + format_bytes(process.rss_peak_bytes);
    }
    finding.evidence.push_back(sentence + ".");
    const Advice advice =
        advise_size(site, site.final.max, grows_geometrically(site) ? 0 : kHeadroom, "it reached");
    finding.advised_elements = advice.number;
    finding.remedy = "give it its size at birth and the peak falls by " +
                     format_bytes(site.overlap_bytes_at_peak) + ": " + advice.call + " (" +
                     advice.basis + "). What grows in chunks (" + chunked_instead(site) +
                     ") never stands twice.";
    findings.push_back(std::move(finding));
  }
}

}  // namespace ullage::diagnose

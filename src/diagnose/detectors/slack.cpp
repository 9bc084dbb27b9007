// SPDX-License-Identifier: Apache-2.0
//
// slack: much of the capacity that growth obtained was never written (needs record --slack).
//
// Rule      may_stand, more than kShare of the painted bytes untouched, and kBytes of them.
// Silent    without --slack; for containers that fill what they obtain; for hash tables, whose
//           control bytes touch everything (they report 0 %).
#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// Doubling leaves 25 % on average; above this the sizes are off, not the luck.
constexpr double kShare = 0.40;
constexpr std::uint64_t kBytes = 1 << 20;

}  // namespace

void slack(const evidence::Evidence& evidence, const DetectorOptions&,
           std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!may_stand(site) || grows_index_only(site) || slack_share(site) <= kShare ||
        site.slack_unused_bytes < kBytes)
      continue;

    Finding finding = growth_finding(evidence, i);
    finding.title =
        subject(site) + " leaves " + format_percent(slack_share(site)) + " of its capacity unused";
    finding.cost.wasted_bytes = site.slack_unused_bytes;
    finding.evidence.push_back(
        format_percent(slack_share(site)) + " of the capacity was never written: " +
        format_bytes(site.slack_unused_bytes) + " of " + format_bytes(site.slack_painted_bytes) +
        " looked at, over " + format_counted(site.slack_blocks, "block") + ".");
    // Only the average is known: a number made of it would be outgrown by the fuller ones.
    finding.remedy = std::string("give each one the size it needs where that is known; else ") +
                     (is_cpp(site) ? "shrink_to_fit()" : "realloc it to what is used") +
                     " once a long-lived one is complete.";
    findings.push_back(std::move(finding));
  }
}

}  // namespace ullage::diagnose

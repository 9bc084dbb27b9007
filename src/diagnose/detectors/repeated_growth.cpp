// SPDX-License-Identifier: Apache-2.0
//
// repeated-growth: a container reaches its size in many growths; one reserve would spare them.
//
// Rule      may_stand, at least links_min copying growths and copied_bytes_min copied.
// Silent    for replaced buffers, weak pairs, realloc that grew in place, and where
//           arithmetic-growth or missed-capacity say it better.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// Containers whose sizes differ by more than this (p95 / p50) are not served by one number.
constexpr double kSpread = 4;
// ... which takes this many containers to know.
constexpr std::uint64_t kSpreadChains = 4;
// Largest size over p95 up to which the largest is what we advise.
constexpr double kOutlier = 1.5;
// Slack above which capacity as grown is not worth repeating: advise what was used.
constexpr double kSlackShare = 0.40;
// One stall with this share of all stalls: shortening the rest would not help its caller.
constexpr double kDominantStall = 0.5;
// A pause people see.
constexpr std::uint64_t kVisibleStallNs = 100'000'000;
// A mixed verdict below both of these is a note: real, but cheap.
constexpr std::uint64_t kCheapBytes = 1'000'000;
constexpr std::uint64_t kCheapStallNs = 1'000'000;

bool spread_out(const GrowthSite& site) {
  return site.chains >= kSpreadChains &&
         static_cast<double>(site.final.p95) > kSpread * static_cast<double>(site.final.p50);
}

Severity severity_of(const GrowthSite& site) {
  if (stall_ns_max(site) >= kVisibleStallNs) return Severity::kError;
  const bool cheap = site.copied_bytes < kCheapBytes && stall_ns_total(site) < kCheapStallNs;
  if (site.verdict == evidence::Verdict::kMixed && cheap) return Severity::kNote;
  return Severity::kWarning;
}

// Slack is known as a sum over blocks: of one block it is what was used, of several an average.
bool only_one(const GrowthSite& site) { return site.chains <= 1 && site.slack_blocks <= 1; }

// The size to advise: the largest, unless it stands far outside; what was used, where we know.
Advice size_at_birth(const GrowthSite& site) {
  const bool outlier = site.final.count > 1 && static_cast<double>(site.final.max) >
                                                   kOutlier * static_cast<double>(site.final.p95);
  const std::uint64_t bytes = outlier ? site.final.p95 : site.final.max;
  const bool room = grows_geometrically(site);  // what the last doubling left is capacity, not use
  const std::string what = outlier            ? "95 % stay within"
                           : site.chains <= 1 ? (room ? "it reached room for" : "it reached")
                                              : (room ? "the largest has room for" : "largest");
  const double slack = slack_share(site);
  if (slack > kSlackShare && only_one(site)) {
    const auto used = whole(static_cast<double>(bytes) * (1 - slack));
    return advise_size(site, used, kHeadroom, "the part that was written:");
  }
  return advise_size(site, bytes, grows_geometrically(site) ? 0 : kHeadroom, what);
}

std::string remedy_of(const GrowthSite& site, const DetectorOptions& options,
                      const Advice& advice) {
  std::string text;
  if (spread_out(site) && (site.container_kind == "realloc buffer" || !is_cpp(site))) {
    const Advice small = advise_size(site, site.final.p50, 0, "half of them");
    text =
        "sizes differ too much for one number. Where the size is known, pass it; else start at " +
        small.unit.count(small.number) + " (half end there) and grow geometrically (x2). ";
  } else if (spread_out(site)) {
    const Advice small = advise_size(site, site.final.p50, 0, "half of them");
    text =
        "sizes differ too much for one number. Where the size is known, pass it; else in two "
        "steps: " +
        small.call + " at birth (half end there), then " + advice.call +
        " when that is full. Or grow in chunks (" + chunked_instead(site) + "). ";
  } else if (site.verdict == evidence::Verdict::kSeries) {
    text = "give it its size before it is filled: " + advice.call + " (" + advice.basis +
           "). It rehashes in steps, so old and new table live together for a while; a table that "
           "starts at its size does neither. ";
  } else {
    text = "give it its size at birth: " + advice.call + " (" + advice.basis + "). ";
  }
  if (slack_share(site) > kSlackShare) {
    text += only_one(site) ? "Exactly that: " : "Less where the size is known: on average ";
    text += format_percent(slack_share(site)) + " of the capacity it grew to was never written. ";
  }
  const auto longest = static_cast<double>(stall_ns_max(site));
  if (!spread_out(site) && stall_ns_max(site) > options.stall_bound_ns && copying_links(site) > 1 &&
      longest >= kDominantStall * static_cast<double>(stall_ns_total(site))) {
    text +=
        "If the size can't be known, its longest stall remains: let it grow where nobody waits, or "
        "in small steps (";
    text += chunked_instead(site) + "). ";
  }
  return text + saves(site);
}

Finding make(const evidence::Evidence& evidence, const DetectorOptions& options,
             std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  Finding finding = growth_finding(evidence, index);
  finding.severity = severity_of(site);
  finding.title = subject(site) + " grew " + format_counted(copying_links(site), "time");
  if (site.chains > 1) finding.title += " in " + format_counted(site.chains, "container");
  finding.cost.stall_ns = stall_ns_total(site);
  finding.cost.stall_ns_max = stall_ns_max(site);
  finding.cost.copied_bytes = site.copied_bytes;

  finding.evidence.push_back(when_and_how_far(site));
  finding.evidence.push_back(what_it_cost(site));
  finding.evidence.push_back(how_we_know(site));

  const Advice advice = size_at_birth(site);
  if (grows_index_only(site)) {
    finding.severity = Severity::kNote;
    finding.evidence.push_back(
        "That is the deque's index: it copies pointers only, the elements stay where they are.");
    return finding;
  }
  finding.advised_elements = advice.number;
  finding.remedy = remedy_of(site, options, advice);
  return finding;
}

}  // namespace

void repeated_growth(const evidence::Evidence& evidence, const DetectorOptions& options,
                     std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!worth_telling(site, options) || grows_by_steps(site)) continue;
    if (missed_its_size(site) && !grows_index_only(site)) continue;
    findings.push_back(make(evidence, options, i));
  }
}

}  // namespace ullage::diagnose

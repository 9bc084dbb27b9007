// SPDX-License-Identifier: Apache-2.0
//
// unbounded-growth: the live memory of one place rises through the whole run and never levels off.
//
// Rule      rise_of() over the 64 slices (Theil-Sen, quarters, floor, plateau: diagnose/trend.h),
//           at least kBytes and kShare of the process's peak, in a run of at least kRunNs.
// Silent    for caches that fill and stay, for sawtooths, for short runs, for few allocations.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"
#include "diagnose/trend.h"

namespace ullage::diagnose {
namespace {

using evidence::AllocationSite;

// Shorter runs are one filling; there is no trend in them.
constexpr std::uint64_t kRunNs = 1'000'000'000;
// Below this a program that fills a structure and ends looks the same: a note, unless the memory
// limit is near.
constexpr std::uint64_t kWatchedNs = 10'000'000'000;
constexpr std::uint64_t kLimitNearNs = 3'600'000'000'000;
// Fewer steps than this make no line.
constexpr std::uint64_t kAllocations = 64;
constexpr std::uint64_t kBytes = 1 << 20;
constexpr double kShare = 0.05;
// One block in so many left at the end, and the program freed the rest on its way out.
constexpr std::uint64_t kTeardown = 20;

// Time until the process as a whole meets its limit at the pace of this site; 0 = not known.
std::uint64_t ns_to_limit(const evidence::ProcessFacts& process, double bytes_per_ns) {
  const std::uint64_t used = std::max(process.rss_peak_bytes, process.live_bytes_end);
  if (process.memory_limit_bytes <= used || bytes_per_ns <= 0) return 0;
  const double ns = static_cast<double>(process.memory_limit_bytes - used) / bytes_per_ns;
  constexpr double kForeverNs = 3.15e17;  // ten years
  return ns > kForeverNs ? 0 : whole(ns);
}

Finding make(const evidence::Evidence& evidence, std::size_t index, const Rise& rise) {
  const evidence::ProcessFacts& process = evidence.process;
  const AllocationSite& site = evidence.allocation_sites[index];
  const double slice_ns = static_cast<double>(process.duration_ns) / evidence::kSlices;
  const double bytes_per_ns = rise.bytes_per_slice / slice_ns;
  const std::uint64_t limit_ns = ns_to_limit(process, bytes_per_ns);
  const bool limit_near = limit_ns > 0 && limit_ns < kLimitNearNs;

  Finding finding;
  finding.severity = limit_near                          ? Severity::kError
                     : process.duration_ns >= kWatchedNs ? Severity::kWarning
                                                         : Severity::kNote;
  finding.title = "live memory rises all the time, now " + format_bytes(rise.to_bytes);
  finding.where = site.user;
  finding.stack = site.stack;
  if (!site.stack.empty()) finding.growth = site.stack.front();
  finding.allocation_site = index;
  finding.confidence = process.duration_ns >= kWatchedNs ? 0.8 : 0.4;
  finding.cost.wasted_bytes = rise.to_bytes - std::min(rise.from_bytes, rise.to_bytes);
  finding.cost.events = site.live_blocks_end;
  finding.cost.events_unit = "blocks still alive";

  const auto per_second = whole(bytes_per_ns * 1e9 + 0.5);
  finding.evidence.push_back("Rose from " + format_bytes(rise.from_bytes) + " to " +
                             format_bytes(rise.to_bytes) + " over " +
                             format_ns(process.duration_ns) + ", by " + format_bytes(per_second) +
                             " a second, in every quarter of the run and without a plateau.");
  if (site.live_blocks_end * kTeardown < site.allocations &&
      site.live_bytes_end < rise.to_bytes / 2) {
    finding.evidence.push_back("It freed them only as it ended: " + format_bytes(rise.to_bytes) +
                               " of what was allocated here were alive shortly before.");
  } else {
    finding.evidence.push_back(format_counted(site.live_blocks_end, "block") + " of " +
                               format_count(site.allocations) +
                               " allocated here were alive at the end.");
  }
  if (limit_ns > 0) {
    finding.evidence.push_back("At this pace the memory limit of " +
                               format_bytes(process.memory_limit_bytes) + " is reached in " +
                               format_ns(limit_ns) + ".");
  }
  if (process.duration_ns < kWatchedNs) {
    finding.evidence.push_back("Watched for " + format_ns(process.duration_ns) +
                               " only: a program that fills a structure and ends looks the same. "
                               "Record longer to be sure.");
  }
  finding.remedy =
      "bound it: give the cache, queue or log a limit and drop the oldest, or free each "
      "one when its request ends.";
  return finding;
}

}  // namespace

void unbounded_growth(const evidence::Evidence& evidence, const DetectorOptions&,
                      std::vector<Finding>& findings) {
  const evidence::ProcessFacts& process = evidence.process;
  if (process.duration_ns < kRunNs) return;
  for (std::size_t i = 0; i < evidence.allocation_sites.size(); ++i) {
    const AllocationSite& site = evidence.allocation_sites[i];
    const auto worthwhile =
        std::max(static_cast<double>(kBytes), kShare * static_cast<double>(process.live_bytes_max));
    if (site.allocations < kAllocations || static_cast<double>(site.live_bytes_max) < worthwhile) {
      continue;
    }
    const Rise rise = rise_of(site.live_series);
    if (rise.unbounded && static_cast<double>(rise.to_bytes - rise.from_bytes) >= worthwhile) {
      findings.push_back(make(evidence, i, rise));
    }
  }
}

}  // namespace ullage::diagnose

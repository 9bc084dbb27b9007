// SPDX-License-Identifier: Apache-2.0
#pragma once

// diff: two runs of a program, compared place by place.
//
//   Difference d = diff(before, after);
//   std::cout << diff_text(d, options);
//
// Places are matched by symbolic fingerprint (growth function + user function), so a rebuild, a
// moved line or another machine does not hide a change. Counts (growths, bytes copied) decide
// what is better or worse; times only where the counts agree, and only by a wide margin, because
// clocks are noisy and counts are not.

#include <cstdint>
#include <string>
#include <vector>

#include "diagnose/reports/reports.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

// What one place cost in one run.
struct SiteCost {
  std::uint64_t links = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t stall_ns_total = 0, stall_ns_max = 0;
  std::uint64_t overlap_bytes_max = 0;
};

enum class Change { kFixed, kBetter, kSame, kWorse, kNew };
const char* to_string(Change change);

struct SiteChange {
  std::string fingerprint;  // of the place, without a detector
  Change change = Change::kSame;
  evidence::Frame where, growth;
  std::string container;
  SiteCost before, after;
};

// Per run: the totals a reader wants to see beside the places.
struct RunCost {
  std::string source, program;
  std::uint64_t duration_ns = 0, events = 0, live_bytes_max = 0, rss_peak_bytes = 0;
  SiteCost growth;  // summed over the places that stand (stall_ns_max, overlap: the largest)
};

struct Difference {
  RunCost before, after;
  std::vector<SiteChange> sites;  // worse and new first, then fixed and better, by size of change
  std::size_t count(Change change) const;
};

Difference diff(const evidence::Evidence& before, const evidence::Evidence& after);

std::string diff_text(const Difference& difference, const ReportOptions& options);
// docs/formats/findings-json.md, "diff"
std::string diff_json(const Difference& difference);

}  // namespace ullage::diagnose

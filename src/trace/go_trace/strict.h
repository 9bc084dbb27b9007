// SPDX-License-Identifier: Apache-2.0
#pragma once

// The strict reader: every event in an order that Go's scheduler allows, one after the other, with
// nothing skipped. What it counts on the way is compared with what the fast scan found.
//
// Memory: the pages of one generation, and the states of Order. One thread.

#include <functional>
#include <map>
#include <string>

#include "evidence/incident.h"
#include "trace/go_trace/records.h"
#include "trace/input.h"

namespace ullage::trace::go {

// Totals that two readings of a trace must agree upon.
struct Totals {
  std::map<std::string, std::uint64_t> events;  // by name
  struct Sum {
    std::uint64_t count = 0, total_ns = 0, max_ns = 0;
    bool operator==(const Sum&) const = default;
    void add(std::uint64_t ns);
  };
  std::map<std::string, Sum> pauses;  // by kind
  Sum assists;
  std::map<std::string, Sum> waits;  // by reason, without those of the runtime itself
  std::uint64_t delays = 0, delay_ns_max = 0;
  std::uint64_t cycles = 0, created = 0, ended = 0;

  static Totals of(const evidence::Incident& incident);
  // The first thing they differ in, as a sentence; empty when they agree.
  std::string difference(const Totals& other) const;
};

struct StrictReport {
  Totals totals;
  // Verified up to here, the end of the last generation that was complete.
  std::size_t verified_bytes = 0;
  std::string left_out;  // why the rest was not: a sentence, or empty
};

// An error names the event that can't be where it is, its byte, and why.
Result<StrictReport> read_strictly(const Input& input, int version,
                                   const std::function<void(double)>& progress);

}  // namespace ullage::trace::go

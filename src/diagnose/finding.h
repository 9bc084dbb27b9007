// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finding: one thing worth changing, with what it cost, how we know, and what to write instead.
// Detectors make them from Evidence; reports print them and nothing else decides what is printed.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evidence/evidence.h"

namespace ullage::contract {
class Contract;
}

namespace ullage::diagnose {

enum class Severity { kNote, kWarning, kError };
const char* to_string(Severity severity);

struct Cost {
  std::uint64_t stall_ns = 0, stall_ns_max = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t wasted_bytes = 0;  // slack, overlap or growth that never ends
  std::uint64_t events = 0;        // links, allocations: what is counted in `events_unit`
  std::string events_unit = "growths";
  std::uint64_t cpu_ns = 0;  // of processors, beside the stalls: marking, copying stacks
  // Growths, where they were counted: also when `events` counts something else. diagnose() fills it
  // in for what counts growths anyway.
  std::uint64_t growths = 0;
};

// A second thing said about the same place, folded into the finding that says it best.
struct Related {
  std::string detector;
  std::string fingerprint;
};

struct Finding {
  std::string detector;  // "repeated-growth": file name in detectors/ with dashes
  Severity severity = Severity::kWarning;
  std::string title;       // one line, without the place
  evidence::Frame where;   // the user's line
  evidence::Frame growth;  // the function that grew, if another
  evidence::Stack stack;
  Cost cost;
  std::vector<std::string> evidence;  // sentences with numbers and units
  std::string remedy;       // what to write instead, concrete: "orders.reserve(8'400'000)"
  std::string check;        // the next command, or empty
  std::string fingerprint;  // symbolic, 16 hex digits: the same across rebuilds and machines
  double confidence = 1.0;  // 0..1
  std::optional<std::size_t> growth_site;      // index into Evidence::growth_sites
  std::optional<std::size_t> allocation_site;  // index into Evidence::allocation_sites
  std::uint64_t advised_elements = 0;          // the N of reserve(N); 0 = none
  std::vector<Related> also;  // findings folded into this one (their evidence is above)
  std::string cause;          // why, in a sentence, from the root-cause table; empty = no row fits
  // What joins findings of one incident (join.h). Empty family: stands alone.
  std::string family;                    // what grows: "append", "map", "stack", "held", ...
  bool symptom = false;                  // follows from something else at the same place
  std::uint64_t largest_copy_bytes = 0;  // of one growth, where the sizes are known
  // Cost first: stall, then processor time, then copied, then wasted. Larger is worse.
  double rank() const;
};

class RootCauses;  // root_causes.h
struct DetectorOptions {
  std::uint64_t stall_bound_ns = 1'000'000;      // growth-stall speaks above this single pause
  std::uint64_t copied_bytes_min = 64 << 10;     // repeated-growth is silent below this ...
  std::uint64_t links_min = 2;                   // ... and below this many growths
  const contract::Contract* contract = nullptr;  // contract-violation judges by it; none: silent
  const RootCauses* root_causes = nullptr;  // whose rows name the causes; null = the built-in ones
};

// What every detector file in detectors/ provides; one line in detectors.def brings it to life.
using DetectorFunction = void (*)(const evidence::Evidence&, const DetectorOptions&,
                                  std::vector<Finding>&);
struct Detector {
  const char* name;     // "repeated-growth"
  const char* summary;  // one sentence for --help and SARIF rules
  DetectorFunction run;
};
const std::vector<Detector>& detectors();

// Why nothing can be said about this recording's growth: not one could be linked, and the input is
// damaged or has no stacks. Empty = it can be judged. A gate may not pass on such a recording.
std::string not_judgeable(const evidence::Evidence& evidence);

// Runs all detectors; findings ranked, most costly first; fingerprints filled in.
std::vector<Finding> diagnose(const evidence::Evidence& evidence, const DetectorOptions& options);

}  // namespace ullage::diagnose

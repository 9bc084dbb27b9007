// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stops of the world, sorted by what the evidence says they waited for.

#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose::go {

// Shorter stops are a collector's daily work.
inline constexpr std::uint64_t kLongStopNs = 1'000'000;
// Someone who stopped this late in a pause is what it waited for.
inline constexpr double kLateShare = 0.8;
// So many samples in growth within one pause are no chance, nor so many such pauses at one line.
inline constexpr std::uint64_t kProofs = 2;
// Copying less than this is not felt: it takes a millisecond.
inline constexpr std::uint64_t kLargeBytes = 4 << 20;

enum class WaitedFor {
  kNothing,    // short, or not known
  kGrowth,     // a goroutine inside a copy that cannot be interrupted
  kGoroutine,  // a goroutine that did nothing special: its thread was not running
  kProcessor,  // everyone had stopped; the stopping thread was not running
  kRuntime,    // work within the pause
};

struct Judged {
  WaitedFor what = WaitedFor::kNothing;
  bool sampled = false;              // CPU samples or the stack itself show the growth
  const HeapPlace* place = nullptr;  // or a heap profile says that this line grows
};
// `places` are those of the incident.
Judged judge(const evidence::Pause& pause, const std::vector<HeapPlace>& places);
// All pauses of the incident, in order. Growth takes two proofs: what one sample or one frame says
// of a single pause may be chance, and that pause is then not known.
std::vector<Judged> judge_all(const Incident& incident, const std::vector<HeapPlace>& places);

// The place that grows by the largest copy, of those whose copying can have taken `ns`; or null.
const HeapPlace* explains(const std::vector<HeapPlace>& places, std::uint64_t ns);

}  // namespace ullage::diagnose::go

// SPDX-License-Identifier: Apache-2.0
#pragma once

// align: how the clocks of several artefacts of one incident relate.
//
// The finest clock is the incident's. Others are put on it by the wall clock where both know it,
// else by their collections: the same cycles are in a trace and in a log, and only one pairing of
// them makes the differences equal. Else by the start of the process. Whoever is placed helps to
// place the next, and errors add up on the way.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "evidence/incident.h"

namespace ullage::evidence {

// The same collections in two lists, each sorted by start.
struct CycleFit {
  bool found = false;
  bool ambiguous = false;      // another pairing fits about as well
  std::int64_t shift_ns = 0;   // to be added to the times of `theirs`
  std::uint64_t error_ns = 0;  // 90 % of the differences are within it
  std::size_t pairs = 0;
};
CycleFit fit_cycles(const std::vector<GcCycle>& ours, const std::vector<GcCycle>& theirs);

// Fills the alignment of each part's artefacts; changes no time. Returns the index of the part
// whose clock is the incident's.
std::size_t align(std::vector<Incident>& parts);

// Adds `shift_ns` to every time on the incident's clock.
void shift(Incident& incident, std::int64_t shift_ns);

// Collections of a pairing that must differ by the same. 90 % of them within this; more is chance.
inline constexpr std::int64_t kFitSpreadNsMax = 20'000'000;
// How unlike the lengths of two collections may be, as a share, for them to pass as the same one.
inline constexpr double kAlikeMax = 0.2;
// Cycles looked at per pairing tried: enough to be unique, and 200 000 pairings take 0.1 s.
inline constexpr std::size_t kFitCycles = 64;

}  // namespace ullage::evidence

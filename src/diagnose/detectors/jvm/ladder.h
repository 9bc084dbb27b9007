// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a growing array shows in the regions of G1: what was allocated between one collection and the
// next grows by the same factor, step after step. Buffers of one size do not.

#include <cstdint>
#include <vector>

#include "evidence/incident.h"

namespace ullage::diagnose::jvm {

struct Ladder {
  std::vector<std::uint64_t> rungs;  // regions allocated between collections, ascending
  double factor = 0;                 // mean of one rung to the next
  const evidence::GcCycle* first = nullptr;
  const evidence::GcCycle* last = nullptr;
};
// The longest ladder of humongous allocations, empty when there is none of at least kRungsMin.
inline constexpr std::size_t kRungsMin = 3;
Ladder humongous_ladder(const evidence::Incident& incident);

}  // namespace ullage::diagnose::jvm

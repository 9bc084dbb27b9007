// SPDX-License-Identifier: Apache-2.0
#pragma once

// unite: adds what one artefact tells to an incident, on the incident's clock. The two steps of
// merge() that need care: what both tell is kept once, and lists stay within their limits.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "evidence/incident.h"

namespace ullage::evidence {

// How far from each other two accounts of one event may be, given the error of the alignment.
std::int64_t tolerance_ns(std::uint64_t error_ns);

// Pairs (ours, theirs) of one collection by their times; both sorted by start and on one clock.
std::vector<std::pair<std::size_t, std::size_t>> same_cycles(const std::vector<GcCycle>& ours,
                                                             const std::vector<GcCycle>& theirs,
                                                             std::int64_t tolerance_ns);

// Collections and pauses of `theirs` into `ours`. The finer clock's times stand; what the other
// one knows besides is added. Ordinals are the runtime's own where one of the two has them; where
// both have, these say which collections are the same, since in files of a rotated log one may
// follow another faster than clocks tell apart.
void unite_collections(Incident& ours, Incident& theirs, bool theirs_is_finer,
                       std::int64_t tolerance_ns);

// Heap points of both, by time; where both cover a stretch, those of the finer clock.
void unite_heap(std::vector<HeapPoint>& ours, std::vector<HeapPoint>& theirs, bool theirs_is_finer);

}  // namespace ullage::evidence

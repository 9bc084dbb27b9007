// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a decoded dump proves: retentions, piles of defers, goroutines, and the profile within it.

#include "evidence/incident.h"
#include "trace/heap_dump/dump.h"
#include "trace/heap_dump/graph.h"

namespace ullage::trace::heap_dump {

// Of a goroutine's defers, fewer than this are how programs are written.
inline constexpr std::uint64_t kDefersMin = 16;
inline constexpr std::size_t kDeferPilesMax = 1000;
// Groups of goroutines with the same stack and state; frames of each.
inline constexpr std::size_t kGoroutineGroupsMax = 10000;
inline constexpr std::uint64_t kGroupFramesMax = 64;

// Large objects of which all holders together reach less than half.
void add_retentions(const Dump& dump, const Graph& graph, std::span<const std::uint8_t> file,
                    evidence::Incident& incident);
void add_goroutines(const Dump& dump, evidence::Incident& incident);
// Allocation sites by the memory profile, scaled up from its samples. Returns the sampling period
// that was assumed, 1 when every allocation is in it, 0 when there is no profile.
std::uint64_t add_heap_sites(const Dump& dump, evidence::Incident& incident);
// The runtime numbers the innermost frame by its return address: where that is the user's own, the
// line may be the one after the allocation.
bool lines_are_late(const Dump& dump);
// "memstats.HeapAlloc" and its like.
void add_metrics(const Dump& dump, evidence::Incident& incident);

// A profiled stack: the user's frames, and the runtime's that stood above them.
struct SplitStack {
  evidence::Stack user, hidden;
};
SplitStack split_stack(const Bucket& bucket);

}  // namespace ullage::trace::heap_dump

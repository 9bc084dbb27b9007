// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/jvm/futile.h"

#include <algorithm>

namespace ullage::diagnose::jvm {
namespace {

using evidence::GcCycle;

// Reclaimed less than this of what was there.
constexpr double kReclaimedMax = 0.05;
// Filled at least so far afterwards: the old generation, or the whole heap, which has an empty
// young part in it.
constexpr double kOldFill = 0.95, kHeapFill = 0.85;
// The heap is exhausted: the next thing is an OutOfMemoryError.
constexpr double kExhaustedFill = 0.97;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

bool Futile::loops() const { return collections.count >= kFutileMin || exhausted; }

Futile futile_collections(const evidence::Incident& incident) {
  Futile futile;
  bool exhausted_before = false;
  for (const GcCycle& cycle : incident.cycles) {
    const bool full = cycle.kind == "Full" || (cycle.kind == "Young" && cycle.concurrent_failure);
    if (!full || cycle.forced || !cycle.heap_known || cycle.cause == "Metadata GC Threshold") {
      continue;
    }
    futile.all.add(cycle);
    const std::uint64_t start = cycle.heap_start_bytes;
    const std::uint64_t reclaimed = start - std::min(start, cycle.heap_end_bytes);
    const double heap_fill = share(cycle.heap_end_bytes, cycle.goal_bytes);
    const bool old = cycle.old_known && cycle.old_capacity_bytes > 0;
    const double old_fill = old ? share(cycle.old_after_bytes, cycle.old_capacity_bytes) : 0;
    const bool filled = (old && old_fill >= kOldFill) || heap_fill >= kHeapFill;
    if (!filled || share(reclaimed, start) >= kReclaimedMax) {
      exhausted_before = false;
      continue;
    }
    futile.collections.add(cycle);
    futile.exhausted |= exhausted_before && heap_fill >= kExhaustedFill;
    exhausted_before = heap_fill >= kExhaustedFill;
    futile.live_bytes_max = std::max(futile.live_bytes_max, cycle.heap_end_bytes);
    futile.capacity_bytes = cycle.goal_bytes;
    futile.old_generation = old && old_fill >= heap_fill;
    futile.fill_max = std::max({futile.fill_max, heap_fill, old_fill});
  }
  return futile;
}

}  // namespace ullage::diagnose::jvm

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Topology: where the memory is, and what the kernel says to it.
//
//   Topology t = topology(budget, {&shard0.memory(), &shard1.memory()});
//   t.components[0].heap.resident_bytes      // "hot"
//   to_json(t)                               // GET /topology
//
// A component (rows) has memory of four kinds (columns): heap (the process's own), off-heap
// (mapped aside: here large values), shared with others, disk. The hot tier has no shared memory
// and nothing on disk: those are zero, not missing. "process" is what the tiers do not account for
// (code, stacks, allocators); with it the rows add up to the kernel's resident figure.
//
// Promise   The sum of the tiers' resident bytes is never above what the kernel says, x 1.05: what
//           would be more is told as `unreconciled_bytes`.
// Threads   Any.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tier/budget.h"
#include "tier/counters.h"

namespace ullage::tier {

struct Place {
  std::uint64_t budget_bytes = 0, live_bytes = 0, resident_bytes = 0, metadata_bytes = 0,
                garbage_bytes = 0;
};

struct TopologyComponent {
  std::string name;  // "hot", "clients", "process"
  Place heap, off_heap, shared, disk;
};

struct Topology {
  std::vector<TopologyComponent> components;
  std::uint64_t budget_bytes = 0, allowed_bytes = 0, granted_bytes = 0;
  std::uint64_t kernel_resident_bytes = 0, kernel_peak_bytes = 0, kernel_shared_bytes = 0;
  std::uint64_t accounted_resident_bytes = 0;  // all tiers
  std::uint64_t unreconciled_bytes = 0;        // accounted beyond what the kernel says
  std::string pressure;
};

Topology topology(const Budget& budget, std::span<const Memory* const> shards);
std::string to_json(const Topology& topology);

}  // namespace ullage::tier

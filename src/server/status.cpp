// SPDX-License-Identifier: Apache-2.0
#include "server/status.h"

#include <algorithm>

#include "server/cold_status.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

MemoryStatus memory_status(Server& server) {
  MemoryStatus status;
  const tier::Budget& budget = server.budget();
  status.used_bytes = budget.granted_bytes();
  status.peak_bytes = budget.granted_bytes_max();
  status.limit_bytes = budget.limit_bytes();
  status.allowed_bytes = budget.allowed_bytes();
  status.resident_bytes = budget.readings().process_resident_bytes;
  status.client_bytes = budget.granted_bytes(tier::Component::kClients);
  status.pressure = tier::to_string(budget.pressure());
  for (const auto& worker : server.workers()) {
    const tier::Memory& memory = worker->shard().memory();
    const std::uint64_t large = memory.large_live_bytes.value();
    const std::uint64_t large_held = memory.large_resident_bytes.value();
    status.live_bytes += memory.live_bytes.value() + large;
    status.metadata_bytes += memory.metadata_bytes.value();
    status.garbage_bytes +=
        memory.garbage_bytes.value() + (large_held - std::min(large, large_held));
    status.tier_resident_bytes += memory.resident_bytes.value() + large_held;
    status.keys += memory.entries.value();
  }
  return status;
}

tier::Topology topology_of(Server& server) {
  std::vector<const tier::Memory*> shards;
  for (const auto& worker : server.workers()) shards.push_back(&worker->shard().memory());
  tier::Topology topology = tier::topology(server.budget(), shards);
  add_cold(server, topology);
  return topology;
}

std::string topology_json(Server& server) { return tier::to_json(topology_of(server)); }

}  // namespace ullage::server

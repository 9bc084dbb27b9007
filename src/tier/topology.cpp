// SPDX-License-Identifier: Apache-2.0
#include "tier/topology.h"

#include <algorithm>

#include "base/json.h"
#include "tier/kernel.h"

namespace ullage::tier {
namespace {

void write(JsonWriter& json, const char* name, const Place& place) {
  json.begin_object(name);
  json.field("budget_bytes", place.budget_bytes);
  json.field("live_bytes", place.live_bytes);
  json.field("resident_bytes", place.resident_bytes);
  json.field("metadata_bytes", place.metadata_bytes);
  json.field("garbage_bytes", place.garbage_bytes);
  json.end_object();
}

}  // namespace

Topology topology(const Budget& budget, std::span<const Memory* const> shards) {
  Topology result;
  // The tiers are read first: what they take meanwhile is then in the kernel's figure already.
  TopologyComponent hot{"hot", {}, {}, {}, {}};
  for (const Memory* shard : shards) {
    hot.heap.live_bytes += shard->live_bytes.value();
    hot.heap.metadata_bytes += shard->metadata_bytes.value();
    hot.heap.resident_bytes += shard->resident_bytes.value();
    hot.heap.garbage_bytes += shard->garbage_bytes.value();
    hot.off_heap.live_bytes += shard->large_live_bytes.value();
    hot.off_heap.resident_bytes += shard->large_resident_bytes.value();
  }
  const std::uint64_t large = hot.off_heap.resident_bytes;
  hot.off_heap.garbage_bytes = large - std::min(large, hot.off_heap.live_bytes);
  const std::uint64_t clients_bytes = budget.granted_bytes(Component::kClients);
  const kernel::Resident seen = kernel::resident(budget.options().proc);

  hot.heap.budget_bytes = budget.limit_bytes();  // one budget for both kinds
  TopologyComponent clients{"clients", {}, {}, {}, {}};
  clients.heap.live_bytes = clients.heap.resident_bytes = clients_bytes;
  result.accounted_resident_bytes = hot.heap.resident_bytes + large + clients_bytes;
  result.kernel_resident_bytes = seen.resident_bytes;
  result.kernel_peak_bytes = seen.peak_bytes;
  result.kernel_shared_bytes = seen.shared_bytes;

  // Pages that were granted and not touched yet are resident for us and not for the kernel. The
  // kernel is right: what it does not see comes off the garbage, for it can only be there.
  if (result.accounted_resident_bytes > seen.resident_bytes) {
    result.unreconciled_bytes = result.accounted_resident_bytes - seen.resident_bytes;
    std::uint64_t left = result.unreconciled_bytes;
    for (Place* place : {&hot.heap, &hot.off_heap, &clients.heap}) {
      const std::uint64_t less = std::min(left, place->resident_bytes);
      place->resident_bytes -= less;
      place->garbage_bytes -= std::min(less, place->garbage_bytes);
      left -= less;
    }
    result.accounted_resident_bytes = seen.resident_bytes;
  }
  TopologyComponent process{"process", {}, {}, {}, {}};
  const std::uint64_t rest = seen.resident_bytes - result.accounted_resident_bytes;
  process.shared.resident_bytes = std::min(rest, seen.shared_bytes);
  process.heap.resident_bytes = rest - process.shared.resident_bytes;

  result.components = {std::move(hot), std::move(clients), std::move(process)};
  result.budget_bytes = budget.limit_bytes();
  result.allowed_bytes = budget.allowed_bytes();
  result.granted_bytes = budget.granted_bytes();
  result.pressure = to_string(budget.pressure());
  return result;
}

std::string to_json(const Topology& topology) {
  JsonWriter json;
  json.begin_object();
  json.field("budget_bytes", topology.budget_bytes);
  json.field("allowed_bytes", topology.allowed_bytes);
  json.field("granted_bytes", topology.granted_bytes);
  json.field("pressure", topology.pressure);
  json.field("kernel_resident_bytes", topology.kernel_resident_bytes);
  json.field("kernel_peak_bytes", topology.kernel_peak_bytes);
  json.field("kernel_shared_bytes", topology.kernel_shared_bytes);
  json.field("accounted_resident_bytes", topology.accounted_resident_bytes);
  json.field("unreconciled_bytes", topology.unreconciled_bytes);
  json.begin_array("components");
  for (const TopologyComponent& component : topology.components) {
    json.begin_object();
    json.field("name", component.name);
    write(json, "heap", component.heap);
    write(json, "off_heap", component.off_heap);
    write(json, "shared", component.shared);
    write(json, "disk", component.disk);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.text();
}

}  // namespace ullage::tier

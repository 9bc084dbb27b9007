// SPDX-License-Identifier: Apache-2.0
//
// ULLAGE.*: what the budget says, how the store has grown, what other sizes would do.
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/server.h"
#include "server/status.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

void field(Context& c, const char* name, std::uint64_t value) {
  c.out.bulk(name);
  c.out.integer(static_cast<std::int64_t>(value));
}

}  // namespace

void ullage_budget_command(Context& c) {
  const MemoryStatus status = memory_status(c.server);
  c.out.map(7);
  field(c, "limit_bytes", status.limit_bytes);
  field(c, "allowed_bytes", status.allowed_bytes);
  field(c, "granted_bytes", status.used_bytes);
  field(c, "granted_bytes_max", status.peak_bytes);
  field(c, "resident_bytes", status.resident_bytes);
  field(c, "denied", c.server.budget().denied());
  c.out.bulk("pressure"), c.out.bulk(status.pressure);
}

void ullage_growth_command(Context& c) {
  std::uint64_t splits = 0, merges = 0, moved = 0, most = 0, steps = 0, step_ns = 0;
  for (const auto& worker : c.server.workers()) {
    const tier::Counters& counters = worker->shard().counters();
    splits += counters.splits.value();
    merges += counters.merges.value();
    moved += counters.moved.value();
    most = std::max(most, counters.operation_moves_max.value());
    steps += counters.steps.value();
    step_ns = std::max(step_ns, counters.step_ns_max.value());
  }
  c.out.map(6);
  field(c, "splits", splits);
  field(c, "merges", merges);
  field(c, "moved_entries", moved);
  field(c, "operation_moves_max", most);
  field(c, "steps", steps);
  field(c, "step_ns_max", step_ns);
}

void ullage_mrc_command(Context& c) {
  c.out.array(c.server.workers().size());
  for (const auto& worker : c.server.workers()) {
    const tier::HitCurve curve = worker->shard().hit_curve();
    c.out.map(3);
    field(c, "sampled", curve.sampled);
    field(c, "window_percent", curve.window_percent);
    c.out.bulk("hit_ratio");
    const std::size_t points = curve.sampled == 0 ? 0 : curve.points.size();
    c.out.map(points);
    for (std::size_t i = 0; i < points; ++i) {
      c.out.integer(curve.points[i].size_percent);
      c.out.real(curve.points[i].hit_ratio);
    }
  }
}

}  // namespace ullage::server

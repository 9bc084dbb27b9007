// SPDX-License-Identifier: Apache-2.0
#include "server/cold_status.h"

#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

using tier::ColdFigures;
using tier::ColdMemory;

enum class Kind : std::uint8_t { kGauge, kCounter, kSeconds, kBytes };

// A figure has one of three homes.
struct Figure {
  const char* name;  // "reads": cold_reads in INFO, ullage_cold_reads_total in /metrics
  const char* help;
  Kind kind;
  std::uint64_t ColdFigures::*figure = nullptr;
  std::uint64_t ColdMemory::*memory = nullptr;
  tier::Tally Router::Figures::*router = nullptr;
};

constexpr Figure figure(const char* name, const char* help, Kind kind,
                        std::uint64_t ColdFigures::*member) {
  return {name, help, kind, member, nullptr, nullptr};
}
constexpr Figure memory(const char* name, const char* help, std::uint64_t ColdMemory::*member) {
  return {name, help, Kind::kBytes, nullptr, member, nullptr};
}
constexpr Figure router(const char* name, const char* help, Kind kind,
                        tier::Tally Router::Figures::*member) {
  return {name, help, kind, nullptr, nullptr, member};
}

constexpr Figure kFigures[] = {
    figure("entries", "Entries in the cold tier, estimated.", Kind::kGauge, &ColdFigures::entries),
    figure("reads", "Reads of the cold tier.", Kind::kCounter, &ColdFigures::reads),
    figure("hits", "Of them: it had the key.", Kind::kCounter, &ColdFigures::hits),
    figure("shed", "Reads that were turned away because too many waited.", Kind::kCounter,
           &ColdFigures::shed),
    figure("read_seconds", "Time that reads took.", Kind::kSeconds, &ColdFigures::read_ns),
    figure("reads_waiting", "Reads that wait.", Kind::kGauge, &ColdFigures::reads_waiting),
    figure("writes", "Changes written.", Kind::kCounter, &ColdFigures::writes),
    figure("batches", "Batches of them.", Kind::kCounter, &ColdFigures::batches),
    figure("write_seconds", "Time that writing them took, stalls included.", Kind::kSeconds,
           &ColdFigures::write_ns),
    figure("failed_writes", "Batches that could not be written.", Kind::kCounter,
           &ColdFigures::failed_writes),
    figure("syncs", "Syncs of the log.", Kind::kCounter, &ColdFigures::syncs),
    figure("sync_seconds", "Time that syncs took.", Kind::kSeconds, &ColdFigures::sync_ns),
    figure("stalls", "Times that writing stalled.", Kind::kCounter, &ColdFigures::stalls),
    figure("stalled_seconds", "Time that writing stalled.", Kind::kSeconds,
           &ColdFigures::stalled_ns),
    figure("compactions_pending", "Compactions that wait.", Kind::kGauge,
           &ColdFigures::compactions_pending),
    memory("cache_bytes", "Memory of the block cache.", &ColdMemory::cache),
    memory("memtable_bytes", "Memory of the memtables.", &ColdMemory::memtables),
    memory("table_reader_bytes", "Memory of table readers.", &ColdMemory::table_readers),
    memory("pending_bytes", "Changes that are not durable yet.", &ColdMemory::pending),
    memory("disk_bytes", "Bytes on the disk.", &ColdMemory::disk),
    memory("disk_garbage_bytes", "Of them: not yet compacted away.", &ColdMemory::garbage),
    router("parked_commands", "Commands that waited for the cold tier.", Kind::kCounter,
           &Router::Figures::parked),
    router("parked_keys", "Keys that somebody waits for.", Kind::kGauge,
           &Router::Figures::waiting_keys),
    router("found", "Keys read back into memory.", Kind::kCounter, &Router::Figures::found),
    router("missing", "Keys that it was asked for and does not have.", Kind::kCounter,
           &Router::Figures::missing),
    router("failed_reads", "Keys that could not be read.", Kind::kCounter,
           &Router::Figures::failed),
    router("dropped_fills", "Answers that a write had overtaken.", Kind::kCounter,
           &Router::Figures::dropped_fills),
    router("denied_fills", "Values that memory had no room for.", Kind::kCounter,
           &Router::Figures::denied_fills),
    router("dropped_reads", "Values dropped and read again, for there was no memory for them yet.",
           Kind::kCounter, &Router::Figures::dropped_reads),
    router("read_room_bytes", "Memory of values that were read, and set aside for some more.",
           Kind::kGauge, &Router::Figures::read_room),
    router("negative_hits", "Questions for what is known to be absent.", Kind::kCounter,
           &Router::Figures::negative_hits),
    router("negative_entries", "Keys known to be absent.", Kind::kGauge,
           &Router::Figures::negative_entries),
    router("held_replies", "Replies that waited until their write was durable.", Kind::kCounter,
           &Router::Figures::held),
    router("late_replies", "Those of them that waited for older ones, beyond the window.",
           Kind::kCounter, &Router::Figures::late),
    router("pressed_writes", "Writes from elsewhere that waited because much is to be written.",
           Kind::kCounter, &Router::Figures::pressed),
    router("shed_writes", "Writes from elsewhere refused because of that.", Kind::kCounter,
           &Router::Figures::shed_writes),
    router("refused_writes", "Writes refused because the disk fails.", Kind::kCounter,
           &Router::Figures::refused_writes),
    router("preloaded", "Keys read ahead.", Kind::kCounter, &Router::Figures::preloaded),
    router("preload_waiting", "Keys that wait for it.", Kind::kGauge,
           &Router::Figures::preload_waiting),
};

std::uint64_t value_of(Server& server, const Figure& what) {
  tier::ColdStore& store = server.cold()->store();
  if (what.figure != nullptr) return store.figures().*what.figure;
  if (what.memory != nullptr) return store.memory().*what.memory;
  std::uint64_t all = 0;
  for (const auto& worker : server.workers()) {
    all += (worker->router()->figures().*what.router).value();
  }
  return all;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> cold_fields(Server& server) {
  std::vector<std::pair<std::string, std::string>> fields;
  ColdTier* cold = server.cold();
  if (cold == nullptr) return fields;
  const auto add = [&fields](const char* name, std::string value) {
    fields.emplace_back(std::string("cold_") + name, std::move(value));
  };
  add("directory", cold->directory());
  add("readable", cold->reads_ok() ? "1" : "0");
  add("writable", cold->writes_ok() ? "1" : "0");
  add("trouble", cold->trouble());
  add("budget_bytes", std::to_string(cold->store().budget_bytes()));
  for (const Figure& each : kFigures) {
    std::uint64_t value = value_of(server, each);
    std::string name = each.name;
    if (each.kind == Kind::kSeconds) {
      name.replace(name.rfind("_seconds"), 8, "_us");
      value /= 1000;
    }
    add(name.c_str(), std::to_string(value));
  }
  return fields;
}

void Server::register_cold_metrics() {
  for (const Figure& each : kFigures) {
    const double unit = each.kind == Kind::kSeconds ? 1e9 : 1;
    const auto read = [this, &each, unit] {
      return static_cast<double>(value_of(*this, each)) / unit;
    };
    const std::string name = std::string("ullage_cold_") + each.name;
    if (each.kind == Kind::kGauge || each.kind == Kind::kBytes) {
      registry_.gauge_of(name, each.help, {}, read);
    } else {
      registry_.counter_of(name + "_total", each.help, {}, read);
    }
  }
  registry_.gauge_of("ullage_cold_writable", "1: the cold tier can be written.", {},
                     [this] { return cold_->writes_ok() ? 1.0 : 0.0; });
  registry_.gauge_of("ullage_cold_readable", "1: the cold tier can be read.", {},
                     [this] { return cold_->reads_ok() ? 1.0 : 0.0; });
  registry_.gauge_of("ullage_cold_budget_bytes", "Memory that the cold tier may have.", {},
                     [this] { return static_cast<double>(cold_->store().budget_bytes()); });
}

// Its memory lies in the process's own, so what is told here comes off that component.
void add_cold(Server& server, tier::Topology& topology) {
  if (server.cold() == nullptr) return;
  const ColdMemory memory = server.cold()->store().memory();
  tier::TopologyComponent cold{"cold", {}, {}, {}, {}};
  cold.heap.budget_bytes = server.cold()->store().budget_bytes();
  cold.heap.live_bytes = memory.cache + memory.memtables + memory.pending;
  cold.heap.metadata_bytes = memory.table_readers;
  tier::Place& rest = topology.components.back().heap;
  cold.heap.resident_bytes =
      std::min(rest.resident_bytes, cold.heap.live_bytes + cold.heap.metadata_bytes);
  rest.resident_bytes -= cold.heap.resident_bytes;
  topology.accounted_resident_bytes += cold.heap.resident_bytes;
  cold.disk.live_bytes = memory.disk - std::min(memory.disk, memory.garbage);
  cold.disk.resident_bytes = memory.disk;
  cold.disk.garbage_bytes = memory.garbage;
  topology.components.insert(topology.components.begin() + 1, std::move(cold));
}

}  // namespace ullage::server

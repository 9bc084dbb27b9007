// SPDX-License-Identifier: Apache-2.0
//
// INFO: the server in figures, in the sections and with the names that tools read.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <ullage/version.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/machine.h"
#include "server/clock.h"
#include "server/cold_status.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/info_text.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/status.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// One figure of all threads together.
template <class Fn>
std::uint64_t sum(Server& server, Fn&& of) {
  std::uint64_t all = 0;
  for (const auto& worker : server.workers()) all += of(*worker);
  return all;
}

void server_section(Server& server, InfoText& out) {
  utsname system{};
  uname(&system);
  const std::uint64_t up_s = server.up_ms() / 1000;
  out.section("Server");
  out.field("redis_version", std::string(kRedisVersion));
  out.field("ullage_version", std::string(kVersionString));
  out.field("redis_git_sha1", "00000000");
  out.field("redis_git_dirty", 0);
  out.field("redis_build_id", "0");
  out.field("redis_mode", "standalone");
  out.field("os", std::string(system.sysname) + " " + system.release + " " + system.machine);
  out.field("arch_bits", 64);
  out.field("monotonic_clock", "POSIX clock_gettime");
  out.field("multiplexing_api", "epoll");
  out.field("gcc_version", __VERSION__);
  out.field("process_id", getpid());
  out.field("process_supervised", "no");
  out.field("run_id", server.run_id());
  out.field("tcp_port", server.port());
  out.field("server_time_usec", unix_us());
  out.field("uptime_in_seconds", up_s);
  out.field("uptime_in_days", up_s / 86400);
  out.field("hz", 10);
  out.field("configured_hz", 10);
  out.field("lru_clock", unix_ms() / 1000 & 0xffffff);
  out.field("executable", "/proc/self/exe");
  out.field("config_file", server.config().file);
  out.field("io_threads_active", server.workers().size() > 1 ? 1 : 0);
}

void clients_section(Server& server, InfoText& out) {
  std::uint64_t in_buffer = 0, out_buffer = 0;
  for (const auto& worker : server.workers()) {
    in_buffer = std::max(in_buffer, worker->stats().buffer_in_max.value());
    out_buffer = std::max(out_buffer, worker->stats().buffer_out_max.value());
  }
  out.section("Clients");
  out.field("connected_clients", server.client_count());
  out.field("cluster_connections", 0);
  out.field("maxclients", server.config().max_clients);
  out.field("client_recent_max_input_buffer", in_buffer);
  out.field("client_recent_max_output_buffer", out_buffer);
  out.field("blocked_clients", 0);
  out.field("tracking_clients", server.tracking().clients());
  out.field("clients_in_timeout_table", 0);
}

void memory_section(Server& server, InfoText& out) {
  const MemoryStatus status = memory_status(server);
  const std::uint64_t machine = this_machine().memory_bytes;
  out.section("Memory");
  out.field("used_memory", status.used_bytes);
  out.field("used_memory_human", human(status.used_bytes));
  out.field("used_memory_rss", status.resident_bytes);
  out.field("used_memory_rss_human", human(status.resident_bytes));
  out.field("used_memory_peak", status.peak_bytes);
  out.field("used_memory_peak_human", human(status.peak_bytes));
  out.field("used_memory_peak_perc", percent(status.used_bytes, status.peak_bytes));
  out.field("used_memory_overhead", status.metadata_bytes);
  out.field("used_memory_startup", 0);
  out.field("used_memory_dataset", status.live_bytes);
  out.field("used_memory_dataset_perc", percent(status.live_bytes, status.used_bytes));
  // The tier's pages: what is in use of them, and what the process takes beside.
  const std::uint64_t held = status.tier_resident_bytes;
  const std::uint64_t used = held - std::min(held, status.garbage_bytes);
  out.field("allocator_allocated", used);
  out.field("allocator_active", held);
  out.field("allocator_resident", held);
  out.field("allocator_frag_ratio", ratio(held, used));
  out.field("allocator_frag_bytes", held - used);
  out.field("allocator_rss_ratio", 1.0);
  out.field("allocator_rss_bytes", 0);
  const auto rss = static_cast<std::int64_t>(status.resident_bytes);
  out.field("rss_overhead_ratio", ratio(status.resident_bytes, held));
  out.field("rss_overhead_bytes", rss - static_cast<std::int64_t>(held));
  out.field("total_system_memory", machine);
  out.field("total_system_memory_human", human(machine));
  out.field("used_memory_lua", 0);
  out.field("used_memory_scripts", 0);
  for (const char* none :
       {"used_memory_vm_eval", "used_memory_scripts_eval", "number_of_cached_scripts",
        "number_of_functions", "number_of_libraries", "used_memory_vm_functions",
        "used_memory_vm_total", "used_memory_functions"}) {
    out.field(none, 0);
  }
  out.field("maxmemory", status.limit_bytes);
  out.field("maxmemory_human", human(status.limit_bytes));
  out.field("maxmemory_policy", server.config().maxmemory_policy);
  out.field("mem_fragmentation_ratio", status.fragmentation());
  out.field("mem_fragmentation_bytes", rss - static_cast<std::int64_t>(status.used_bytes));
  out.field("mem_not_counted_for_evict", 0);
  out.field("mem_clients_normal", status.client_bytes);
  out.field("mem_clients_slaves", 0);
  out.field("mem_cluster_links", 0);
  out.field("mem_replication_backlog", 0);
  out.field("mem_total_replication_buffers", 0);
  out.field("mem_aof_buffer", 0);
  out.field("mem_allocator", "ullage");
  out.field("active_defrag_running", 0);
  out.field("lazyfree_pending_objects", 0);
}

void persistence_section(Server&, InfoText& out) {
  out.section("Persistence");
  out.field("loading", 0);
  out.field("async_loading", 0);
  out.field("rdb_changes_since_last_save", 0);
  out.field("rdb_bgsave_in_progress", 0);
  out.field("rdb_last_save_time", 0);
  out.field("rdb_last_bgsave_status", "ok");
  // There are no snapshots and no log of commands: what persists is the cold tier.
  for (const char* never : {"rdb_last_bgsave_time_sec", "rdb_current_bgsave_time_sec",
                            "aof_last_rewrite_time_sec", "aof_current_rewrite_time_sec"}) {
    out.field(never, -1);
  }
  for (const char* none :
       {"rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded",
        "aof_rewrites", "aof_rewrites_consecutive_failures", "aof_last_cow_size",
        "module_fork_in_progress", "module_fork_last_cow_size", "current_cow_peak",
        "current_cow_size", "current_cow_size_age", "current_save_keys_processed",
        "current_save_keys_total"}) {
    out.field(none, 0);
  }
  out.field("current_fork_perc", 0.0);
  out.field("aof_enabled", 0);
  out.field("aof_rewrite_in_progress", 0);
  out.field("aof_rewrite_scheduled", 0);
  out.field("aof_last_bgrewrite_status", "ok");
  out.field("aof_last_write_status", "ok");
}

void stats_section(Server& server, InfoText& out) {
  const auto stat = [&server](Tally Stats::*member) {
    return sum(server, [member](Worker& w) { return (w.stats().*member).value(); });
  };
  const auto counter = [&server](Tally tier::Counters::*member, Tally Stats::*base) {
    return sum(server, [&](Worker& w) {
      return (w.shard().counters().*member).value() - (w.stats().*base).value();
    });
  };
  out.section("Stats");
  out.field("total_connections_received", stat(&Stats::connections));
  out.field("total_commands_processed", stat(&Stats::processed));
  out.field("instantaneous_ops_per_sec", server.commands_per_second());
  out.field("total_net_input_bytes", stat(&Stats::bytes_in));
  out.field("total_net_output_bytes", stat(&Stats::bytes_out));
  out.field("instantaneous_input_kbps", static_cast<double>(server.in_bytes_per_second()) / 1024);
  out.field("instantaneous_output_kbps", static_cast<double>(server.out_bytes_per_second()) / 1024);
  for (const char* none : {"total_net_repl_input_bytes", "total_net_repl_output_bytes"}) {
    out.field(none, 0);
  }
  out.field("instantaneous_input_repl_kbps", 0.0);
  out.field("instantaneous_output_repl_kbps", 0.0);
  out.field("rejected_connections",
            stat(&Stats::rejected_connections) + stat(&Stats::no_descriptor));
  out.field("sync_full", 0);
  out.field("sync_partial_ok", 0);
  out.field("sync_partial_err", 0);
  out.field("expired_keys", counter(&tier::Counters::expired, &Stats::expired_keys_base));
  out.field("expired_stale_perc", 0.0);
  out.field("expired_time_cap_reached_count", 0);
  out.field("evicted_keys", counter(&tier::Counters::evicted, &Stats::evicted_keys_base));
  out.field("evicted_clients", stat(&Stats::denied_buffers));
  out.field("keyspace_hits", counter(&tier::Counters::hits, &Stats::hits_base));
  out.field("keyspace_misses", counter(&tier::Counters::misses, &Stats::misses_base));
  out.field("pubsub_channels", server.pubsub().channel_count());
  out.field("pubsub_patterns", server.pubsub().pattern_count());
  out.field("pubsubshard_channels", 0);
  out.field("latest_fork_usec", 0);
  out.field("total_forks", 0);
  out.field("migrate_cached_sockets", 0);
  out.field("slave_expires_tracked_keys", 0);
  out.field("tracking_total_keys", server.tracking().keys());
  out.field("tracking_total_items", server.tracking().items());
  out.field("tracking_total_prefixes", server.tracking().prefixes());
  out.field("total_error_replies", stat(&Stats::errors));
  out.field("client_query_buffer_limit_disconnections", stat(&Stats::query_limit_cuts));
  out.field("client_output_buffer_limit_disconnections", stat(&Stats::output_limit_cuts));
  out.field("idle_disconnections", stat(&Stats::idle_cuts));
  out.field("unfinished_command_disconnections", stat(&Stats::unfinished_cuts));
}

void replication_section(Server& server, InfoText& out) {
  out.section("Replication");
  out.field("role", "master");
  out.field("connected_slaves", 0);
  out.field("master_failover_state", "no-failover");
  out.field("master_replid", server.run_id());
  out.field("master_replid2", std::string(40, '0'));
  out.field("master_repl_offset", 0);
  out.field("second_repl_offset", -1);
  out.field("repl_backlog_active", 0);
  out.field("repl_backlog_size", 0);
  out.field("repl_backlog_first_byte_offset", 0);
  out.field("repl_backlog_histlen", 0);
}

void cpu_section(Server&, InfoText& out) {
  const auto seconds = [](const timeval& time) {
    char text[32];
    std::snprintf(text, sizeof text, "%ld.%06ld", static_cast<long>(time.tv_sec),
                  static_cast<long>(time.tv_usec));
    return std::string(text);
  };
  rusage self{}, children{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  out.section("CPU");
  out.field("used_cpu_sys", seconds(self.ru_stime));
  out.field("used_cpu_user", seconds(self.ru_utime));
  out.field("used_cpu_sys_children", seconds(children.ru_stime));
  out.field("used_cpu_user_children", seconds(children.ru_utime));
}

void modules_section(Server&, InfoText& out) { out.section("Modules"); }

void errorstats_section(Server& server, InfoText& out) {
  std::map<std::string, std::uint64_t> codes;
  for (const auto& worker : server.workers()) {
    const std::lock_guard lock(worker->stats().errors_mutex);
    for (const auto& [code, count] : worker->stats().error_codes) codes[code] += count;
  }
  out.section("Errorstats");
  for (const auto& [code, count] : codes) {
    out.field("errorstat_" + code, "count=" + std::to_string(count));
  }
}

void cluster_section(Server&, InfoText& out) {
  out.section("Cluster");
  out.field("cluster_enabled", 0);
}

void keyspace_section(Server& server, InfoText& out) {
  out.section("Keyspace");
  for (unsigned db = 0; db < tier::kDatabases; ++db) {
    const auto keys = sum(server, [db](Worker& w) { return w.shard().count(db); });
    const auto expires = sum(server, [db](Worker& w) { return w.shard().count_with_expiry(db); });
    if (keys == 0) continue;
    out.field("db" + std::to_string(db), "keys=" + std::to_string(keys) +
                                             ",expires=" + std::to_string(expires) + ",avg_ttl=0");
  }
}

void commandstats_section(Server& server, InfoText& out) {
  out.section("Commandstats");
  for (const Command& command : commands()) {
    std::uint64_t calls = 0, ns = 0, rejected = 0, failed = 0;
    for (const auto& worker : server.workers()) {
      const CommandStats& stats = worker->stats().commands[command_index(&command)];
      calls += stats.calls.value();
      ns += stats.ns.value();
      rejected += stats.rejected.value();
      failed += stats.failed.value();
    }
    if (calls + rejected + failed == 0) continue;
    char text[160];
    std::snprintf(
        text, sizeof text,
        "calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
        static_cast<unsigned long long>(calls), static_cast<unsigned long long>(ns / 1000),
        calls == 0 ? 0.0 : static_cast<double>(ns) / 1000 / static_cast<double>(calls),
        static_cast<unsigned long long>(rejected), static_cast<unsigned long long>(failed));
    out.field("cmdstat_" + std::string(command.name), text);
  }
}

// The upper edge of the bucket that holds this share of the calls, in microseconds.
double percentile(const std::array<std::uint64_t, Durations::kBuckets>& buckets,
                  std::uint64_t calls, double share) {
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (static_cast<double>(seen) >= share * static_cast<double>(calls)) {
      return static_cast<double>(std::uint64_t{1} << i);
    }
  }
  return 0;
}

void latencystats_section(Server& server, InfoText& out) {
  out.section("Latencystats");
  for (const Command& command : commands()) {
    std::array<std::uint64_t, Durations::kBuckets> buckets{};
    std::uint64_t calls = 0;
    for (const auto& worker : server.workers()) {
      const Durations& durations = worker->stats().commands[command_index(&command)].durations;
      for (std::size_t i = 0; i < buckets.size(); ++i) {
        buckets[i] += durations.buckets[i].value();
        calls += durations.buckets[i].value();
      }
    }
    if (calls == 0) continue;
    char text[96];
    std::snprintf(text, sizeof text, "p50=%.3f,p99=%.3f,p99.9=%.3f",
                  percentile(buckets, calls, 0.5), percentile(buckets, calls, 0.99),
                  percentile(buckets, calls, 0.999));
    out.field("latency_percentiles_usec_" + std::string(command.name), text);
  }
}

void tiers_section(Server& server, InfoText& out) {
  const MemoryStatus status = memory_status(server);
  const auto counter = [&server](Tally tier::Counters::*member) {
    return sum(server, [member](Worker& w) { return (w.shard().counters().*member).value(); });
  };
  out.section("Tiers");
  out.field("tiers", server.cold() == nullptr ? "hot" : "hot,cold");
  out.field("hot_entries", status.keys);
  out.field("hot_resident_bytes", status.tier_resident_bytes);
  out.field("hot_live_bytes", status.live_bytes);
  out.field("hot_metadata_bytes", status.metadata_bytes);
  out.field("hot_garbage_bytes", status.garbage_bytes);
  out.field("hot_hits", counter(&tier::Counters::hits));
  out.field("hot_misses", counter(&tier::Counters::misses));
  out.field("hot_expired", counter(&tier::Counters::expired));
  out.field("hot_evicted", counter(&tier::Counters::evicted));
  out.field("hot_denied", counter(&tier::Counters::denied));
  for (const auto& [name, value] : cold_fields(server)) out.field(name, value);
}

void growth_section(Server& server, InfoText& out) {
  const auto counter = [&server](Tally tier::Counters::*member) {
    return sum(server, [member](Worker& w) { return (w.shard().counters().*member).value(); });
  };
  std::uint64_t most = 0, longest_ns = 0, command_ns = 0, command_cpu_ns = 0;
  for (const auto& worker : server.workers()) {
    command_ns = std::max(command_ns, worker->stats().command_ns_max.value());
    command_cpu_ns = std::max(command_cpu_ns, worker->stats().command_cpu_ns_max.value());
    most = std::max(most, worker->shard().counters().operation_moves_max.value());
    longest_ns = std::max(longest_ns, worker->shard().counters().step_ns_max.value());
  }
  out.section("Growth");
  out.field("growth_splits", counter(&tier::Counters::splits));
  out.field("growth_stretches", counter(&tier::Counters::stretches));
  out.field("growth_merges", counter(&tier::Counters::merges));
  out.field("growth_moved_entries", counter(&tier::Counters::moved));
  out.field("growth_operation_moves_max", most);
  out.field("reclaim_packed_bytes", counter(&tier::Counters::packed_bytes));
  out.field("reclaim_steps", counter(&tier::Counters::steps));
  out.field("reclaim_step_us_max", static_cast<double>(longest_ns) / 1000);
  out.field("command_us_max", static_cast<double>(command_ns) / 1000);
  // Of the thread's own time; 0 unless latency-monitor-threshold is set.
  out.field("command_cpu_us_max", static_cast<double>(command_cpu_ns) / 1000);
}

void budget_section(Server& server, InfoText& out) {
  const tier::Budget& budget = server.budget();
  const tier::Budget::Readings readings = budget.readings();
  out.section("Budget");
  out.field("budget_limit_bytes", budget.limit_bytes());
  out.field("budget_allowed_bytes", budget.allowed_bytes());
  out.field("budget_granted_bytes", budget.granted_bytes());
  out.field("budget_granted_bytes_max", budget.granted_bytes_max());
  for (std::size_t i = 0; i < tier::kComponents; ++i) {
    const auto component = static_cast<tier::Component>(i);
    out.field("budget_granted_" + std::string(tier::to_string(component)) + "_bytes",
              budget.granted_bytes(component));
  }
  out.field("budget_denied", budget.denied());
  out.field("budget_pressure", tier::to_string(budget.pressure()));
  out.field("process_resident_bytes", readings.process_resident_bytes);
  out.field("cgroup_bytes", readings.cgroup_bytes);
  out.field("cgroup_limit_bytes", readings.cgroup_limit_bytes);
}

struct Section {
  const char* name;
  bool by_default;
  void (*write)(Server&, InfoText&);
};
constexpr Section kSections[] = {
    {"server", true, server_section},
    {"clients", true, clients_section},
    {"memory", true, memory_section},
    {"persistence", true, persistence_section},
    {"stats", true, stats_section},
    {"replication", true, replication_section},
    {"cpu", true, cpu_section},
    {"modules", true, modules_section},
    {"commandstats", false, commandstats_section},
    {"errorstats", true, errorstats_section},
    {"latencystats", false, latencystats_section},
    {"cluster", true, cluster_section},
    {"keyspace", true, keyspace_section},
    {"tiers", false, tiers_section},
    {"growth", false, growth_section},
    {"budget", false, budget_section},
};

bool wanted(const Section& section, const std::vector<std::string>& names) {
  if (names.empty()) return section.by_default;
  for (const std::string& name : names) {
    if (name == "all" || name == "everything" || name == section.name) return true;
    if (name == "default" && section.by_default) return true;
  }
  return false;
}

}  // namespace

std::string info_text(Server& server, const std::vector<std::string>& names) {
  InfoText text;
  for (const Section& section : kSections) {
    if (wanted(section, names)) section.write(server, text);
  }
  return text.take();
}

void info_command(Context& c) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < c.words.size(); ++i) names.push_back(lower_case(c.word(i)));
  c.out.verbatim(info_text(c.server, names));
}

}  // namespace ullage::server

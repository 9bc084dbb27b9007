// SPDX-License-Identifier: Apache-2.0
//
// What /metrics tells of the server. Every series exists from the start; values are read when they
// are scraped.
#include "tier/metrics.h"

#include <sys/resource.h>

#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

struct Figure {
  const char* name;
  const char* help;
  Tally Stats::*member;
};
constexpr Figure kCounters[] = {
    {"ullage_server_commands_total", "Commands that ran.", &Stats::processed},
    {"ullage_server_connections_total", "Connections that came.", &Stats::connections},
    {"ullage_server_refused_connections_total", "Connections beyond server.max_clients.",
     &Stats::rejected_connections},
    {"ullage_server_unaccepted_connections_total",
     "Connections refused because the system had no descriptor, or no memory, for them.",
     &Stats::no_descriptor},
    {"ullage_server_received_bytes_total", "Bytes from clients.", &Stats::bytes_in},
    {"ullage_server_sent_bytes_total", "Bytes to clients.", &Stats::bytes_out},
    {"ullage_server_errors_total", "Error replies.", &Stats::errors},
    {"ullage_server_protocol_errors_total", "Clients closed for what they sent.",
     &Stats::protocol_errors},
    {"ullage_server_tls_connections_total", "Connections whose TLS handshake was done.",
     &Stats::tls_connections},
    {"ullage_server_tls_failures_total", "TLS handshakes that failed, or took too long.",
     &Stats::tls_failures},
    {"ullage_server_protected_refusals_total",
     "Connections from elsewhere, while there was no password.", &Stats::protected_refusals},
    {"ullage_server_posts_total", "Commands and pushes handed to another thread.", &Stats::posts},
    {"ullage_server_scattered_commands_total", "Commands of which several threads ran a part each.",
     &Stats::scattered},
    {"ullage_server_regathered_commands_total",
     "Of those: run again as one, because keys of several threads changed in between.",
     &Stats::gathered_again},
    {"ullage_server_early_refreshes_total",
     "Readers of a hot entry that were sent to fetch it anew before its end.",
     &Stats::early_refreshes},
    {"ullage_server_turns_total", "Turns of the threads' loops.", &Stats::turns},
};
constexpr std::pair<const char*, Tally Stats::*> kCuts[] = {
    {"output_buffer", &Stats::output_limit_cuts},
    {"query_buffer", &Stats::query_limit_cuts},
    {"idle", &Stats::idle_cuts},
    {"unfinished_command", &Stats::unfinished_cuts},
    {"budget", &Stats::denied_buffers},
};

double total(const Server& server, Tally Stats::*member) {
  std::uint64_t sum = 0;
  for (const auto& worker : server.workers()) sum += (worker->stats().*member).value();
  return static_cast<double>(sum);
}

double of_command(const Server& server, std::size_t index, Tally CommandStats::*member) {
  std::uint64_t sum = 0;
  for (const auto& worker : server.workers()) {
    sum += (worker->stats().commands[index].*member).value();
  }
  return static_cast<double>(sum);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

void Server::register_metrics(const MoreMetrics& more) {
  for (const Figure& figure : kCounters) {
    registry_.counter_of(figure.name, figure.help, {},
                         [this, member = figure.member] { return total(*this, member); });
  }
  for (const auto& [why, member] : kCuts) {
    registry_.counter_of("ullage_server_closed_clients_total",
                         "Clients closed because a limit was met.", {{"limit", why}},
                         [this, member = member] { return total(*this, member); });
  }
  registry_.counter_of("ullage_server_standstills_total",
                       "Times that all threads stood still for one command.", {},
                       [this] { return static_cast<double>(standstills.load()); });
  registry_.counter_of("ullage_server_log_lines_unwritten_total",
                       "Lines left out because stderr took none.", {},
                       [this] { return static_cast<double>(log_.unwritten()); });
  registry_.gauge_of("ullage_server_clients", "Connected clients.", {},
                     [this] { return static_cast<double>(client_count()); });
  registry_.gauge_of("ullage_server_threads", "Threads that serve.", {},
                     [this] { return static_cast<double>(workers_.size()); });
  // By the names that every exporter has.
  registry_.counter_of("process_cpu_seconds_total", "Processor time that the process took.", {},
                       [] { return cpu_seconds(); });
  registry_.gauge_of(
      "process_resident_memory_bytes", "Memory of the process that is resident.", {},
      [this] { return static_cast<double>(budget_->readings().process_resident_bytes); });
  registry_.gauge_of("process_start_time_seconds", "Unix time of the start.", {},
                     [this] { return static_cast<double>(started_ms_) / 1000; });
  registry_.gauge_of("ullage_server_start_time_seconds", "Unix time of the start.", {},
                     [this] { return static_cast<double>(started_ms_) / 1000; });
  const auto all = commands();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].flags & kContainer) continue;
    const metrics::Labels labels = {{"command", all[i].name}};
    registry_.counter_of("ullage_server_command_calls_total", "Calls, by command.", labels,
                         [this, i] { return of_command(*this, i, &CommandStats::calls); });
    registry_.counter_of("ullage_server_command_seconds_total", "Time taken, by command.", labels,
                         [this, i] { return of_command(*this, i, &CommandStats::ns) / 1e9; });
  }
  std::vector<const tier::Shard*> shards;
  for (const auto& worker : workers_) shards.push_back(&worker->shard());
  tier::register_metrics(registry_, *budget_, shards);
  if (cold_ != nullptr) register_cold_metrics();
  register_topology_metrics();
  growth_metrics_ = std::make_unique<metrics::GrowthMetrics>(registry_);
  growth_feed_.also(growth_metrics_.get());
  if (more) more(registry_);
  registry_.seal();
}

}  // namespace ullage::server

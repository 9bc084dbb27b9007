// SPDX-License-Identifier: Apache-2.0
//
// The state of the server in one JSON object: what somebody at 3 a.m. looks for first.
#include <ullage/version.h>

#include <algorithm>

#include "base/json.h"
#include "server/clock.h"
#include "server/cold_status.h"
#include "server/http/live.h"
#include "server/server.h"
#include "server/status.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Of the latest slow commands, and of those that took most time.
constexpr std::size_t kSlowMax = 12, kCommandsMax = 12;
// Words of a slow command: its name and what comes next, most often a key. Values are nobody's
// business here.
constexpr std::size_t kWordsMax = 2, kWordBytesMax = 64;

template <class Fn>
std::uint64_t sum(Server& server, Fn of) {
  std::uint64_t all = 0;
  for (const auto& worker : server.workers()) all += of(*worker);
  return all;
}

// What INFO tells of it, numbers as numbers.
void write_cold(JsonWriter& json, Server& server) {
  const auto fields = cold_fields(server);
  if (fields.empty()) return;
  constexpr std::string_view kPrefix = "cold_";
  json.begin_object();
  json.field("name", "cold");
  for (const auto& [name, value] : fields) {
    const std::string key = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
    std::int64_t number = 0;
    if (wire::parse_integer(value, number)) {
      json.field(key, number);
    } else {
      json.field(key, value);
    }
  }
  json.end_object();
}

void write_tiers(JsonWriter& json, Server& server) {
  const auto counter = [&server](tier::Tally tier::Counters::*member) {
    return sum(server, [=](Worker& w) { return (w.shard().counters().*member).value(); });
  };
  json.begin_array("tiers");
  json.begin_object();
  json.field("name", "hot");
  json.field("entries", sum(server, [](Worker& w) { return w.shard().memory().entries.value(); }));
  json.field("hits", counter(&tier::Counters::hits));
  json.field("misses", counter(&tier::Counters::misses));
  json.field("expired", counter(&tier::Counters::expired));
  json.field("evicted", counter(&tier::Counters::evicted));
  json.field("denied", counter(&tier::Counters::denied));
  json.end_object();
  write_cold(json, server);
  json.end_array();
  std::uint64_t most = 0, longest_ns = 0;
  for (const auto& worker : server.workers()) {
    const tier::Counters& counters = worker->shard().counters();
    most = std::max(most, counters.operation_moves_max.value());
    longest_ns = std::max(longest_ns, counters.step_ns_max.value());
  }
  json.begin_object("growth");
  json.field("splits", counter(&tier::Counters::splits));
  json.field("stretches", counter(&tier::Counters::stretches));
  json.field("merges", counter(&tier::Counters::merges));
  json.field("moved", counter(&tier::Counters::moved));
  json.field("operation_moves_max", most);
  json.field("step_us_max", static_cast<double>(longest_ns) / 1000);
  json.end_object();
}

void write_budget(JsonWriter& json, Server& server) {
  const tier::Budget& budget = server.budget();
  const tier::Budget::Readings readings = budget.readings();
  json.begin_object("budget");
  json.field("limit_bytes", budget.limit_bytes());
  json.field("allowed_bytes", budget.allowed_bytes());
  json.field("granted_bytes", budget.granted_bytes());
  json.field("granted_bytes_max", budget.granted_bytes_max());
  json.field("resident_bytes", readings.process_resident_bytes);
  json.field("cgroup_bytes", readings.cgroup_bytes);
  json.field("cgroup_limit_bytes", readings.cgroup_limit_bytes);
  json.field("denied", budget.denied());
  json.field("pressure", tier::to_string(budget.pressure()));
  json.end_object();
}

void write_curve(JsonWriter& json, const std::vector<tier::HitCurve>& curves) {
  std::uint64_t sampled = 0;
  for (const tier::HitCurve& curve : curves) sampled += curve.sampled;
  json.begin_object("curve");
  json.field("sampled", sampled);
  json.begin_array("points");
  for (std::size_t i = 0; sampled > 0 && i < tier::HitCurve::kPoints; ++i) {
    double hits = 0;
    unsigned percent = 0;
    for (const tier::HitCurve& curve : curves) {
      hits += curve.points[i].hit_ratio * static_cast<double>(curve.sampled);
      percent = std::max(percent, curve.points[i].size_percent);
    }
    json.begin_object();
    json.field("size_percent", percent);
    json.field("hit_ratio", hits / static_cast<double>(sampled));
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

void write_slow(JsonWriter& json, Server& server) {
  json.begin_array("slow");
  for (const SlowEntry& entry : server.latency().slow(kSlowMax)) {
    json.begin_object();
    json.field("id", entry.id);
    json.field("unix_s", entry.unix_s);
    json.field("us", entry.us);
    json.begin_array("words");
    for (std::size_t i = 0; i < std::min(entry.words.size(), kWordsMax); ++i) {
      json.value(std::string_view(entry.words[i]).substr(0, kWordBytesMax));
    }
    json.end_array();
    json.field("more_words", entry.words.size() > kWordsMax);
    json.field("peer", entry.peer);
    json.end_object();
  }
  json.end_array();
}

// The edge of the power of two below which this share of the calls lies, in microseconds.
std::uint64_t percentile_us(const std::array<std::uint64_t, Durations::kBuckets>& buckets,
                            std::uint64_t calls, double share) {
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (static_cast<double>(seen) >= share * static_cast<double>(calls)) {
      return std::uint64_t{1} << i;
    }
  }
  return 0;
}

void write_commands(JsonWriter& json, Server& server) {
  struct Row {
    const Command* command = nullptr;
    std::uint64_t calls = 0, ns = 0;
    std::array<std::uint64_t, Durations::kBuckets> buckets{};
  };
  std::vector<Row> rows;
  for (const Command& command : commands()) {
    Row row{.command = &command};
    for (const auto& worker : server.workers()) {
      const CommandStats& stats = worker->stats().commands[command_index(&command)];
      row.calls += stats.calls.value();
      row.ns += stats.ns.value();
      for (std::size_t i = 0; i < row.buckets.size(); ++i) {
        row.buckets[i] += stats.durations.buckets[i].value();
      }
    }
    if (row.calls > 0) rows.push_back(row);
  }
  const std::size_t shown = std::min(rows.size(), kCommandsMax);
  std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(shown), rows.end(),
                    [](const Row& one, const Row& other) { return one.ns > other.ns; });
  json.begin_array("commands");
  for (std::size_t i = 0; i < shown; ++i) {
    json.begin_object();
    json.field("name", rows[i].command->name);
    json.field("calls", rows[i].calls);
    json.field("seconds", static_cast<double>(rows[i].ns) / 1e9);
    json.field("us_p50", percentile_us(rows[i].buckets, rows[i].calls, 0.5));
    json.field("us_p99", percentile_us(rows[i].buckets, rows[i].calls, 0.99));
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string Live::status_json(const Caller& caller) const {
  JsonWriter json(JsonWriter::Style::kCompact);
  json.begin_object();
  json.field("unix_ms", unix_ms());
  json.field("version", kVersionString);
  json.field("run_id", server_.run_id());
  json.field("uptime_s", (unix_ms() - server_.started_ms()) / 1000);
  json.field("stopping", server_.stopping());
  json.field("threads", server_.workers().size());
  json.field("clients", server_.client_count());
  json.field("commands_per_second", server_.commands_per_second());
  json.field("commands_total", totals().commands);
  json.field("errors_total", totals().errors);
  json.field("errands", errands_.under_way());
  write_budget(json, server_);
  write_tiers(json, server_);
  write_curve(json, curves_);
  if (may_see_slow(server_, caller)) {
    write_slow(json, server_);
  } else {
    json.begin_array("slow"), json.end_array();
  }
  write_commands(json, server_);
  json.end_object();
  std::string text = json.text();
  // The topology writes itself, over lines; strings hold no line's end.
  std::string topology = topology_json(server_);
  std::erase(topology, '\n');
  text.pop_back();
  return text + ",\"topology\":" + topology + "}";
}

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
//
// SLOWLOG and LATENCY.
#include <algorithm>
#include <bit>

#include "server/clock.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/latency_text.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Entries that SLOWLOG GET tells when it is not told how many.
constexpr std::int64_t kSlowDefault = 10;

std::vector<std::string> words_from(const Context& c, std::size_t first) {
  return {c.words.begin() + static_cast<std::ptrdiff_t>(first), c.words.end()};
}

// All threads' calls of one command, by powers of two of microseconds.
struct Histogram {
  std::uint64_t calls = 0;
  std::uint64_t buckets[Durations::kBuckets] = {};
};
Histogram histogram_of(Context& c, const Command& command) {
  Histogram all;
  for (const auto& worker : c.server.workers()) {
    const CommandStats& stats = worker->stats().commands[command_index(&command)];
    all.calls += stats.calls.value();
    for (std::size_t i = 0; i < Durations::kBuckets; ++i) {
      all.buckets[i] += stats.durations.buckets[i].value();
    }
  }
  return all;
}

void reply_histogram(Context& c, const Command& command, const Histogram& histogram) {
  c.out.bulk(command.name);
  c.out.map(2);
  c.out.bulk("calls");
  c.out.integer(static_cast<std::int64_t>(histogram.calls));
  c.out.bulk("histogram_usec");
  std::size_t lines = 0;
  for (const std::uint64_t count : histogram.buckets) lines += count > 0 ? 1 : 0;
  c.out.map(lines);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < Durations::kBuckets; ++i) {
    if (histogram.buckets[i] == 0) continue;
    sum += histogram.buckets[i];
    c.out.integer(std::int64_t{1} << i);
    c.out.integer(static_cast<std::int64_t>(sum));
  }
}

}  // namespace

void slowlog_get_command(Context& c) {
  std::int64_t count = kSlowDefault;
  if (c.words.size() > 3) return c.wrong_subcommand_words();
  if (c.words.size() == 3) {
    if (!wire::parse_integer(c.word(2), count) || count < -1) {
      return c.error("ERR count should be greater than or equal to -1");
    }
  }
  const auto entries =
      c.server.latency().slow(count < 0 ? SIZE_MAX : static_cast<std::size_t>(count));
  c.out.array(entries.size());
  for (const SlowEntry& entry : entries) {
    c.out.array(6);
    c.out.integer(entry.id);
    c.out.integer(entry.unix_s);
    c.out.integer(entry.us);
    c.out.array(entry.words.size());
    for (const std::string& word : entry.words) c.out.bulk(word);
    c.out.bulk(entry.peer);
    c.out.bulk(entry.name);
  }
}

void slowlog_len_command(Context& c) {
  c.out.integer(static_cast<std::int64_t>(c.server.latency().slow_count()));
}

void slowlog_reset_command(Context& c) {
  c.server.latency().clear_slow();
  c.out.ok();
}

void slowlog_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "GET [<count>]",
      "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
      "    Entries are made of:",
      "    id, timestamp, time in microseconds, arguments array, client IP and port,",
      "    client name",
      "LEN",
      "    Return the length of the slowlog.",
      "RESET",
      "    Reset the slowlog.",
  };
  c.help(kLines);
}

void latency_latest_command(Context& c) {
  const auto events = c.server.latency().events();
  c.out.array(events.size());
  for (const auto& [name, event] : events) {
    c.out.array(4);
    c.out.bulk(name);
    c.out.integer(event.samples.back().unix_s);
    c.out.integer(event.samples.back().ms);
    c.out.integer(event.max_ms);
  }
}

void latency_history_command(Context& c) {
  const auto events = c.server.latency().events();
  const auto found = events.find(std::string(c.word(2)));
  if (found == events.end()) return c.out.array(0);
  c.out.array(found->second.samples.size());
  for (const Latency::Sample& sample : found->second.samples) {
    c.out.array(2);
    c.out.integer(sample.unix_s);
    c.out.integer(sample.ms);
  }
}

void latency_graph_command(Context& c) {
  const std::string name(c.word(2));
  const auto events = c.server.latency().events();
  const auto found = events.find(name);
  if (found == events.end()) {
    return c.error("ERR No samples available for event '" + name + "'");
  }
  c.out.verbatim(latency_graph(name, found->second, static_cast<std::int64_t>(unix_ms() / 1000)));
}

void latency_doctor_command(Context& c) {
  LatencyFacts facts{.threshold_ms = c.config().latency_monitor_threshold_ms,
                     .pressure = tier::to_string(c.server.budget().pressure())};
  for (const auto& worker : c.server.workers()) {
    facts.moves_max =
        std::max(facts.moves_max, worker->shard().counters().operation_moves_max.value());
  }
  c.out.verbatim(latency_report(c.server.latency().events(), facts,
                                static_cast<std::int64_t>(unix_ms() / 1000)));
}

void latency_reset_command(Context& c) {
  c.out.integer(static_cast<std::int64_t>(c.server.latency().reset(words_from(c, 2))));
}

void latency_histogram_command(Context& c) {
  std::vector<std::pair<const Command*, Histogram>> told;
  const auto add = [&](const Command& command) {
    Histogram histogram = histogram_of(c, command);
    if (histogram.calls > 0) told.emplace_back(&command, histogram);
  };
  if (c.words.size() == 2) {
    for (const Command& command : commands()) add(command);
  }
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    const Command* command = find_command(c.word(i));
    if (command == nullptr) continue;
    add(*command);
    if (!(command->flags & kContainer)) continue;
    const std::string prefix = std::string(command->name) + "|";
    for (const Command& sub : commands()) {
      if (std::string_view(sub.name).starts_with(prefix)) add(sub);
    }
  }
  c.out.map(told.size());
  for (const auto& [command, histogram] : told) reply_histogram(c, *command, histogram);
}

void latency_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "DOCTOR",
      "    Return a human readable latency analysis report.",
      "GRAPH <event>",
      "    Return an ASCII latency graph for the <event> class.",
      "HISTORY <event>",
      "    Return time-latency samples for the <event> class.",
      "HISTOGRAM [COMMAND ...]",
      ("    Return a cumulative distribution of latencies in the format of a histogram for the "
       "specified command names."),
      "LATEST",
      "    Return the latest latency samples for all events.",
      "RESET [<event> ...]",
      "    Reset latency data of one or more <event> classes.",
      "    (default: reset all data for all event classes)",
  };
  c.help(kLines);
}

}  // namespace ullage::server

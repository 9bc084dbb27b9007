// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one thread counts. Written by it alone, read by any.

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/command.h"
#include "tier/counters.h"

namespace ullage::server {

using tier::Tally;

// Time by powers of two of microseconds: LATENCY HISTOGRAM, percentiles, metrics.
struct Durations {
  static constexpr std::size_t kBuckets = 32;
  std::array<Tally, kBuckets> buckets;
  void record(std::uint64_t ns) {
    buckets[static_cast<std::size_t>(std::bit_width(ns / 1000)) % kBuckets].add();
  }
};

struct CommandStats {
  Tally calls, ns, rejected, failed;
  Durations durations;
};

struct SlowEntry {
  std::int64_t id;
  std::int64_t unix_s, us;
  std::vector<std::string> words;
  std::string peer, name;
};

struct Stats {
  explicit Stats(std::size_t command_count) : commands(command_count) {}

  std::vector<CommandStats> commands;
  Tally processed, connections, rejected_connections, no_descriptor, bytes_in, bytes_out;
  Tally output_limit_cuts, query_limit_cuts, idle_cuts, unfinished_cuts, denied_buffers;
  Tally protocol_errors, errors;
  Tally tls_connections, tls_failures, protected_refusals;
  Tally clients, turns, posts;
  Tally early_refreshes;
  Tally scattered, gathered_again;  // commands run in parts; those that had to be run as one then
  // Of one command: by the clock; and of its thread's own time, while latencies are monitored.
  Tally command_ns_max, command_cpu_ns_max;
  Tally watching, in_multi, subscribed;
  Tally expired_keys_base, evicted_keys_base, hits_base, misses_base;  // CONFIG RESETSTAT
  Tally buffer_in_max, buffer_out_max;                                 // of one client, of late
  // Any thread: told seldom, and read seldom.
  void add_error(std::string code) {
    const std::lock_guard lock(errors_mutex);
    ++error_codes[std::move(code)];
  }
  mutable std::mutex errors_mutex;
  std::map<std::string, std::uint64_t> error_codes;
};

}  // namespace ullage::server

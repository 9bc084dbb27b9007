// SPDX-License-Identifier: Apache-2.0
#pragma once

// Latency: the slow moments of the server: SLOWLOG, and LATENCY's events. Written only when
// something was slow. Threads: any.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/stats.h"

namespace ullage::server {

class Latency {
 public:
  // Samples kept of one event.
  static constexpr std::size_t kSamplesMax = 160;
  struct Sample {
    std::int64_t unix_s;
    std::uint32_t ms;
  };
  struct Event {
    std::deque<Sample> samples;
    std::uint32_t max_ms = 0;
  };

  void add_slow(SlowEntry entry, std::size_t entries_max);
  std::vector<SlowEntry> slow(std::size_t count) const;  // newest first
  std::size_t slow_count() const;
  void clear_slow();

  void add_event(const std::string& name, std::int64_t unix_s, std::uint32_t ms);
  std::map<std::string, Event> events() const;
  std::size_t reset(const std::vector<std::string>& names);  // none: all; how many went

 private:
  mutable std::mutex mutex_;
  std::deque<SlowEntry> slow_;
  std::int64_t next_slow_ = 0;
  std::map<std::string, Event> events_;
};

}  // namespace ullage::server

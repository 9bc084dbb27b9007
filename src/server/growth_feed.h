// SPDX-License-Identifier: Apache-2.0
#pragma once

// GrowthFeed: the latest growth events of the store, numbered, for whoever looks on.
//
//   GrowthFeed feed(threads);
//   shard 2 tells feed.lane(2) of its growths
//   std::vector<GrowthFeed::Event> events;
//   const std::uint64_t missed = feed.since(last_seen, 32, events);   // oldest first
//
// Promise   A growth takes no lock and waits for nobody: a lane is written by one thread, and who
//           looks reads again what was written meanwhile. What is older than kKept events is
//           forgotten, and since() says how many a reader missed.
// Cost      A growth: some ten stores, one addition that lanes share, and what also() hears.
//           Memory: 36 KiB a lane.
// Threads   A lane: one at a time. since(), newest(): any. also(): before the first growth.

#include <ullage/growth.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace ullage::server {

class GrowthFeed {
 public:
  static constexpr std::size_t kKept = 512;
  struct Event {
    std::uint64_t id = 0;  // from 1, in the order they happened
    std::uint64_t unix_ms = 0;
    growth_kind kind = growth_kind::first;
    growth_cause cause = growth_cause::insert;
    std::uint32_t thread = 0;
    std::uint64_t bytes_before = 0, bytes_after = 0, moved = 0, elements = 0, duration_ns = 0;
  };

  explicit GrowthFeed(std::size_t lanes);
  ~GrowthFeed();

  growth_sink& lane(std::size_t index);
  // Another who hears of every growth, on the thread that grows.
  void also(growth_sink* sink) { also_ = sink; }
  // Events with numbers above `id`, the newest `most` of them; how many others there were up to the
  // last of these.
  std::uint64_t since(std::uint64_t id, std::size_t most, std::vector<Event>& into) const;
  // The last of which it and all before it are written.
  std::uint64_t newest() const;

 private:
  class Lane;

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::atomic<std::uint64_t> last_id_{0};
  growth_sink* also_ = nullptr;
};

}  // namespace ullage::server

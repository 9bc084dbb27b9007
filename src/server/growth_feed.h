// SPDX-License-Identifier: Apache-2.0
#pragma once

// GrowthFeed: the latest growth events of the store, numbered, for whoever looks on.
//
//   std::vector<GrowthFeed::Event> events;
//   const std::uint64_t missed = feed.since(last_seen, 32, events);   // oldest first
//
// Promise   A growth never waits for those who look: what is older than kKept events is forgotten,
//           and since() says how many a reader missed.
// Cost      A growth: a lock that is held for a copy of 72 bytes. Growths are one per some hundred
//           writes.
// Threads   Any.

#include <ullage/growth.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

namespace ullage::server {

class GrowthFeed final : public growth_sink {
 public:
  static constexpr std::size_t kKept = 512;
  struct Event {
    std::uint64_t id = 0;  // from 1, in the order they happened
    std::uint64_t unix_ms = 0;
    growth_kind kind = growth_kind::first;
    growth_cause cause = growth_cause::insert;
    std::uint32_t thread = 0;
    std::uint64_t bytes_before = 0, bytes_after = 0, moved = 0, elements = 0;
  };

  void on_growth(const growth_event& event) noexcept override;
  // Events with numbers above `id`, the newest `most` of them; how many others there were.
  std::uint64_t since(std::uint64_t id, std::size_t most, std::vector<Event>& into) const;
  std::uint64_t newest() const;

 private:
  mutable std::mutex mutex_;
  std::array<Event, kKept> ring_;
  std::uint64_t newest_ = 0;
};

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReadRoom: memory for values on their way from the cold tier to one thread, granted by the budget
// before they are kept.
//
//   if (!room.take(value.size())) ...      // on a reader's thread: the value is dropped there
//   ...
//   room.put_back(bytes);                  // it is somewhere else, or gone
//
// How long a value is, nobody knows before it was read. So some memory is set aside for as many as
// are under way, by the mean of those that came; for what is longer the budget is asked, which
// grants what is free but makes no room. What is dropped is read again once its thread made room.
// Where the budget grants nothing any more, kFreeBytes are there all the same, and one value of up
// to kAloneBytes while there is no other.
//
// Threads   take, put_back, free_bytes: any. The rest is its thread's.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "tier/budget.h"

namespace ullage::server {

class ReadRoom {
 public:
  // Reads under way may expect so many bytes, all together: a share of the hot tier.
  static std::uint64_t window(std::uint64_t hot_bytes, std::uint64_t threads) {
    constexpr std::uint64_t kLeast = 16 << 10, kMost = 4 << 20, kShare = 32;
    return hot_bytes == 0 ? kMost : std::clamp(hot_bytes / kShare / threads, kLeast, kMost);
  }

  static constexpr std::uint64_t kFreeBytes = 64 << 10, kAloneBytes = 4 << 20;

  ReadRoom(tier::Budget& budget, int shard, std::uint64_t window_bytes)
      : budget_(budget), shard_(shard), window_(window_bytes) {}

  bool take(std::uint64_t bytes) noexcept {
    std::uint64_t free = free_.load(std::memory_order_relaxed);
    while (free >= bytes) {
      if (free_.compare_exchange_weak(free, free - bytes, std::memory_order_relaxed)) return true;
    }
    return budget_.take(tier::Component::kClients, bytes, shard_);
  }
  void put_back(std::uint64_t bytes) noexcept { free_.fetch_add(bytes, std::memory_order_relaxed); }
  std::uint64_t window_bytes() const { return window_; }
  std::uint64_t free_bytes() const { return free_.load(std::memory_order_relaxed); }

  // A value of this length came, whether there was room for it or not.
  void saw(std::uint64_t bytes) {
    const std::uint64_t part = bytes / kRecent;
    mean_ = std::max<std::uint64_t>(mean_ - mean_ / kRecent + part, 1);
  }
  std::uint64_t mean() const { return mean_; }
  // One more may be asked for beside those; one always may.
  bool fits_one_more(std::size_t under_way) const {
    return under_way == 0 || (under_way + 1) * mean_ <= window_;
  }
  // What should be set aside while so many are under way. Some always is, so that the next value
  // is read once.
  std::uint64_t wanted(std::size_t under_way) const {
    return std::min<std::uint64_t>(window_, mean_ * std::max<std::uint64_t>(under_way, 2));
  }
  // The budget has granted so many more; what is free beyond `most` goes back to it.
  void add(std::uint64_t bytes) { put_back(bytes); }
  // It has granted nothing: for a value that is alone.
  void add_ungranted(std::uint64_t bytes) {
    ungranted_ += bytes;
    put_back(bytes);
  }
  void keep(std::uint64_t most) {
    most = std::max(most, kFreeBytes);
    std::uint64_t free = free_.load(std::memory_order_relaxed);
    while (free > most) {
      if (!free_.compare_exchange_weak(free, most, std::memory_order_relaxed)) continue;
      const std::uint64_t lent = std::min(ungranted_, free - most);
      ungranted_ -= lent;
      budget_.give_back(tier::Component::kClients, free - most - lent, shard_);
      return;
    }
  }

 private:
  // Before any came; and of how many answers the mean is, about.
  static constexpr std::uint64_t kGuessBytes = 8 << 10, kRecent = 8;

  tier::Budget& budget_;
  const int shard_;
  const std::uint64_t window_;
  std::atomic<std::uint64_t> free_{kFreeBytes};
  std::uint64_t ungranted_ = 0;  // beyond kFreeBytes
  std::uint64_t mean_ = kGuessBytes;
};

}  // namespace ullage::server

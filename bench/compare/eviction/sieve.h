// SPDX-License-Identifier: Apache-2.0
// sieve: one queue, one bit, and a hand that goes from the oldest to the newest (Zhang et al.,
// 2024).
#pragma once

#include "task.lists.h"

struct sieve {
  class Policy {
   public:
    Policy(std::uint64_t capacity, std::uint64_t) : capacity_(capacity), hand_(list_.end()) {}
    bool use(const eviction::Request& r) {
      const auto it = list_.find(r.hash);
      if (list_.has(it)) {
        it->mark = 1;
        return true;
      }
      while (!list_.empty() && list_.bytes() + r.bytes > capacity_) evict();
      list_.push_front({r.hash, r.bytes});
      return false;
    }

   private:
    void evict() {
      if (hand_ == list_.end()) hand_ = std::prev(list_.end());
      while (hand_->mark != 0) {
        hand_->mark = 0;
        hand_ = hand_ == list_.begin() ? std::prev(list_.end()) : std::prev(hand_);
      }
      const auto victim = hand_;
      hand_ = hand_ == list_.begin() ? list_.end() : std::prev(hand_);
      list_.erase(victim);
    }

    std::uint64_t capacity_;
    eviction::List list_;
    eviction::List::Iterator hand_;
  };
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::count_hits<Policy>(trace, capacity);
  }
};

// SPDX-License-Identifier: Apache-2.0
// lru: whoever was used longest ago goes.
#pragma once

#include "task.lists.h"

struct lru {
  class Policy {
   public:
    Policy(std::uint64_t capacity, std::uint64_t) : capacity_(capacity) {}
    bool use(const eviction::Request& r) {
      const auto it = list_.find(r.hash);
      if (list_.has(it)) {
        list_.to_front(it);
        return true;
      }
      list_.push_front({r.hash, r.bytes});
      while (list_.bytes() > capacity_) list_.pop_back();
      return false;
    }

   private:
    std::uint64_t capacity_;
    eviction::List list_;
  };
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::count_hits<Policy>(trace, capacity);
  }
};

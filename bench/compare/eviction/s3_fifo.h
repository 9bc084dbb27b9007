// SPDX-License-Identifier: Apache-2.0
// s3_fifo: a tenth for newcomers, a main queue with two-bit counters, a queue of ghosts (Yang et
// al., 2023).
#pragma once

#include "task.lists.h"

struct s3_fifo {
  class Policy {
   public:
    Policy(std::uint64_t capacity, std::uint64_t) : capacity_(capacity) {}
    bool use(const eviction::Request& r) {
      for (eviction::List* list : {&small_, &main_}) {
        const auto it = list->find(r.hash);
        if (!list->has(it)) continue;
        if (it->mark < 3) ++it->mark;
        return true;
      }
      while (!(small_.empty() && main_.empty()) &&
             small_.bytes() + main_.bytes() + r.bytes > capacity_) {
        evict();
      }
      if (const auto ghost = ghosts_.find(r.hash); ghosts_.has(ghost)) {
        ghosts_.erase(ghost);
        main_.push_front({r.hash, r.bytes});
      } else {
        small_.push_front({r.hash, r.bytes});
      }
      return false;
    }

   private:
    void evict() {
      if (!small_.empty() && (small_.bytes() > capacity_ / 10 || main_.empty())) {
        eviction::Item item = small_.pop_back();
        if (item.mark > 1) {
          item.mark = 0;
          main_.push_front(item);
          return;
        }
        ghosts_.push_front(item);
        while (ghosts_.bytes() > capacity_ * 9 / 10) ghosts_.pop_back();
        return;
      }
      while (!main_.empty()) {
        eviction::Item item = main_.pop_back();
        if (item.mark == 0) return;
        --item.mark;
        main_.push_front(item);
      }
    }

    std::uint64_t capacity_;
    eviction::List small_, main_, ghosts_;
  };
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::count_hits<Policy>(trace, capacity);
  }
};

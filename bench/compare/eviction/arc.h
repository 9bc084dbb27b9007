// SPDX-License-Identifier: Apache-2.0
// arc: two lists, of keys seen once and seen again, with ghosts that say which should be larger
// (Megiddo and Modha, 2003).
#pragma once

#include <algorithm>

#include "task.lists.h"

struct arc {
  class Policy {
   public:
    Policy(std::uint64_t capacity, std::uint64_t) : capacity_(capacity) {}
    bool use(const eviction::Request& r) {
      if (const auto it = once_.find(r.hash); once_.has(it)) {
        again_.push_front(once_.erase(it));
        return true;
      }
      if (const auto it = again_.find(r.hash); again_.has(it)) {
        again_.to_front(it);
        return true;
      }
      if (const auto it = once_ghosts_.find(r.hash); once_ghosts_.has(it)) {
        const std::uint64_t step =
            std::max<std::uint64_t>(r.bytes, r.bytes * again_ghosts_.bytes() /
                                                 std::max<std::uint64_t>(once_ghosts_.bytes(), 1));
        wanted_ = std::min(capacity_, wanted_ + step);
        once_ghosts_.erase(it);
        replace(r.bytes, false);
        again_.push_front({r.hash, r.bytes});
        return false;
      }
      if (const auto it = again_ghosts_.find(r.hash); again_ghosts_.has(it)) {
        const std::uint64_t step =
            std::max<std::uint64_t>(r.bytes, r.bytes * once_ghosts_.bytes() /
                                                 std::max<std::uint64_t>(again_ghosts_.bytes(), 1));
        wanted_ -= std::min(wanted_, step);
        again_ghosts_.erase(it);
        replace(r.bytes, true);
        again_.push_front({r.hash, r.bytes});
        return false;
      }
      while (!once_ghosts_.empty() && once_.bytes() + once_ghosts_.bytes() + r.bytes > capacity_) {
        once_ghosts_.pop_back();
      }
      if (once_ghosts_.empty() && once_.bytes() + r.bytes > capacity_ && !once_.empty()) {
        once_.pop_back();
      }
      const auto all = [this] {
        return once_.bytes() + again_.bytes() + once_ghosts_.bytes() + again_ghosts_.bytes();
      };
      while (!again_ghosts_.empty() && all() + r.bytes > 2 * capacity_) again_ghosts_.pop_back();
      replace(r.bytes, false);
      once_.push_front({r.hash, r.bytes});
      return false;
    }

   private:
    void replace(std::uint32_t bytes, bool from_again_ghosts) {
      while (once_.bytes() + again_.bytes() + bytes > capacity_) {
        const bool take_once = !once_.empty() && (once_.bytes() > wanted_ || again_.empty() ||
                                                  (from_again_ghosts && once_.bytes() == wanted_));
        if (take_once) {
          once_ghosts_.push_front(once_.pop_back());
        } else if (!again_.empty()) {
          again_ghosts_.push_front(again_.pop_back());
        } else {
          return;
        }
      }
    }

    std::uint64_t capacity_, wanted_ = 0;
    eviction::List once_, again_, once_ghosts_, again_ghosts_;
  };
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::count_hits<Policy>(trace, capacity);
  }
};

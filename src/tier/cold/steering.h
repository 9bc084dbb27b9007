// SPDX-License-Identifier: Apache-2.0
#pragma once

// Steering: how large the cache may be, so that what is resident stays within the budget.
//
//   const Steering::Step step = steering.next({budget, resident, counted, spare});
//   cache.set_capacity(step.cache_bytes); if (step.give_back) ...; if (step.trim) ...
//
// Not everything is charged to the cache: code, allocators' slack, buffers of compaction. What is
// resident and not counted is measured, ten times a second, and the cache gets what is left. It
// gives way at once and grows late: the uncounted part is taken at its maximum of the last minute
// or two, because what a large compaction takes it takes again with the next one.

#include <cstdint>

namespace ullage::tier::cold {

class Steering {
 public:
  struct Seen {
    std::uint64_t budget_bytes = 0;
    std::uint64_t resident_bytes = 0;  // all of it
    std::uint64_t counted_bytes = 0;   // charged to the cache
    std::uint64_t spare_bytes = 0;     // freed and resident, ours to give back
  };
  struct Step {
    std::uint64_t cache_bytes = 0;
    std::uint64_t give_back_bytes = 0;  // of what is spare once the cache has its size
    bool trim = false;                  // have malloc give back what it can
    bool changed = false;               // the cache's size did
  };

  explicit Steering(std::uint64_t cache_bytes) : cache_bytes_(cache_bytes) {}
  Step next(const Seen& seen);
  // What is aimed at: a little below the budget.
  static std::uint64_t aim(std::uint64_t budget_bytes) noexcept;
  // The cache is not made smaller than this, whatever is resident beside it.
  static std::uint64_t least(std::uint64_t budget_bytes) noexcept;
  std::uint64_t uncounted_bytes() const noexcept {
    return uncounted_now_ > uncounted_before_ ? uncounted_now_ : uncounted_before_;
  }

 private:
  std::uint64_t cache_bytes_;
  // Maxima of the minute under way and of the one before it.
  std::uint64_t uncounted_now_ = 0, uncounted_before_ = 0;
  unsigned tick_ = 0;
  unsigned above_ = 0;  // ticks above the aim
  unsigned since_trim_ = 0;
};

}  // namespace ullage::tier::cold

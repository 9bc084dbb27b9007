// SPDX-License-Identifier: Apache-2.0
//
// budget: how much memory containers may take together, and who else may say no.
//
//   inline ullage::byte_budget cache_memory{64 << 20};            // hard: 64 MiB
//   inline ullage::byte_budget index_memory{64 << 20, 48 << 20};  // from 48 MiB on: least only
//   orders.limit(&cache_memory);                                  // of one site, or of many
//
//   ullage::callback_budget ask_pool{[](const ullage::growth_request& r) {
//     return pool_has(r.bytes_wanted) ? ullage::growth_answer::admit : ullage::growth_answer::deny;
//   }, &cache_memory};                                            // and then cache_memory
//
// Promise   However many threads ask at once, byte_budget never admits beyond its hard limit. A
//           denied container keeps everything it had, and throws growth_denied (or says so by
//           try_...). Memory that arrives without a question (a container moved in) is counted and
//           may lie above the limit; then nothing is admitted until enough was given back.
// Cost      One compare-and-swap per growth. No allocation, no lock.
// Threads   All members from any thread. A budget lives longer than the containers that ask it.
#pragma once

#include <ullage/growth.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace ullage {

class byte_budget final : public growth_budget {
 public:
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
  /// What a limit means while a container moves, when it holds the old memory and the new.
  enum class peaks : bool {
    ignored,  ///< the limit bounds what containers hold between growths
    bounded,  ///< a growth whose own peak would not fit is denied. Two at once may both have theirs
  };

  /// Denies what would exceed `hard_limit` bytes, and degrades what would exceed `soft_limit`.
  explicit byte_budget(std::uint64_t hard_limit, std::uint64_t soft_limit = kUnlimited,
                       peaks peak = peaks::ignored) noexcept
      : hard_limit_(hard_limit < kUnlimited ? hard_limit : kUnlimited),
        soft_limit_(soft_limit),
        peak_(peak) {}
  byte_budget(const byte_budget&) = delete;
  byte_budget& operator=(const byte_budget&) = delete;

  growth_answer ask(const growth_request& request) noexcept override {
    if (request.bytes_wanted <= request.bytes_now) {
      adjust(-static_cast<std::int64_t>(request.bytes_now - request.bytes_wanted));
      return growth_answer::admit;
    }
    const std::uint64_t more = request.bytes_wanted - request.bytes_now;
    std::uint64_t at_once = more;
    if (peak_ == peaks::bounded && request.bytes_at_peak > request.bytes_wanted) {
      at_once = request.bytes_at_peak - request.bytes_now;
    }
    const std::uint64_t limit = hard_limit();
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (used > limit || at_once > limit - used) {
        denied_.fetch_add(1, std::memory_order_relaxed);
        denied_bytes_.fetch_add(more, std::memory_order_relaxed);
        return growth_answer::deny;
      }
    } while (!used_.compare_exchange_weak(used, used + more, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    raise_high_water(used + more);
    if (used + more <= soft_limit()) return growth_answer::admit;
    degraded_.fetch_add(1, std::memory_order_relaxed);
    return growth_answer::degrade;
  }

  void adjust(std::int64_t bytes) noexcept override {
    std::uint64_t used = used_.load(std::memory_order_relaxed), next;
    do {
      if (bytes >= 0) {
        next = used + static_cast<std::uint64_t>(bytes);
      } else {
        const std::uint64_t less = std::uint64_t{0} - static_cast<std::uint64_t>(bytes);
        next = used > less ? used - less : 0;  // bytes from before the limit was set
      }
    } while (!used_.compare_exchange_weak(used, next, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    if (bytes > 0) raise_high_water(next);
  }

  /// Changes a limit for growths to come. Lowering it below used() takes nothing away.
  void set_hard_limit(std::uint64_t bytes) noexcept {
    hard_limit_.store(bytes < kUnlimited ? bytes : kUnlimited, std::memory_order_relaxed);
  }
  void set_soft_limit(std::uint64_t bytes) noexcept {
    soft_limit_.store(bytes, std::memory_order_relaxed);
  }

  std::uint64_t hard_limit() const noexcept { return hard_limit_.load(std::memory_order_relaxed); }
  std::uint64_t soft_limit() const noexcept { return soft_limit_.load(std::memory_order_relaxed); }
  /// Bytes that containers hold, or were just admitted to take.
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_acquire); }
  /// The most that used() ever was.
  std::uint64_t high_water() const noexcept { return high_water_.load(std::memory_order_relaxed); }
  /// Questions answered with deny, the bytes they were about, and those answered with degrade.
  std::uint64_t denied() const noexcept { return denied_.load(std::memory_order_relaxed); }
  std::uint64_t denied_bytes() const noexcept {
    return denied_bytes_.load(std::memory_order_relaxed);
  }
  std::uint64_t degraded() const noexcept { return degraded_.load(std::memory_order_relaxed); }

 private:
  void raise_high_water(std::uint64_t used) noexcept {
    std::uint64_t seen = high_water_.load(std::memory_order_relaxed);
    while (used > seen &&
           !high_water_.compare_exchange_weak(seen, used, std::memory_order_relaxed)) {
    }
  }

  std::atomic<std::uint64_t> hard_limit_, soft_limit_;
  const peaks peak_;
  std::atomic<std::uint64_t> used_{0}, high_water_{0};
  std::atomic<std::uint64_t> denied_{0}, denied_bytes_{0}, degraded_{0};
};

/// Asks a function of the program: growth_answer(const growth_request&). Then, unless it denied,
/// asks `next`. The strictest answer counts. A function that throws has denied.
template <class Callback>
class callback_budget final : public growth_budget {
 public:
  static_assert(std::is_invocable_r_v<growth_answer, Callback&, const growth_request&>);

  explicit callback_budget(Callback callback, growth_budget* next = nullptr)
      : callback_(std::move(callback)), next_(next) {}
  callback_budget(const callback_budget&) = delete;
  callback_budget& operator=(const callback_budget&) = delete;

  growth_answer ask(const growth_request& request) noexcept override {
    growth_answer answer = growth_answer::deny;
    try {
      answer = callback_(request);
    } catch (...) {
    }
    if (answer == growth_answer::deny || next_ == nullptr) return answer;
    const growth_answer other = next_->ask(request);
    return other > answer ? other : answer;
  }
  void adjust(std::int64_t bytes) noexcept override {
    if (next_ != nullptr) next_->adjust(bytes);
  }

 private:
  Callback callback_;
  growth_budget* next_;
};

}  // namespace ullage

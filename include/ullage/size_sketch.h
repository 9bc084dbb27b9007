// SPDX-License-Identifier: Apache-2.0
//
// size_sketch: the distribution of sizes, within 1/8 of each, in 2 KiB. Mergeable: adding up the
// counts of two sketches gives the sketch of both. Quantiles are upper ends of buckets, so that a
// capacity taken from one is never below the size it stands for.
//
// Cost      add: one relaxed increment and one relaxed maximum, O(1). quantile: O(buckets).
// Limit     kCountMax sizes in one bucket; then all counts are halved: the shape stays, and what
//           comes later weighs more.
// Threads   All members from any thread. A quantile read while others add is one that was true.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ullage {

class size_sketch {
 public:
  /// Eight buckets to a power of two; sizes below 8 are exact.
  static constexpr std::size_t kBuckets = 62 * 8;
  /// Half of what a count can hold: increments that race with the halving have as much room again.
  static constexpr std::uint32_t kCountMax = std::uint32_t{1} << 31;

  constexpr size_sketch() noexcept = default;

  static constexpr std::size_t bucket_of(std::uint64_t size) noexcept {
    if (size < 8) return static_cast<std::size_t>(size);
    const int top = static_cast<int>(std::bit_width(size)) - 1;  // 3..63
    return static_cast<std::size_t>((top - 2) * 8) + ((size >> (top - 3)) & 7);
  }
  /// Largest size in `bucket`.
  static constexpr std::uint64_t upper_end(std::size_t bucket) noexcept {
    if (bucket < 8) return bucket;
    const unsigned top = static_cast<unsigned>(bucket / 8) + 2;
    const std::uint64_t step = std::uint64_t{1} << (top - 3);
    return (std::uint64_t{8} + bucket % 8) * step + (step - 1);
  }

  /// Adds `size`, `times` times (at most kCountMax / 2).
  void add(std::uint64_t size, std::uint32_t times = 1) noexcept {
    count(bucket_of(size), times);
    raise_max(size);
  }
  void merge(const size_sketch& other) noexcept {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      std::uint32_t n = other.counts_[i].load(std::memory_order_relaxed);
      for (; n > kCountMax / 2; n -= kCountMax / 2) count(i, kCountMax / 2);
      if (n != 0) count(i, n);
    }
    raise_max(other.max());
  }

  std::uint64_t count() const noexcept {
    std::uint64_t n = 0;
    for (const auto& c : counts_) n += c.load(std::memory_order_relaxed);
    return n;
  }
  std::uint32_t count_in(std::size_t bucket) const noexcept {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  /// The largest size added, exact; 0 when there is none.
  std::uint64_t max() const noexcept { return max_.load(std::memory_order_relaxed); }

  /// A size that at least the share `q` (0..1) of all added sizes do not exceed: the upper end of a
  /// bucket, at most max(). 0 when nothing was added.
  std::uint64_t quantile(double q) const noexcept {
    const std::uint64_t all = count();
    if (all == 0) return 0;
    const double wanted = q * static_cast<double>(all);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i].load(std::memory_order_relaxed);
      if (seen != 0 && static_cast<double>(seen) >= wanted) {
        return upper_end(i) < max() ? upper_end(i) : max();
      }
    }
    return max();
  }

 private:
  void count(std::size_t bucket, std::uint32_t times) noexcept {
    const std::uint32_t before = counts_[bucket].fetch_add(times, std::memory_order_relaxed);
    // Exactly one increment crosses the limit: its thread halves, the others go on.
    if (before < kCountMax && before + times >= kCountMax) [[unlikely]] {
      halve();
    }
  }
  void halve() noexcept {
    for (auto& c : counts_) {
      std::uint32_t n = c.load(std::memory_order_relaxed);
      while (n != 0 && !c.compare_exchange_weak(n, n - n / 2, std::memory_order_relaxed)) {
      }
    }
  }
  void raise_max(std::uint64_t size) noexcept {
    std::uint64_t seen = max_.load(std::memory_order_relaxed);
    while (size > seen && !max_.compare_exchange_weak(seen, size, std::memory_order_relaxed)) {
    }
  }

  std::atomic<std::uint32_t> counts_[kBuckets] = {};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counter, Gauge, Histogram: what is counted while a program runs.
//
// Cost      recording is one or two relaxed atomic additions, on a cache line that few threads
//           share. No lock, no allocation, no system call: growth paths and signal handlers may.
// Threads   any may record and read at the same time. A reading taken while others record is a
//           value that was true of each instrument at some moment of the reading; of a histogram,
//           count and buckets agree with each other, its sum may be some records ahead.
// Lifetime  that of the Registry that made it; instruments don't move.

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ullage::metrics {

// Copies of a counter that threads spread over.
inline constexpr std::size_t kStripes = 8;
inline constexpr std::size_t kCacheLineBytes = 64;

// A small number for the calling thread; neighbours differ.
std::size_t stripe() noexcept;

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    stripes_[stripe()].value.fetch_add(n, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept {
    std::uint64_t sum = 0;
    for (const Stripe& s : stripes_) sum += s.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(kCacheLineBytes) Stripe {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Stripe, kStripes> stripes_;
};

class Gauge {
 public:
  void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(double n) noexcept {
    double seen = value_.load(std::memory_order_relaxed);
    while (!value_.compare_exchange_weak(seen, seen + n, std::memory_order_relaxed)) {
    }
  }
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Where one recorded value came from. The label is a literal; of the text its first
// kExemplarBytesMax bytes are kept.
struct Exemplar {
  const char* label = nullptr;  // "site"
  const char* text = nullptr;   // "orders.by_id"
};
inline constexpr std::size_t kExemplarBytesMax = 64;

// Whole numbers (nanoseconds, bytes) in buckets of powers of two: bucket i holds values that need i
// bits, so its upper edge is 2^i - 1. Exact counts, edges within a factor of two, no set-up.
class Histogram {
 public:
  static constexpr std::size_t kBuckets = 65;

  void record(std::uint64_t value) noexcept {
    Stripe& s = stripes_[stripe() % kHistogramStripes];
    s.buckets[static_cast<std::size_t>(std::bit_width(value))].fetch_add(1,
                                                                         std::memory_order_relaxed);
    s.sum.fetch_add(value, std::memory_order_relaxed);
  }
  // Also remembers where it came from: the latest of each bucket. `at_ns`: Unix time.
  void record(std::uint64_t value, Exemplar from, std::uint64_t at_ns) noexcept;

  struct Remembered {
    const char* label = nullptr;                     // null: there is none
    std::array<char, kExemplarBytesMax + 1> text{};  // ends with a zero
    std::uint64_t value = 0, at_ns = 0;
  };
  struct Reading {
    std::array<std::uint64_t, kBuckets> buckets{};
    std::uint64_t count = 0;
    double sum = 0;
    std::array<Remembered, kBuckets> exemplars{};
    // Upper edge of the bucket that holds this share of the values; 0 when empty.
    std::uint64_t percentile(double share) const noexcept;
  };
  Reading read() const noexcept;

 private:
  static constexpr std::size_t kHistogramStripes = 4;
  struct alignas(kCacheLineBytes) Stripe {
    std::array<std::atomic<std::uint64_t>, kBuckets> buckets{};
    std::atomic<std::uint64_t> sum{0};
  };
  // A sequence lock: odd while one writes; a second writer leaves it at that.
  struct Slot {
    std::atomic<std::uint32_t> sequence{0};
    std::atomic<const char*> label{nullptr};
    std::array<std::atomic<std::uint64_t>, kExemplarBytesMax / 8> text{};
    std::atomic<std::uint64_t> value{0}, at_ns{0};
  };
  std::array<Stripe, kHistogramStripes> stripes_;
  std::array<Slot, kBuckets> slots_;
};

}  // namespace ullage::metrics

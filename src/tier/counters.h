// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one shard counts. Written by its thread, read by any: plain atomics without order.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ullage::tier {

// A number that one thread writes and any may read.
class Tally {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct Counters {
  Tally hits, misses;      // of get()
  Tally expired, evicted;  // entries that nobody erased
  Tally evicted_bytes;
  Tally denied;                     // operations that ended in Status::kDenied
  Tally splits, stretches, merges;  // of table segments
  Tally moved;                      // entries moved by growth
  Tally packed, packed_bytes;       // entries moved to empty sparse pages
  Tally operation_moves_max;        // the most entries that one operation moved, evicted or freed
  Tally steps, step_ns_max;         // of step()
};

// Bytes of one shard, in pages of its own: resident = live + metadata + garbage. Large values lie
// aside and are not in these: large_resident = large_live + what is rounding or not yet given back.
struct Memory {
  Tally entries;         // in all databases
  Tally live_bytes;      // headers, keys and values
  Tally metadata_bytes;  // table segments, directories, page lists
  Tally garbage_bytes;   // free cells, rounding, flushed memory that is not yet given back
  Tally resident_bytes;
  Tally large_live_bytes, large_resident_bytes;
};

// Share of requests that memory of several sizes would have answered, by sampled shadow caches.
struct HitCurve {
  static constexpr std::size_t kPoints = 7;
  struct Point {
    unsigned size_percent = 0;  // of the present size
    double hit_ratio = 0;
  };
  std::array<Point, kPoints> points{};
  std::uint64_t sampled = 0;  // requests it rests on; 0: nothing is known yet
  unsigned window_percent = 1;
};

// A HitCurve for any thread to read, as of the last second: shares in millionths.
struct CurveTallies {
  std::array<Tally, HitCurve::kPoints> hit_ppm;
  Tally sampled, window_percent;
};

}  // namespace ullage::tier

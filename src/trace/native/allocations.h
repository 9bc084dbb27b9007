// SPDX-License-Identifier: Apache-2.0
#pragma once

// Allocations: how much is allocated where, how long it lives, and how much of it is alive when.
//
//   Allocations book{stacks, clock};
//   book.advance(now);
//   book.allocated(stack, bytes, 1.0);
//   book.freed(stack, bytes, 1.0, lifetime);
//
// Under sampling bytes and counts are scaled up by the caller's weight.
//
// Memory       one AllocationPlace per place (StackTable::place), a few hundred bytes; its series
//              holds only the slices in which something happened there.
// Cost         a few additions per call; a place is looked up once per stack.
// Threads      One at a time.

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "evidence/evidence.h"
#include "trace/native/clock.h"
#include "trace/native/histogram.h"
#include "trace/native/stacks.h"

namespace ullage::trace {

// Different sizes kept exactly per allocation site; beyond it quantiles may be 1/8 high.
inline constexpr std::size_t kSiteSizesExact = 32;
// Lifetimes by power of two of a nanosecond; the last class takes everything above 39 hours.
inline constexpr std::size_t kLifetimePowers = 48;

struct SlicePoint {
  std::uint32_t slice = 0;
  std::uint64_t live = 0;       // bytes at the end of the slice
  std::uint64_t allocated = 0;  // bytes within it
};

struct AllocationPlace {
  std::uint32_t stack = 0;  // the first context seen here
  double allocations = 0, live_blocks = 0;
  std::uint64_t bytes = 0, live_bytes = 0, live_bytes_max = 0;
  evidence::Lifetimes lifetimes;
  std::array<std::uint32_t, kLifetimePowers> lifetime_powers{};
  Histogram sizes{kSiteSizesExact};
  std::vector<SlicePoint> slices;
};

class Allocations {
 public:
  Allocations(const StackTable& stacks, const Clock& clock);

  // Time moves on (never back): finishes the slices that end before `now`.
  void advance(std::uint64_t now) {
    now_ = now;
    if (now >= slice_end_) next_slice();
  }
  void allocated(std::uint32_t stack, std::uint64_t size, double weight);
  // `lifetime` in steps.
  void freed(std::uint32_t stack, std::uint64_t size, double weight, std::uint64_t lifetime);
  // After the last event: what is alive joins the lifetimes, the remaining slices are filled.
  void finish();

  std::size_t slice() const { return slice_; }
  // When the most was alive so far, in steps.
  std::uint64_t peak_time() const { return peak_time_; }

  const std::vector<AllocationPlace>& places() const { return places_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t live_bytes() const { return live_; }
  std::uint64_t live_bytes_max() const { return live_max_; }
  const evidence::Lifetimes& lifetimes() const { return lifetimes_; }
  const evidence::Series& live_series() const { return live_series_; }
  const evidence::Series& live_max_series() const { return live_max_series_; }

 private:
  AllocationPlace& place(std::uint32_t stack) {
    if (stack < index_.size() && index_[stack] != 0) return places_[index_[stack] - 1];
    return new_place(stack);
  }
  AllocationPlace& new_place(std::uint32_t stack);
  SlicePoint& point(AllocationPlace& p);
  void next_slice();

  const StackTable& stacks_;
  const Clock& clock_;
  std::uint64_t now_ = 0, slice_end_ = 0, peak_time_ = 0;
  std::size_t slice_ = 0;
  std::uint64_t bytes_ = 0, live_ = 0, live_max_ = 0, slice_max_ = 0;
  std::vector<std::uint32_t> index_;  // by stack: place + 1
  std::unordered_map<std::uint64_t, std::uint32_t> by_hash_;
  std::vector<AllocationPlace> places_;
  std::array<std::uint64_t, evidence::kLifetimeEdgesNs.size()> edges_{};  // in steps
  evidence::Lifetimes lifetimes_;
  evidence::Series live_series_{}, live_max_series_{};
};

}  // namespace ullage::trace

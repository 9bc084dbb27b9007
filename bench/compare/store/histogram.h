// SPDX-License-Identifier: Apache-2.0
#pragma once

// Histogram: latencies in nanoseconds, 64 buckets for each power of two (at most 1.6 % too high).
#include <array>
#include <bit>
#include <cstdint>

namespace store {

class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++counts_[index(ns)];
    ++count_;
    if (ns > max_) max_ = ns;
  }
  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  // The upper end of the bucket that holds the given share of all values.
  std::uint64_t quantile(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return upper(i) < max_ ? upper(i) : max_;
    }
    return max_;
  }

 private:
  static constexpr unsigned kSubBits = 6;
  static std::size_t index(std::uint64_t v) {
    if (v < (1u << kSubBits)) return v;
    const unsigned shift = static_cast<unsigned>(std::bit_width(v)) - kSubBits - 1;
    return (static_cast<std::size_t>(shift + 1) << kSubBits) + ((v >> shift) & 63);
  }
  static std::uint64_t upper(std::size_t i) {
    if (i < (1u << kSubBits)) return i;
    const unsigned shift = static_cast<unsigned>(i >> kSubBits) - 1;
    return ((64 + (i & 63) + 1) << shift) - 1;
  }
  std::array<std::uint64_t, 60u << kSubBits> counts_{};
  std::uint64_t count_ = 0, max_ = 0;
};

}  // namespace store

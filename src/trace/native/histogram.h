// SPDX-License-Identifier: Apache-2.0
#pragma once

// Histogram: the distribution of sizes at one place, exact while few different values were seen.
//
//   Histogram h{64};
//   h.add(4096);
//   h.summary().p95
//
// Promises     count, min and max are always exact. Quantiles are exact up to `exact_limit`
//              different values; beyond it they are the upper edge of a bucket, at most 1/8 above
//              the truth and never above the maximum.
// Cost         16 B per different value up to the limit, then 4 KiB. add() is O(1) for a value that
//              was seen last, O(log exact_limit) otherwise.
// Threads      One at a time.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "evidence/evidence.h"

namespace ullage::trace {

class Histogram {
 public:
  explicit Histogram(std::size_t exact_limit = 64) : exact_limit_(exact_limit) {}

  void add(std::uint64_t value, std::uint64_t count = 1);
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  std::uint64_t max() const { return max_; }
  bool exact() const { return buckets_.empty(); }
  // Value and count, ascending; none of them once there were more than the limit.
  const std::vector<std::pair<std::uint64_t, std::uint64_t>>& exact_values() const {
    return exact_;
  }
  // The smallest value with at least share * count values not above it; 0 when empty.
  std::uint64_t quantile(double share) const;
  evidence::SizeSummary summary() const;
  // Values (beyond the limit: upper edges of buckets) with their counts, ascending.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> values() const;

 private:
  void add_exact(std::uint64_t value, std::uint64_t count);
  void spill();

  std::size_t exact_limit_;
  std::size_t last_ = 0;  // where the last value was found
  std::uint64_t count_ = 0, min_ = UINT64_MAX, max_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> exact_;  // value, count; ascending
  std::vector<std::uint64_t> buckets_;  // 8 per power of two, once there are too many values
};

}  // namespace ullage::trace

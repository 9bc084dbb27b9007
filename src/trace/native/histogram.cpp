// SPDX-License-Identifier: Apache-2.0
#include "trace/native/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ullage::trace {
namespace {

constexpr unsigned kSubBits = 3;
constexpr std::size_t kBuckets = (64 - kSubBits + 1) << kSubBits;

std::size_t bucket_of(std::uint64_t value) {
  if (value < (1u << kSubBits)) return value;
  const unsigned exponent = 63u - static_cast<unsigned>(std::countl_zero(value));
  const unsigned shift = exponent - kSubBits;
  return ((shift + 1) << kSubBits) + ((value >> shift) & ((1u << kSubBits) - 1));
}

std::uint64_t upper_edge(std::size_t bucket) {
  if (bucket < (1u << kSubBits)) return bucket;
  const unsigned shift = static_cast<unsigned>(bucket >> kSubBits) - 1;
  const std::uint64_t sub = (bucket & ((1u << kSubBits) - 1)) | (1u << kSubBits);
  return (sub << shift) + ((std::uint64_t{1} << shift) - 1);
}

}  // namespace

void Histogram::add(std::uint64_t value, std::uint64_t count) {
  if (count == 0) return;
  count_ += count;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  if (buckets_.empty()) {
    add_exact(value, count);
  } else {
    buckets_[bucket_of(value)] += count;
  }
}

void Histogram::add_exact(std::uint64_t value, std::uint64_t count) {
  if (last_ < exact_.size() && exact_[last_].first == value) {
    exact_[last_].second += count;
    return;
  }
  const auto at = std::lower_bound(exact_.begin(), exact_.end(), value,
                                   [](const auto& e, std::uint64_t v) { return e.first < v; });
  last_ = static_cast<std::size_t>(at - exact_.begin());
  if (at != exact_.end() && at->first == value) {
    at->second += count;
    return;
  }
  exact_.insert(at, {value, count});
  if (exact_.size() > exact_limit_) spill();
}

void Histogram::spill() {
  buckets_.assign(kBuckets, 0);
  for (const auto& [value, count] : exact_) buckets_[bucket_of(value)] += count;
  exact_.clear();
  exact_.shrink_to_fit();
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  if (other.buckets_.empty()) {
    for (const auto& [value, count] : other.exact_) add(value, count);
    return;
  }
  if (buckets_.empty()) spill();
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::quantile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (const auto& [value, count] : exact_) {
    seen += count;
    if (seen >= wanted) return value;
  }
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::clamp(upper_edge(i), min_, max_);
  }
  return max_;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> Histogram::values() const {
  if (buckets_.empty()) return exact_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] != 0) out.emplace_back(std::clamp(upper_edge(i), min_, max_), buckets_[i]);
  }
  return out;
}

evidence::SizeSummary Histogram::summary() const {
  return {count_, min(), quantile(0.5), quantile(0.95), max_};
}

}  // namespace ullage::trace

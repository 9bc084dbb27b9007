// SPDX-License-Identifier: Apache-2.0
#include "trace/native/allocations.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ullage::trace {
namespace {

std::uint64_t scaled(std::uint64_t size, double weight) {
  if (weight == 1.0) return size;
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(size) * weight));
}

std::uint64_t count_of(double weight) { return static_cast<std::uint64_t>(std::llround(weight)); }

}  // namespace

Allocations::Allocations(const StackTable& stacks, const Clock& clock)
    : stacks_(stacks), clock_(clock), slice_end_(clock.slice_end(0)), index_(stacks.size(), 0) {
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    edges_[i] = clock.steps_within(evidence::kLifetimeEdgesNs[i]);
  }
}

AllocationPlace& Allocations::new_place(std::uint32_t stack) {
  if (stack >= index_.size()) index_.resize(stack + 1, 0);
  const auto [it, fresh] =
      by_hash_.emplace(stacks_.place(stack), static_cast<std::uint32_t>(places_.size()));
  if (fresh) {
    places_.emplace_back();
    places_.back().stack = stack;
  }
  index_[stack] = it->second + 1;
  return places_[it->second];
}

void Allocations::next_slice() {
  while (now_ >= slice_end_) {
    live_series_[slice_] = live_;
    live_max_series_[slice_] = slice_max_;
    slice_max_ = live_;
    slice_end_ = clock_.slice_end(++slice_);
  }
}

SlicePoint& Allocations::point(AllocationPlace& p) {
  if (p.slices.empty() || p.slices.back().slice != slice_) {
    p.slices.push_back({static_cast<std::uint32_t>(slice_), 0, 0});
  }
  return p.slices.back();
}

void Allocations::allocated(std::uint32_t stack, std::uint64_t size, double weight) {
  const std::uint64_t bytes = scaled(size, weight);
  AllocationPlace& p = place(stack);
  p.allocations += weight;
  p.bytes += bytes;
  p.live_blocks += weight;
  p.live_bytes += bytes;
  p.live_bytes_max = std::max(p.live_bytes_max, p.live_bytes);
  p.sizes.add(size);
  SlicePoint& s = point(p);
  s.live = p.live_bytes;
  s.allocated += bytes;
  bytes_ += bytes;
  live_ += bytes;
  slice_max_ = std::max(slice_max_, live_);
  if (live_ > live_max_) {
    live_max_ = live_;
    peak_time_ = now_;
  }
}

void Allocations::freed(std::uint32_t stack, std::uint64_t size, double weight,
                        std::uint64_t lifetime) {
  const std::uint64_t bytes = scaled(size, weight);
  AllocationPlace& p = place(stack);
  p.live_blocks -= weight;
  p.live_bytes -= std::min(bytes, p.live_bytes);
  point(p).live = p.live_bytes;
  live_ -= std::min(bytes, live_);

  std::size_t c = 0;
  while (c + 1 < edges_.size() && lifetime >= edges_[c]) ++c;
  p.lifetimes.blocks[c] += count_of(weight);
  p.lifetimes.bytes[c] += bytes;
  lifetimes_.blocks[c] += count_of(weight);
  lifetimes_.bytes[c] += bytes;
  const auto power = static_cast<std::size_t>(std::bit_width(clock_.ns(lifetime)));
  std::uint32_t& bucket = p.lifetime_powers[std::min(power, kLifetimePowers - 1)];
  if (bucket != UINT32_MAX) ++bucket;
}

void Allocations::finish() {
  for (; slice_ < evidence::kSlices; ++slice_) {
    live_series_[slice_] = live_;
    live_max_series_[slice_] = slice_max_;
    slice_max_ = live_;
  }
  slice_ = evidence::kSlices - 1;
  constexpr std::size_t kAlive = evidence::kLifetimeClasses - 1;
  for (AllocationPlace& p : places_) {
    const std::uint64_t blocks = count_of(std::max(0.0, p.live_blocks));
    p.lifetimes.blocks[kAlive] += blocks;
    p.lifetimes.bytes[kAlive] += p.live_bytes;
    lifetimes_.blocks[kAlive] += blocks;
    lifetimes_.bytes[kAlive] += p.live_bytes;
  }
}

}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cassert>

#include "tier/shadow.h"

namespace ullage::tier {

struct PolicyCacheHost {
  PolicyCache& cache;
  std::size_t segment;
  std::size_t first = segment * cache.segment_slots_;

  Ranks& ranks() { return cache.segments_[segment].ranks; }
  std::span<std::uint16_t> words() {
    return std::span(cache.words_).subspan(first, cache.segment_slots_);
  }
  std::uint32_t bytes(std::size_t slot) { return cache.bytes_[first + slot]; }
  unsigned frequency(std::size_t slot) {
    const std::uint64_t hash = cache.hashes_[first + slot];
    return sketch::estimate(cache.block(hash), hash);
  }
  bool may_go(std::size_t) { return true; }
  std::uint16_t stamp() { return cache.clock_.stamp(); }
};

PolicyCache::PolicyCache(std::size_t entries, std::uint64_t capacity_bytes, unsigned window_percent)
    : capacity_(capacity_bytes), window_percent_(window_percent) {
  const std::size_t count = (entries + kSegmentEntries - 1) / kSegmentEntries;
  segment_slots_ = count <= 1 ? entries + 8 : kSegmentSlots;
  segments_.resize(std::max<std::size_t>(count, 1));
  for (Segment& segment : segments_) segment.ranks.totals = totals_.get();
  const std::size_t slots = segments_.size() * segment_slots_;
  blocks_ = std::max<std::size_t>(1, entries / 12);
  words_.assign(slots, rank::kFree);
  hashes_.resize(slots);
  bytes_.resize(slots);
  index_.assign(std::bit_ceil(slots * 2), kEmpty);
  sketch_.resize(blocks_ * sketch::kWords);
  clock_.grain(static_cast<std::uint32_t>(entries / 4096));
  for (std::size_t i = slots; i-- > 0;) {
    segments_[i / segment_slots_].free.push_back(static_cast<std::uint32_t>(i));
  }
}

std::size_t PolicyCache::find(std::uint64_t hash) const {
  const std::size_t mask = index_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    if (index_[at] == kEmpty) return rank::kNobody;
    if (hashes_[index_[at]] == hash) return index_[at];
  }
}

void PolicyCache::drop(std::size_t slot) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = hashes_[slot] & mask;
  while (index_[hole] != slot) hole = (hole + 1) & mask;
  // What comes behind moves up where its search would otherwise stop at the hole.
  for (std::size_t at = (hole + 1) & mask; index_[at] != kEmpty; at = (at + 1) & mask) {
    const std::size_t home = hashes_[index_[at]] & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      index_[hole] = index_[at];
      hole = at;
    }
  }
  index_[hole] = kEmpty;
  PolicyCacheHost host{*this, slot / segment_slots_};
  rank::leave(host.ranks(), host.words(), slot - host.first, bytes_[slot]);
  segments_[host.segment].free.push_back(static_cast<std::uint32_t>(slot));
  --entries_;
}

bool PolicyCache::evict(std::size_t own_segment, std::size_t newcomer) {
  hand_ = (hand_ + 1) % segments_.size();
  return evict_of(own_segment, hand_, newcomer);
}

bool PolicyCache::evict_of(std::size_t one, std::size_t next, std::size_t newcomer) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  PolicyCacheHost own{*this, one}, second{*this, next};
  PolicyCacheHost& other = one == next ? own : second;
  const auto out = rank::choose(own, other, window_percent_,
                                newcomer == rank::kNobody ? newcomer : newcomer - own.first,
                                static_cast<std::uint32_t>(random_ >> 32));
  if (out.host == nullptr) return false;
  drop(out.host->first + out.slot);
  return true;
}

void PolicyCache::count(std::uint64_t hash) {
  if (!sketch::count(block(hash), hash)) return;
  if (++uses_ < std::max<std::size_t>(entries_, 8) * rank::kUsesPerEntry) return;
  sketch::halve(sketch_.data(), sketch_.size());
  uses_ /= 2;
}

bool PolicyCache::get(std::uint64_t hash) {
  count(hash);
  if (clock_.tick()) {
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      PolicyCacheHost each{*this, i};
      rank::halve(each.ranks(), each.words(), 1);
    }
  }
  const std::size_t found = find(hash);
  if (found == rank::kNobody) return false;
  rank::use(segments_[found / segment_slots_].ranks, words_[found], clock_.stamp(),
            [&] { return bytes_[found]; });
  return true;
}

void PolicyCache::put(std::uint64_t hash, std::uint32_t bytes) {
  // Who only writes is known as well.
  if (sketch::estimate(block(hash), hash) == 0) count(hash);
  const std::size_t own = segment_of(hash);
  PolicyCacheHost host{*this, own};
  const std::size_t found = find(hash);
  if (found != rank::kNobody) {
    const List list = rank::list_of(words_[found]);
    rank::part(host.ranks(), list, bytes_[found]);
    rank::join(host.ranks(), list, rank::stamp_of(words_[found]), bytes);
    bytes_[found] = bytes;
    while (totals_->total() > capacity_ && evict(own, found)) {
    }
    return;
  }
  if (bytes > capacity_) return;
  auto& free = segments_[own].free;
  if (free.empty() && !evict_here(own)) return;
  const std::size_t slot = free.back();
  free.pop_back();
  hashes_[slot] = hash;
  bytes_[slot] = bytes;
  std::size_t at = hash & (index_.size() - 1);
  while (index_[at] != kEmpty) at = (at + 1) & (index_.size() - 1);
  index_[at] = static_cast<std::uint32_t>(slot);
  ++entries_;
  rank::arrive(host.ranks(), host.words(), slot - host.first, bytes, clock_.stamp());
  while (totals_->total() > capacity_ && evict(own, rank::kNobody)) {
  }
}

void PolicyCache::erase(std::uint64_t hash) {
  const std::size_t slot = find(hash);
  if (slot != rank::kNobody) drop(slot);
}

void PolicyCache::capacity(std::uint64_t bytes) {
  capacity_ = bytes;
  std::size_t failures = 0;
  while (totals_->total() > capacity_ && failures < segments_.size()) {
    hand_ = (hand_ + 1) % segments_.size();
    failures = evict(hand_, rank::kNobody) ? 0 : failures + 1;
  }
}

}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shadow: what the shard would answer if it were otherwise. Small caches of sampled keys, without
// values, run beside it by the same policy (miniature simulation: Waldspurger, Saemundsson, Ahmad
// and Park, 2017; sampling by hash as in SHARDS, 2015): some with other windows at the shard's own
// size, of which the best gives the shard its window; some with other sizes, which are the
// miss-ratio curve.
//
//   if (shadow.sampled(hash)) shadow.get(hash);         // a read; put(hash, bytes): a write
//   shadow.capacity(live_bytes, entries);
//   shard's window = shadow.window_percent();
//
// Cost      One comparison for a use that is not sampled; some 15 lookups for one that is. Of keys
//           as many are sampled as make about kEntriesMax entries at the present size.
// Memory    About 600 KiB, taken when there is something to see.
// Threads   One.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tier/counters.h"
#include "tier/ranks.h"
#include "tier/sketch.h"

namespace ullage::tier {

// A cache of hashes, in segments as the shard's table has them. Also what the comparison with other
// policies runs (bench/compare/eviction).
class PolicyCache {
 public:
  // `entries`: at most, whatever their bytes.
  PolicyCache(std::size_t entries, std::uint64_t capacity_bytes, unsigned window_percent);

  // A use: true, it is there.
  bool get(std::uint64_t hash);
  // Stores it; others go as needed.
  void put(std::uint64_t hash, std::uint32_t bytes);
  // A use that stores what was not there, as a cache in front of something does.
  bool use(std::uint64_t hash, std::uint32_t bytes) {
    if (get(hash)) return true;
    put(hash, bytes);
    return false;
  }
  void erase(std::uint64_t hash);
  void capacity(std::uint64_t bytes);
  void window(unsigned percent) { window_percent_ = percent; }
  std::size_t entries() const { return entries_; }
  std::uint64_t bytes() const { return totals_->total(); }
  std::size_t slots() const { return words_.size(); }
  // Forgets all whose hash does not pass.
  template <class Passes>
  void keep(Passes passes) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (words_[i] != rank::kFree && !passes(hashes_[i])) drop(i);
    }
  }

 private:
  friend struct PolicyCacheHost;
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};
  static constexpr std::size_t kSegmentEntries = 960;  // on average, of 1024 slots
  static constexpr std::size_t kSegmentSlots = 1280;

  struct Segment {
    Ranks ranks;
    std::vector<std::uint32_t> free;
  };

  std::size_t find(std::uint64_t hash) const;
  void drop(std::size_t slot);
  void count(std::uint64_t hash);
  bool evict(std::size_t own, std::size_t newcomer);
  bool evict_here(std::size_t own) { return evict_of(own, own, rank::kNobody); }
  bool evict_of(std::size_t one, std::size_t next, std::size_t newcomer);
  std::size_t segment_of(std::uint64_t hash) const {
    return static_cast<std::size_t>((hash >> 32) * segments_.size() >> 32);
  }
  std::uint64_t* block(std::uint64_t hash) {
    return &sketch_[((hash >> 32) * blocks_ >> 32) * sketch::kWords];
  }

  std::uint64_t capacity_;
  unsigned window_percent_;
  std::size_t segment_slots_, blocks_, entries_ = 0;
  std::unique_ptr<RankTotals> totals_ = std::make_unique<RankTotals>();
  rank::Clock clock_;
  std::vector<Segment> segments_;
  std::vector<std::uint16_t> words_;  // of all segments, one behind the other
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> bytes_;
  std::vector<std::uint32_t> index_;  // open addressing, linear
  std::vector<std::uint64_t> sketch_;
  std::size_t hand_ = 0;
  std::uint64_t uses_ = 0, random_ = 88172645463325252ull;
};

class Shadow {
 public:
  static constexpr std::array<unsigned, 5> kWindows = {1, 10, 30, 60, 90};
  static constexpr std::array<unsigned, HitCurve::kPoints> kSizes = {25,  50,  75, 100,
                                                                     150, 200, 300};
  // Sampled entries that the shard's own size is represented by, at most.
  static constexpr std::size_t kEntriesMax = 1024;

  Shadow();

  bool sampled(std::uint64_t hash) const noexcept { return (mix(hash) & mask_) == 0; }
  // Of a sampled key. True: the window was chosen anew.
  bool get(std::uint64_t hash);
  void put(std::uint64_t hash, std::uint32_t bytes);
  void erase(std::uint64_t hash);
  // What the shard holds, and may hold, now; now and then.
  void capacity(std::uint64_t bytes, std::uint64_t entries);
  unsigned window_percent() const { return kWindows[best_]; }
  HitCurve curve() const;
  std::size_t memory_bytes() const;

 private:
  static std::uint64_t mix(std::uint64_t hash) noexcept {
    return (hash * 0x9fb21c651e98df25ull) >> 20;
  }
  bool choose();

  std::uint64_t mask_ = 0;
  std::uint64_t capacity_bytes_ = 0;
  std::vector<PolicyCache> windows_, sizes_;
  std::array<double, kWindows.size()> score_{};       // hits, decayed
  std::array<std::uint32_t, kWindows.size()> now_{};  // hits in this epoch
  // Squares of what one was ahead of the other in an epoch, decayed.
  std::array<std::array<double, kWindows.size()>, kWindows.size()> scatter_{};
  std::array<double, HitCurve::kPoints> size_hits_{};
  double seen_decayed_ = 0, curve_seen_ = 0;
  std::uint32_t seen_ = 0;
  std::uint64_t sampled_total_ = 0;
  unsigned best_ = 0;
};

}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kept: keys that may not be evicted now, because a command that runs was promised them. A hash
// stands for all keys that have it: one entry too many stays, none too few.
//
//   kept.clear();
//   for (...) kept.add(hash);           // in the order in which the command comes to them
//   kept.seal();
//   kept.done(2);                       // the first two are needed no more
//   if (kept.holds(tag, hash)) ...
//
// Cost      holds: one bit for most entries, else a binary search. 16 B a key while it runs.
// Threads   One.

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tier/segment.h"

namespace ullage::tier {

class Kept {
 public:
  void clear() noexcept {
    if (keys_.capacity() > kKeptCapacityMax) keys_ = {};
    keys_.clear();
    tags_.reset();
    done_ = 0;
  }
  void add(std::uint64_t hash) {
    keys_.emplace_back(hash, keys_.size());
    tags_.set(tag_of(hash));
  }
  void seal() noexcept { std::sort(keys_.begin(), keys_.end()); }
  void done(std::size_t count) noexcept { done_ = count; }

  bool empty() const noexcept { return done_ >= keys_.size(); }
  bool may_hold(std::uint8_t tag) const noexcept { return tags_.test(tag); }
  // A key that was added twice is needed until the second time.
  bool holds(std::uint64_t hash) const noexcept {
    const auto behind =
        std::upper_bound(keys_.begin(), keys_.end(), std::pair(hash, ~std::size_t{0}));
    if (behind == keys_.begin()) return false;
    const auto& [known, place] = *(behind - 1);
    return known == hash && place >= done_;
  }

 private:
  // What a list keeps of its memory for the next command: 16 KiB.
  static constexpr std::size_t kKeptCapacityMax = 1024;

  std::vector<std::pair<std::uint64_t, std::size_t>> keys_;
  std::bitset<256> tags_;
  std::size_t done_ = 0;
};

// Who may not go while an operation makes room.
struct Spared {
  const Kept* kept = nullptr;
  std::optional<std::uint64_t> source;  // what is being moved
  // What is written over may go, promised or not.
  std::optional<std::uint64_t> target;
  unsigned target_table = 0;

  bool none() const noexcept { return kept == nullptr && !source; }
  bool may_hold(std::uint8_t tag) const noexcept {
    return (kept != nullptr && kept->may_hold(tag)) || (source && tag_of(*source) == tag);
  }
  bool holds(unsigned table, std::uint64_t hash) const noexcept {
    if (target && *target == hash && target_table == table) return false;
    return (source && *source == hash) || (kept != nullptr && kept->holds(hash));
  }
};

}  // namespace ullage::tier

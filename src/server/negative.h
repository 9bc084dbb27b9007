// SPDX-License-Identifier: Apache-2.0
#pragma once

// Negative: keys that the cold tier is known not to have, so that asking again costs no read.
//
//   Negative absent(bytes_max);
//   absent.insert(key, until_ms);
//   absent.contains(key, now_ms)     // true: it is not there, for sure
//   absent.erase(key)                // it is written now
//
// Promise   Never wrong: whoever writes a key erases it here first, and 96 bits of two different
//           hashes tell keys apart. Forgetting is allowed, at any time.
// Memory    16 B an entry, in places that are made once; a full place forgets its oldest.
// Threads   One.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tier/key.h"

namespace ullage::server {

class Negative {
 public:
  explicit Negative(std::size_t bytes_max)
      : places_(std::bit_floor(std::max(bytes_max, kWays * sizeof(Place)) / sizeof(Place))) {}

  std::size_t bytes() const { return places_.size() * sizeof(Place); }
  std::size_t entries() const { return used_; }

  void insert(const tier::Key& key, std::uint64_t until_ms) {
    const std::uint32_t check = check_of(key), until = seconds(until_ms);
    Place* set = set_of(key);
    Place* oldest = set;
    for (Place* p = set; p != set + kWays; ++p) {
      if (p->hash == key.hash && p->check == check) {
        oldest = p;
        break;
      }
      if (p->until_s < oldest->until_s) oldest = p;
    }
    if (oldest->until_s == 0) ++used_;
    *oldest = {key.hash, check, until};
  }

  bool contains(const tier::Key& key, std::uint64_t now_ms) const {
    const Place* p = find(key);
    return p != nullptr && p->until_s > static_cast<std::uint32_t>(now_ms / 1000);
  }

  void erase(const tier::Key& key) {
    if (used_ == 0) return;
    if (auto* p = const_cast<Place*>(find(key))) {
      *p = {};
      --used_;
    }
  }

  void clear() {
    std::fill(places_.begin(), places_.end(), Place{});
    used_ = 0;
  }

 private:
  static constexpr std::size_t kWays = 4;  // one cache line
  struct Place {
    std::uint64_t hash = 0;
    std::uint32_t check = 0;
    std::uint32_t until_s = 0;  // 0: free
  };
  static_assert(sizeof(Place) == 16);

  // Of the text by another function than the hash, and of the database.
  static std::uint32_t check_of(const tier::Key& key) {
    std::uint32_t h = 2166136261U ^ key.db;
    for (const char c : key.text) h = (h ^ static_cast<unsigned char>(c)) * 16777619U;
    return h;
  }
  // At least one second, rounded up: a time below a second would be no time.
  static std::uint32_t seconds(std::uint64_t ms) {
    return static_cast<std::uint32_t>((ms + 999) / 1000);
  }
  const Place* find(const tier::Key& key) const {
    if (used_ == 0) return nullptr;
    const std::uint32_t check = check_of(key);
    const Place* set = const_cast<Negative*>(this)->set_of(key);
    for (const Place* p = set; p != set + kWays; ++p) {
      if (p->hash == key.hash && p->check == check && p->until_s != 0) return p;
    }
    return nullptr;
  }
  Place* set_of(const tier::Key& key) {
    return &places_[(key.hash >> 16) * kWays & (places_.size() - 1)];
  }

  std::vector<Place> places_;
  std::size_t used_ = 0;
};

}  // namespace ullage::server

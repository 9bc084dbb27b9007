// SPDX-License-Identifier: Apache-2.0
#pragma once

// EarlyRefresh: who is to fetch an entry anew before it ends.
//
// An entry that many ask for and that ends sends all of them to where it came from, at once. With
// persistence.early_refresh one reader of a hot entry is told within that time before its end that
// it is not there, as if it had ended; all others are served what there is. That one writes it
// anew. If it does not, another is told when half of what is left has passed, and so on.
//
// Memory    kPlaces of 24 B a thread, made when they are first needed. Where two keys share a place
//           a reader too many is told.
// Threads   One: that of the shard.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ullage::server {

class EarlyRefresh {
 public:
  static constexpr std::size_t kPlaces = 1024;
  // Of 15: entries that were asked for less often lately just end.
  static constexpr unsigned kHotFrequency = 4;

  // True: whoever asks now is the one. `now_ms` is before `expires_ms`.
  bool take(std::uint64_t hash, std::uint64_t expires_ms, std::uint64_t now_ms) {
    if (told_.empty()) told_.resize(kPlaces);
    Told& told = told_[(hash >> 16) % kPlaces];
    if (told.hash == hash && told.expires_ms == expires_ms && now_ms < told.until_ms) return false;
    told = {hash, expires_ms, now_ms + std::max<std::uint64_t>((expires_ms - now_ms) / 2, 1)};
    return true;
  }

 private:
  struct Told {
    std::uint64_t hash = 0, expires_ms = 0, until_ms = 0;
  };
  std::vector<Told> told_;
};

}  // namespace ullage::server

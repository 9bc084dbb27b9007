// SPDX-License-Identifier: Apache-2.0
#pragma once

// Changes: what one turn of a thread has changed, on its way to the cold tier. A key that changes
// ten times in a turn is written once, as it is at the end.
//
//   changes.add(key, durable);                 // it has changed
//   changes.keep(key, found);                  // it is about to leave memory: this is its value
//   store.write(shard, changes.take(shard), ...);
//
// Memory: a change holds its key, and from take() on its value; beyond kChangesMax the thread hands
// over in the middle of its turn. Threads: as the shard.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tier/cold_store.h"
#include "tier/shard.h"

namespace ullage::server {

class Changes {
 public:
  static constexpr std::size_t kChangesMax = 4096;

  bool empty() const { return list_.empty(); }
  bool full() const { return list_.size() >= kChangesMax; }

  void add(const tier::Key& key) {
    if (find(key) != kNone) return;
    open_.emplace(key.hash, static_cast<std::uint32_t>(list_.size()));
    tier::ColdChange& change = list_.emplace_back();
    change.db = key.db;
    change.hash = key.hash;
    change.key = key.text;
  }

  // Its value is taken down now, if it has changed.
  void keep(const tier::Key& key, const tier::Found& found) {
    const std::size_t at = find(key);
    if (at == kNone) return;
    fill(list_[at], found);
    close(key.hash, at);
  }

  void flush(unsigned db) {
    tier::ColdChange& change = list_.emplace_back();
    change.kind = tier::ColdChange::Kind::kFlush;
    change.db = static_cast<std::uint8_t>(db);
  }

  // Beside all entries, in its turn.
  void note(const char* name, std::string text) {
    tier::ColdChange& change = list_.emplace_back();
    change.kind = tier::ColdChange::Kind::kNote;
    change.key = name;
    change.entry.value = std::move(text);
  }

  // All of them with their values as they are now.
  std::vector<tier::ColdChange> take(tier::Shard& shard) {
    for (const auto& [hash, at] : open_) {
      tier::ColdChange& change = list_[at];
      const auto found = shard.peek({change.db, change.key, change.hash});
      if (found) {
        fill(change, *found);
      } else {
        change.kind = tier::ColdChange::Kind::kErase;
      }
    }
    open_.clear();
    return std::exchange(list_, {});
  }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};

  static void fill(tier::ColdChange& change, const tier::Found& found) {
    change.kind = tier::ColdChange::Kind::kPut;
    change.entry.value = found.value;
    change.entry.expires_ms = found.expires_ms;
    change.entry.kind = found.kind;
  }
  std::size_t find(const tier::Key& key) const {
    const auto [begin, end] = open_.equal_range(key.hash);
    for (auto at = begin; at != end; ++at) {
      const tier::ColdChange& change = list_[at->second];
      if (change.db == key.db && change.key == key.text) return at->second;
    }
    return kNone;
  }
  void close(std::uint64_t hash, std::size_t at) {
    const auto [begin, end] = open_.equal_range(hash);
    for (auto place = begin; place != end; ++place) {
      if (place->second != at) continue;
      open_.erase(place);
      return;
    }
  }

  std::vector<tier::ColdChange> list_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> open_;  // by hash: not written down yet
};

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Changes: what one turn of a thread has changed, on its way to the cold tier. A key that changes
// ten times in a turn is written once, as it is at the end.
//
//   changes.add(key, durable);                 // it has changed
//   changes.keep(key, found);                  // it is about to leave memory: this is its value
//   changes.measure(shard);                    // behind each command
//   if (changes.full(bytes)) ...               // enough for one write
//   store.write(shard, changes.take(shard), ...);
//
// Memory: a change holds its key, and from take() on its value; beyond kChangesMax, or once their
// values are so much, the thread hands over in the middle of its turn. A single one never makes it
// full, so that a large value that changes often is copied once a turn. Threads: as the shard.

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
  bool full(std::size_t bytes_max) const {
    return list_.size() >= kChangesMax || (bytes_ >= bytes_max && list_.size() > 1);
  }
  // As of the last measure().
  std::size_t bytes() const { return bytes_; }

  void add(const tier::Key& key) {
    if (const std::size_t at = find(key); at != kNone) {
      if (unmeasured_.empty() || unmeasured_.back() != at) unmeasured_.push_back(at);
      return;
    }
    unmeasured_.push_back(list_.size());
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
    size(at, key.text.size() + found.value.size());
  }

  void measure(tier::Shard& shard) {
    for (const std::size_t at : unmeasured_) {
      const tier::ColdChange& change = list_[at];
      if (change.kind != tier::ColdChange::Kind::kPut || !change.entry.value.empty()) continue;
      const auto found = shard.peek({change.db, change.key, change.hash});
      size(at, change.key.size() + (found ? found->value.size() : 0));
    }
    unmeasured_.clear();
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
    sizes_.clear();
    unmeasured_.clear();
    bytes_ = 0;
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
  void size(std::size_t at, std::size_t bytes) {
    if (sizes_.size() <= at) sizes_.resize(at + 1);
    bytes_ += bytes + sizeof(tier::ColdChange) - sizes_[at];
    sizes_[at] = bytes + sizeof(tier::ColdChange);
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
  std::vector<std::size_t> sizes_, unmeasured_;
  std::size_t bytes_ = 0;
  std::unordered_multimap<std::uint64_t, std::uint32_t> open_;  // by hash: not written down yet
};

}  // namespace ullage::server

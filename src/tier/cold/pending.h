// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pending: what was handed over and is not applied yet, so that reads see it.
//
//   pending.add(handed);             // in the order in which it will be applied
//   switch (pending.find(db, hash, key, seen)) ...
//   pending.remove(*handed);         // after it was applied
//   pending.put_back(some);          // the engine may have lost them, and will get them again
//
// Who finds nothing here and asks the engine asks again when returns() has changed meanwhile: what
// the engine said may be older than what was put back.
//
// Cost      A hash table's node for each change that waits. find: one lock of sixteen, one probe.
// Threads   Any. add, put_back: one at a time, by their caller's lock.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tier/cold_store.h"

namespace ullage::tier::cold {

// One call of ColdStore::write.
struct Handed {
  std::vector<ColdChange> changes;
  std::uint64_t order = 0;  // of its first change, among those of all shards
  std::uint64_t last = 0;   // of its last change, among those of its shard
  std::size_t bytes = 0;
  unsigned shard = 0;
  bool sync = false;
};
using HandedPtr = std::shared_ptr<const Handed>;

class Pending {
 public:
  enum class Found : std::uint8_t {
    kNothing,  // the disk knows
    kChange,   // `seen` is the newest
    kFlushed,  // nothing newer than a flush of the whole database
  };
  struct Seen {
    HandedPtr holder;  // keeps `change`
    const ColdChange* change = nullptr;
  };

  void add(const HandedPtr& handed);
  void remove(const Handed& handed) noexcept;
  // `some`: in their order; what is newer stays the newest.
  void put_back(const std::vector<HandedPtr>& some);
  std::uint64_t returns() const noexcept { return returns_.load(std::memory_order_acquire); }
  Found find(unsigned db, std::uint64_t hash, std::string_view key, Seen& seen) const;
  // All changes of a database whose hash is at least this, in the order of hash and key. True: a
  // flush waits, so what lies on the disk is none of it.
  bool collect(unsigned db, std::uint64_t least_hash, std::vector<Seen>& out) const;

 private:
  void add(const HandedPtr& handed, const ColdChange& change, std::uint64_t order);

  static constexpr std::size_t kStripes = 16, kDatabasesMax = 16;
  struct Name {
    std::uint64_t hash;
    std::string_view text;  // in the change
    std::uint8_t db;
    bool operator==(const Name&) const = default;
  };
  struct HashOf {
    std::size_t operator()(const Name& name) const noexcept { return name.hash ^ name.db; }
  };
  struct Newest {
    HandedPtr holder;
    const ColdChange* change;
    std::uint64_t order;
  };
  struct Stripe {
    mutable std::mutex mutex;
    std::unordered_map<Name, Newest, HashOf> changes;
  };

  // The lower bits choose the shard in the hot tier; these differ within one.
  static std::size_t stripe_of(std::uint64_t hash) noexcept { return hash >> 60; }

  std::array<Stripe, kStripes> stripes_;
  // The order of the last flush that waits, plus 1; 0: none.
  std::array<std::atomic<std::uint64_t>, kDatabasesMax> flushed_{};
  std::atomic<std::uint64_t> returns_{0};
};

}  // namespace ullage::tier::cold

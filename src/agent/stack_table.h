// SPDX-License-Identifier: Apache-2.0
#pragma once

// StackTable: calling contexts as a tree. (parent, pc) -> id, shared by all threads; the nodes lie
// in STACKS segments of the live file, so they survive the process.
//
// Where a context lies follows from the hash of its whole path, not from its parent's id: the paths
// of all frames of a stack are known before the first lookup, so their cache lines are fetched
// together (prefetch) instead of one after the other.
//
// Looking up is lock-free. Inserting locks one of 64 shards; a shard's table doubles on its own, so
// no insertion pays for the whole. The tables of one size share a mapping (huge pages where the
// kernel has them); once every shard has left it, its memory is given back, its addresses are not:
// a late reader finds empty slots there and asks again under the lock.
// Memory: 24 B per context in the file, 24..48 B in the process.

#include <atomic>

#include "agent/owned_lock.h"
#include "agent/platform.h"
#include "record/layout.h"

namespace ullage::agent {

class StackTable {
 public:
  bool init();
  // Starts over with an empty tree (fork's child: a new file). Not thread-safe.
  void reset();

  // This thread left the agent by a jump or is ending: others need not wait for what it holds.
  void release_mine();

  // The path that goes on from `parent_path` (0 = the root) to `pc` (with occupant bits). For one
  // parent no two pcs have the same path: every step is a bijection of pc.
  static uint64_t path_of(uint64_t parent_path, uint64_t pc) {
    const uint64_t h = (pc ^ (parent_path << 29 | parent_path >> 35)) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 32);
  }

  // Starts fetching the line where child() will look for `path`.
  void prefetch(uint64_t path) const {
    const Table* table = shards_[path & (kShards - 1)].table.load(std::memory_order_acquire);
    if (ULLAGE_LIKELY(table != nullptr)) fetch_line(&table->at[(path >> 8) & table->mask]);
  }

  // What is to be found or made: a child of `parent` at `pc`, whose path is
  // path_of(path of parent, pc). `depth` is the child's.
  struct Frame {
    uint32_t parent;
    uint32_t depth;
    uint64_t path;
    uint64_t pc;
    uint64_t function;
  };

  // Id of that child. Returns `parent` itself when the table is full (counted by the caller through
  // full()).
  uint32_t child(const Frame& frame) {
    const Table* table = shards_[frame.path & (kShards - 1)].table.load(std::memory_order_acquire);
    if (ULLAGE_LIKELY(table != nullptr)) {
      const uint32_t id = search(*table, frame.parent, frame.path);
      if (ULLAGE_LIKELY(id != 0)) return id;
    }
    return insert(frame);
  }

  const record::StackNode* node(uint32_t id) const;
  uint32_t count() const { return next_.load(std::memory_order_relaxed); }
  bool full() const { return full_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShards = 64;
  static constexpr uint32_t kFirstSlots = 256;
  static constexpr uint32_t kLevels = 18;  // 256 .. 32 M slots a shard
  // Levels from this size on ask for huge pages: looking up touches one random page each time.
  static constexpr size_t kHugeFromBytes = 4u << 20;
  // The path of a parent is one, so (parent, path) says which pc, exactly.
  struct Slot {
    uint64_t path;
    uint32_t parent;
    uint32_t id;  // 0 = empty; stored last
  };
  struct Table {
    uint32_t mask;  // slots - 1; a power of two of slots
    uint32_t used;  // under the shard's lock; never less than there are
    uint32_t level;
    uint32_t alone;  // has a mapping of its own: it replaced one whose owner may still be at work
    Slot at[1];
  };
  struct alignas(64) Shard {
    std::atomic<Table*> table;
    OwnedLock lock;
  };
  // The tables of all shards at one size.
  struct Level {
    char* memory;
    uint32_t left;  // shards that have moved on
  };

  static uint32_t search(const Table& table, uint32_t parent, uint64_t path) {
    for (auto i = static_cast<uint32_t>(path >> 8);; ++i) {
      const Slot& s = table.at[i & table.mask];
      const uint32_t id = __atomic_load_n(&s.id, __ATOMIC_ACQUIRE);
      if (id == 0) return 0;
      if (s.path == path && s.parent == parent) return id;
    }
  }
  static void put(Table& table, uint64_t path, uint32_t parent, uint32_t id);
  static size_t table_bytes(uint32_t level) {
    return sizeof(Table) + sizeof(Slot) * ((size_t{kFirstSlots} << level) - 1);
  }
  uint32_t insert(const Frame& frame);
  uint32_t insert_locked(Shard& shard, bool replace, const Frame& frame);
  Table* grow(Shard& shard, Table* table, bool replace);
  Table* new_table(size_t shard, uint32_t level);
  void leave(uint32_t level);
  record::StackNode* place(uint32_t id);

  static constexpr uint32_t kChunks = record::kStackNodesMax / record::kStackNodesPerSegment;
  Shard* shards_ = nullptr;
  std::atomic<record::StackNode*>* chunks_ = nullptr;
  std::atomic<uint32_t> next_{1};
  std::atomic<bool> full_{false};
  SpinLock chunk_lock_;
  Level levels_[kLevels] = {};
  SpinLock level_lock_;
};

extern StackTable g_stacks;

}  // namespace ullage::agent

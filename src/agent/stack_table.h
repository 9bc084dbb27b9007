// SPDX-License-Identifier: Apache-2.0
#pragma once

// StackTable: calling contexts as a tree. (parent, pc) -> id, shared by all threads; the nodes lie
// in STACKS segments of the live file, so they survive the process.
//
// Looking up is lock-free. Inserting locks one of 64 shards; a shard's table doubles on its own, so
// no insertion pays for the whole, and old tables stay (readers may be in them): at most twice the
// memory. Memory: 24 B per context in the file, 16..64 B in the process.

#include <atomic>

#include "agent/platform.h"
#include "record/layout.h"

namespace ullage::agent {

class StackTable {
 public:
  bool init();
  // Starts over with an empty tree (fork's child: a new file). Not thread-safe.
  void reset();

  // Id of the child of `parent` at `pc` (with occupant bits). `depth` is the child's. Returns
  // `parent` itself when the table is full (counted by the caller through full()).
  uint32_t child(uint32_t parent, uint32_t depth, uint64_t pc, uint64_t function) {
    const uint64_t hash = mix(parent, pc);
    const Shard& shard = shards_[hash & (kShards - 1)];
    const Table* table = shard.table.load(std::memory_order_acquire);
    if (ULLAGE_LIKELY(table != nullptr)) {
      const uint32_t id = search(*table, hash, parent, pc);
      if (ULLAGE_LIKELY(id != 0)) return id;
    }
    return insert(hash, parent, depth, pc, function);
  }

  const record::StackNode* node(uint32_t id) const;
  uint32_t count() const { return next_.load(std::memory_order_relaxed); }
  bool full() const { return full_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShards = 64;
  static constexpr uint32_t kFirstSlots = 256;
  struct Slot {
    uint64_t pc;
    uint32_t parent;
    uint32_t id;  // 0 = empty; stored last
  };
  struct Table {
    uint32_t slots;  // power of two
    uint32_t used;   // under the shard's lock
    Slot at[1];
  };
  struct alignas(64) Shard {
    std::atomic<Table*> table;
    SpinLock lock;
  };

  static uint64_t mix(uint32_t parent, uint64_t pc) {
    uint64_t h = (pc ^ (uint64_t{parent} << 32) ^ parent) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
  }
  static uint32_t search(const Table& table, uint64_t hash, uint32_t parent, uint64_t pc) {
    const uint32_t mask = table.slots - 1;
    for (uint32_t i = static_cast<uint32_t>(hash >> 8);; ++i) {
      const Slot& s = table.at[i & mask];
      const uint32_t id = __atomic_load_n(&s.id, __ATOMIC_ACQUIRE);
      if (id == 0) return 0;
      if (s.pc == pc && s.parent == parent) return id;
    }
  }
  uint32_t insert(uint64_t hash, uint32_t parent, uint32_t depth, uint64_t pc, uint64_t function);
  static Table* new_table(uint32_t slots);
  record::StackNode* place(uint32_t id);

  static constexpr uint32_t kChunks = record::kStackNodesMax / record::kStackNodesPerSegment;
  Shard* shards_ = nullptr;
  std::atomic<record::StackNode*>* chunks_ = nullptr;
  std::atomic<uint32_t> next_{1};
  std::atomic<bool> full_{false};
  SpinLock chunk_lock_;
};

extern StackTable g_stacks;

}  // namespace ullage::agent

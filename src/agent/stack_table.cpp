// SPDX-License-Identifier: Apache-2.0
#include "agent/stack_table.h"

#include "agent/output.h"

namespace ullage::agent {

StackTable g_stacks;

using record::kStackNodesPerSegment;
using record::StackNode;

bool StackTable::init() {
  shards_ = static_cast<Shard*>(map_private(sizeof(Shard) * kShards));
  chunks_ = static_cast<std::atomic<StackNode*>*>(map_private(sizeof(*chunks_) * kChunks));
  return shards_ != nullptr && chunks_ != nullptr;
}

void StackTable::reset() {
  // The child of a fork owns copies of everything: start from fresh zeroed mappings. The old ones
  // are left mapped; they are copy-on-write pages nobody touches again.
  init();
  next_.store(1);
  full_.store(false);
  chunk_lock_.reset();
  for (Level& level : levels_) level = Level{};
  level_lock_.reset();
}

StackTable::Table* StackTable::new_table(size_t shard, uint32_t level) {
  if (level >= kLevels) return nullptr;
  const size_t bytes = table_bytes(level) * kShards;
  Guard guard(level_lock_);
  Level& l = levels_[level];
  if (l.memory == nullptr) {
    constexpr size_t kHuge = 2u << 20;
    const bool huge = bytes >= kHugeFromBytes;
    auto* memory = static_cast<char*>(map_private(huge ? bytes + kHuge : bytes));
    if (memory == nullptr) return nullptr;
    if (huge) {
      memory += -reinterpret_cast<uintptr_t>(memory) & (kHuge - 1);
      syscall(SYS_madvise, memory, bytes, MADV_HUGEPAGE);
    }
    l.memory = memory;
  }
  auto* table = reinterpret_cast<Table*>(l.memory + table_bytes(level) * shard);
  table->mask = (kFirstSlots << level) - 1;
  table->level = level;
  return table;
}

// A shard has moved on to the next size.
void StackTable::leave(uint32_t level) {
  Guard guard(level_lock_);
  Level& l = levels_[level];
  if (++l.left == kShards) {
    syscall(SYS_madvise, l.memory, table_bytes(level) * kShards, MADV_DONTNEED);
  }
}

void StackTable::put(Table& table, uint64_t path, uint32_t parent, uint32_t id) {
  auto at = static_cast<uint32_t>(path >> 8);
  while (table.at[at & table.mask].id != 0) ++at;
  Slot& s = table.at[at & table.mask];
  s.path = path;
  s.parent = parent;
  ++table.used;
  __atomic_store_n(&s.id, id, __ATOMIC_RELEASE);
}

const StackNode* StackTable::node(uint32_t id) const {
  if (id == 0 || id >= record::kStackNodesMax) return nullptr;
  const StackNode* chunk = chunks_[id / kStackNodesPerSegment].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk + id % kStackNodesPerSegment;
}

StackNode* StackTable::place(uint32_t id) {
  std::atomic<StackNode*>& slot = chunks_[id / kStackNodesPerSegment];
  StackNode* chunk = slot.load(std::memory_order_acquire);
  if (chunk == nullptr) {
    Guard guard(chunk_lock_);
    chunk = slot.load(std::memory_order_acquire);
    if (chunk == nullptr) {
      constexpr uint32_t kBytes =
          (sizeof(record::SegmentHeader) + kStackNodesPerSegment * sizeof(StackNode) +
           record::kPageBytes - 1) /
          record::kPageBytes * record::kPageBytes;
      record::SegmentHeader head{};
      head.kind = static_cast<uint16_t>(record::Kind::kStacks);
      head.first_id = id / kStackNodesPerSegment * kStackNodesPerSegment;
      head.seq = id / kStackNodesPerSegment;
      record::LiveFile::Claim why{};
      record::SegmentHeader* segment = g_output.file.claim(kBytes, head, false, &why);
      if (segment == nullptr) return nullptr;
      chunk = reinterpret_cast<StackNode*>(segment + 1);
      slot.store(chunk, std::memory_order_release);
    }
  }
  return chunk + id % kStackNodesPerSegment;
}

ULLAGE_COLD uint32_t StackTable::insert(const Frame& frame) {
  Shard& shard = shards_[frame.path & (kShards - 1)];
  const bool replace = shard.lock.lock();
  const uint32_t id = insert_locked(shard, replace, frame);
  shard.lock.unlock();
  return id;
}

// The table that follows `table` (null: the first); null: no memory. Not left by a jump, so that no
// half copy lies where the next one goes. To replace means that somebody may still write into the
// old table or into its successor: the new one lies apart, and no level is left.
ULLAGE_COLD StackTable::Table* StackTable::grow(Shard& shard, Table* table, bool replace) {
  const SignalsHeld held;
  const uint32_t level = table == nullptr ? 0 : table->level + 1;
  Table* bigger = nullptr;
  if (!replace) {
    bigger = new_table(static_cast<size_t>(&shard - shards_), level);
  } else if (level < kLevels) {
    bigger = static_cast<Table*>(map_private(table_bytes(level)));
    if (bigger != nullptr) {
      bigger->mask = (kFirstSlots << level) - 1;
      bigger->level = level;
      bigger->alone = 1;
    }
  }
  if (bigger == nullptr) return nullptr;
  for (uint32_t i = 0; table != nullptr && i <= table->mask; ++i) {
    const Slot& s = table->at[i];
    const uint32_t id = __atomic_load_n(&s.id, __ATOMIC_ACQUIRE);
    if (id != 0) put(*bigger, s.path, s.parent, id);
  }
  Table* before = table;  // is it another's? Then we were robbed, and nobody sees what we add
  const bool ours = shard.table.compare_exchange_strong(before, bigger, std::memory_order_acq_rel);
  if (ours && !replace && table != nullptr && table->alone == 0) leave(table->level);
  return bigger;
}

// Outside of grow() a jump may leave this at any line: an id without a slot is never used, a slot
// without an id is empty, and `used` counts a slot before it is filled.
uint32_t StackTable::insert_locked(Shard& shard, bool replace, const Frame& frame) {
  Table* table = shard.table.load(std::memory_order_acquire);
  while (!replace && !shard.lock.mine()) {
    replace = shard.lock.lock();
    table = shard.table.load(std::memory_order_acquire);
  }
  if (table != nullptr) {
    const uint32_t id = search(*table, frame.parent, frame.path);
    if (id != 0 && !replace) return id;
  }
  if (replace || table == nullptr || table->used * 3 >= (table->mask + 1) * 2) {
    table = grow(shard, table, replace);
    if (table == nullptr) {
      full_.store(true, std::memory_order_relaxed);
      return frame.parent;
    }
    if (replace) {
      const uint32_t id = search(*table, frame.parent, frame.path);
      if (id != 0) return id;
    }
  }
  if (next_.load(std::memory_order_relaxed) >= record::kStackNodesMax) {
    full_.store(true, std::memory_order_relaxed);
    return frame.parent;
  }
  const uint32_t id = next_.fetch_add(1, std::memory_order_relaxed);
  StackNode* node = id < record::kStackNodesMax ? place(id) : nullptr;
  if (node == nullptr) {
    full_.store(true, std::memory_order_relaxed);
    return frame.parent;
  }
  node->parent = frame.parent;
  node->depth = frame.depth;
  node->function = frame.function;
  // Its pc comes last: the recording parent, who copies nodes meanwhile, sees by it that the node
  // is whole.
  __atomic_store_n(&node->pc, frame.pc, __ATOMIC_RELEASE);
  put(*table, frame.path, frame.parent, id);
  return id;
}

void StackTable::release_mine() {
  for (size_t i = 0; shards_ != nullptr && i < kShards; ++i) shards_[i].lock.unlock();
}

}  // namespace ullage::agent

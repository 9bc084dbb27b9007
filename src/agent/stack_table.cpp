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
}

StackTable::Table* StackTable::new_table(uint32_t slots) {
  auto* table = static_cast<Table*>(map_private(sizeof(Table) + sizeof(Slot) * slots));
  if (table != nullptr) table->slots = slots;
  return table;
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

ULLAGE_COLD uint32_t StackTable::insert(uint64_t hash, uint32_t parent, uint32_t depth, uint64_t pc,
                                        uint64_t function) {
  Shard& shard = shards_[hash & (kShards - 1)];
  Guard guard(shard.lock);
  Table* table = shard.table.load(std::memory_order_relaxed);
  if (table != nullptr) {
    const uint32_t id = search(*table, hash, parent, pc);
    if (id != 0) return id;
  }
  if (table == nullptr || table->used * 3 >= table->slots * 2) {
    Table* bigger = new_table(table == nullptr ? kFirstSlots : table->slots * 2);
    if (bigger == nullptr) {
      full_.store(true, std::memory_order_relaxed);
      return parent;
    }
    for (uint32_t i = 0; table != nullptr && i < table->slots; ++i) {
      const Slot& s = table->at[i];
      if (s.id == 0) continue;
      const uint32_t mask = bigger->slots - 1;
      auto at = static_cast<uint32_t>(mix(s.parent, s.pc) >> 8);
      while (bigger->at[at & mask].id != 0) ++at;
      bigger->at[at & mask] = s;
      ++bigger->used;
    }
    shard.table.store(bigger, std::memory_order_release);
    table = bigger;
  }
  if (next_.load(std::memory_order_relaxed) >= record::kStackNodesMax) {
    full_.store(true, std::memory_order_relaxed);
    return parent;
  }
  const uint32_t id = next_.fetch_add(1, std::memory_order_relaxed);
  StackNode* node = id < record::kStackNodesMax ? place(id) : nullptr;
  if (node == nullptr) {
    full_.store(true, std::memory_order_relaxed);
    return parent;
  }
  *node = StackNode{parent, depth, pc, function};
  const uint32_t mask = table->slots - 1;
  auto at = static_cast<uint32_t>(hash >> 8);
  while (table->at[at & mask].id != 0) ++at;
  Slot& s = table->at[at & mask];
  s.pc = pc;
  s.parent = parent;
  __atomic_store_n(&s.id, id, __ATOMIC_RELEASE);
  ++table->used;
  return id;
}

}  // namespace ullage::agent

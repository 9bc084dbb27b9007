// SPDX-License-Identifier: Apache-2.0
#include "trace/native/live_table.h"

#include <algorithm>
#include <utility>

namespace ullage::trace {
namespace {

constexpr std::size_t kShards = 256;
constexpr std::uint32_t kFirstCapacity = 16;

}  // namespace

void LiveTable::Slot::set(const Block& b) {
  const std::uint64_t size = std::min(b.size, kSizeMax);
  const std::uint64_t time = std::min(b.time, kTimeMax);
  const std::uint64_t flags = (b.painted ? kPainted : 0) | (b.full ? kFull : 0) |
                              (b.in_series ? kInSeries : 0) | (b.mapped ? kMapped : 0);
  words_[0] = (key_of(b.address) << 19) | (b.stack & 0x7ffff);
  words_[1] = (time << 16) | (std::uint64_t{b.stack >> 19 & 7} << 13) | (b.chain & 0x1fff);
  words_[2] = (size << 23) | (std::uint64_t{b.chain >> 13} << 4) | flags;
}

Block LiveTable::Slot::block() const {
  Block b;
  b.address = key() << 3;
  b.size = size();
  b.time = time();
  b.stack = stack();
  b.chain = chain();
  b.painted = (words_[2] & kPainted) != 0;
  b.full = (words_[2] & kFull) != 0;
  b.in_series = in_series();
  b.mapped = (words_[2] & kMapped) != 0;
  return b;
}

LiveTable::LiveTable() : shards_(kShards) {
  for (Shard& shard : shards_) {
    shard.slots = std::make_unique<Slot[]>(kFirstCapacity);
    shard.capacity = kFirstCapacity;
  }
}

std::size_t LiveTable::memory_bytes() const {
  std::size_t bytes = shards_.size() * sizeof(Shard);
  for (const Shard& shard : shards_) bytes += shard.capacity * sizeof(Slot);
  return bytes;
}

LiveTable::Slot* LiveTable::locate(Shard& shard, std::uint64_t hash, std::uint64_t key) {
  std::uint32_t i = home(hash, shard.capacity);
  while (shard.slots[i].key() != 0 && shard.slots[i].key() != key) {
    if (++i == shard.capacity) i = 0;
  }
  return &shard.slots[i];
}

LiveTable::Slot* LiveTable::find(std::uint64_t address) {
  const std::uint64_t key = key_of(address);
  if (key == 0) return nullptr;
  const std::uint64_t h = hash(key);
  Slot* slot = locate(shards_[h >> 56], h, key);
  return slot->key() == 0 ? nullptr : slot;
}

bool LiveTable::insert(const Block& block) {
  const std::uint64_t key = key_of(block.address);
  if (key == 0) return false;
  const std::uint64_t h = hash(key);
  Shard& shard = shards_[h >> 56];
  Slot* slot = locate(shard, h, key);
  if (slot->key() != 0) return false;
  // At most three in four slots are taken: 24 B / 0.75 * 1.25 = 40 B, and searches stay short.
  if ((shard.count + 1) * std::uint64_t{4} > shard.capacity * std::uint64_t{3}) {
    grow(shard);
    slot = locate(shard, h, key);
  }
  slot->set(block);
  ++shard.count;
  ++size_;
  return true;
}

void LiveTable::grow(Shard& shard) {
  const std::uint32_t capacity = shard.capacity + shard.capacity / 4;
  const std::unique_ptr<Slot[]> old =
      std::exchange(shard.slots, std::make_unique<Slot[]>(capacity));
  const std::uint32_t old_capacity = std::exchange(shard.capacity, capacity);
  for (std::uint32_t i = 0; i < old_capacity; ++i) {
    if (old[i].key() == 0) continue;
    *locate(shard, hash(old[i].key()), old[i].key()) = old[i];
  }
}

bool LiveTable::take(std::uint64_t address, Block& out) {
  const std::uint64_t key = key_of(address);
  if (key == 0) return false;
  const std::uint64_t h = hash(key);
  Shard& shard = shards_[h >> 56];
  Slot* slot = locate(shard, h, key);
  if (slot->key() == 0) return false;
  out = slot->block();
  --shard.count;
  --size_;
  // Close the gap: a follower moves back unless its home lies between the gap and itself.
  auto gap = static_cast<std::uint32_t>(slot - shard.slots.get());
  for (std::uint32_t i = gap;;) {
    if (++i == shard.capacity) i = 0;
    const std::uint64_t k = shard.slots[i].key();
    if (k == 0) break;
    const std::uint32_t ideal = home(hash(k), shard.capacity);
    const bool stays = gap <= i ? gap < ideal && ideal <= i : gap < ideal || ideal <= i;
    if (stays) continue;
    shard.slots[gap] = shard.slots[i];
    gap = i;
  }
  shard.slots[gap] = Slot{};
  return true;
}

}  // namespace ullage::trace

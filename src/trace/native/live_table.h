// SPDX-License-Identifier: Apache-2.0
#pragma once

// LiveTable: the blocks that are allocated at the current moment of a recording, by address.
//
//   LiveTable live;
//   live.insert(block);                       // false: the address was taken; nothing changed
//   if (LiveTable::Slot* s = live.find(p)) s->set_chain(7);
//   Block old;
//   if (live.take(p, old)) ...
//
// Memory       at most 40 B per block alive at the peak, beyond a fixed 96 KiB: 24-byte slots, 256
//              shards that grow by a quarter, one at a time, so that growing never holds two copies
//              of the whole. It does not shrink.
// Cost         O(1) expected; one cache line. No tombstones: removal closes the gap by moving
//              followers back, so a table that lived through a billion frees is as good as new.
// Stability    A Slot* is valid until the next insert or take.
// Threads      One at a time.
// Limits       what a slot holds of a block is clamped: addresses to 48 bits, sizes to kSizeMax,
//              time to kTimeMax.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace ullage::trace {

// No chain: see Block::chain.
inline constexpr std::uint32_t kNoChain = UINT32_MAX;

struct Block {
  std::uint64_t address = 0;  // a multiple of 8, not 0
  std::uint64_t size = 0;     // bytes as requested
  std::uint64_t time = 0;     // when it was allocated: tick steps since the start (Clock::step)
  std::uint32_t stack = 0;
  std::uint32_t chain = kNoChain;
  bool painted = false;    // carries slack canaries
  bool full = false;       // recorded in full under sampling: weight 1
  bool in_series = false;  // the series rule watches it
  bool mapped = false;     // mmap
};

class LiveTable {
 public:
  // Largest size a slot can tell: 2 TiB - 1. Larger blocks (reserved address space) count as this.
  static constexpr std::uint64_t kSizeMax = (std::uint64_t{1} << 41) - 1;
  // 2^48 steps of 8 ticks are eight days at 3 GHz; later blocks all seem to be born at that moment.
  static constexpr std::uint64_t kTimeMax = (std::uint64_t{1} << 48) - 1;

  //   | address/8: 45 | stack low: 19 |  time: 48 | stack high: 3 | chain low: 13 |
  //   | size: 41 | chain high: 19 | flags: 4 |
  class Slot {
   public:
    std::uint64_t key() const { return words_[0] >> 19; }
    std::uint64_t time() const { return words_[1] >> 16; }
    std::uint64_t size() const { return words_[2] >> 23; }
    std::uint32_t stack() const {
      return static_cast<std::uint32_t>((words_[0] & 0x7ffff) | ((words_[1] >> 13 & 7) << 19));
    }
    std::uint32_t chain() const {
      return static_cast<std::uint32_t>((words_[1] & 0x1fff) | ((words_[2] >> 4 & 0x7ffff) << 13));
    }
    bool in_series() const { return (words_[2] & kInSeries) != 0; }
    void set_chain(std::uint32_t chain) {
      words_[1] = (words_[1] & ~std::uint64_t{0x1fff}) | (chain & 0x1fff);
      words_[2] = (words_[2] & ~(std::uint64_t{0x7ffff} << 4)) | (std::uint64_t{chain >> 13} << 4);
    }
    void set_in_series() { words_[2] |= kInSeries; }
    Block block() const;

   private:
    friend class LiveTable;
    static constexpr std::uint64_t kPainted = 1, kFull = 2, kInSeries = 4, kMapped = 8;
    void set(const Block& block);
    std::uint64_t words_[3] = {};
  };
  static_assert(sizeof(Slot) == 24, "the drawing above is the layout");

  LiveTable();

  // False, and nothing changed, when a block is there already (then take() it first) or the address
  // is 0.
  bool insert(const Block& block);
  Slot* find(std::uint64_t address);
  // Asks memory for the slot of an address that is about to be used.
  void prefetch(std::uint64_t address) const {
    const std::uint64_t h = hash(key_of(address));
    const Shard& shard = shards_[h >> 56];
    const Slot* slot = &shard.slots[home(h, shard.capacity)];
    __builtin_prefetch(slot);
    // Without this GCC takes the function for pure and drops calls of it whole.
    asm volatile("" : : "r"(slot));
  }
  bool take(std::uint64_t address, Block& out);

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const;

  template <class F>  // f(const Block&), in no order
  void for_each(F&& f) const {
    for (const Shard& shard : shards_) {
      for (std::uint32_t i = 0; i < shard.capacity; ++i) {
        if (shard.slots[i].key() != 0) f(shard.slots[i].block());
      }
    }
  }

 private:
  struct Shard {
    std::unique_ptr<Slot[]> slots;
    std::uint32_t capacity = 0, count = 0;
  };
  static std::uint64_t hash(std::uint64_t key) {
    const std::uint64_t h = key * 0x9e3779b97f4a7c15ull;
    return (h ^ (h >> 32)) * 0xd6e8feb86659fd93ull;
  }
  static std::uint32_t home(std::uint64_t hash, std::uint32_t capacity) {
    return static_cast<std::uint32_t>(((hash >> 16 & UINT32_MAX) * capacity) >> 32);
  }
  static std::uint64_t key_of(std::uint64_t address) {
    return (address & ((std::uint64_t{1} << 48) - 1)) >> 3;
  }
  Slot* locate(Shard& shard, std::uint64_t hash, std::uint64_t key);  // the slot, or an empty one
  void grow(Shard& shard);

  std::vector<Shard> shards_;
  std::size_t size_ = 0;
};

}  // namespace ullage::trace

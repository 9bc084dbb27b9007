// SPDX-License-Identifier: Apache-2.0
#pragma once

// StackMemo: (pc, sp) -> the context that a walk from there once found, with every stack word that
// the walk read. If all of them are unchanged, a walk would go the same way: pc and sp fix the
// first rule, the rule fixes which word is read next, its value is as before, and so on to the
// root. A hit is therefore never wrong. rbp is compared only when a rule consumed the *incoming*
// rbp.
//
// A pair of entries shares a cache line; an entry's words lie in a room of its own.
// Cost         a hit reads a line of the table, 10 bytes a word, and the words themselves.
// Memory       5.3 MiB a thread if every room were full; pages are touched as they are needed.
// Threads      one instance a thread; no locks.

#include "agent/platform.h"

namespace ullage::agent {

// A word of the stack that a walk read.
struct StackWord {
  uintptr_t address;
  uint64_t value;
};

class StackMemo {
 public:
  // Longest list of words an entry keeps; contexts that need more are not remembered, nor are those
  // whose words lie further than 512 KiB apart.
  static constexpr uint32_t kWordsMax = 128;

  static constexpr size_t bytes() { return (sizeof(Entry) + sizeof(Room)) * kEntries; }
  // `memory` is zeroed, aligned to 64 and has bytes().
  void init(void* memory) {
    entries_ = static_cast<Entry*>(memory);
    rooms_ = reinterpret_cast<Room*>(entries_ + kEntries);
    for (uint32_t i = 0; i < kEntries; ++i) entries_[i].room = static_cast<uint16_t>(i);
  }

  // Starts fetching what find(at, ...) will read first.
  void prefetch(const Registers& at) const {
    const Entry& likely = *pair_of(at);
    const Room& room = rooms_[likely.room];
    __builtin_prefetch(room.offset);
    __builtin_prefetch(room.offset + 32);
    for (uint32_t i = 0; i < likely.count; i += 8) __builtin_prefetch(room.value + i);
  }

  // `high` is the top of the thread's stack, which `at` is on; at most 4 GiB above it.
  bool find(const Registers& at, uintptr_t high, uint32_t generation, uint32_t* id) {
    Entry* pair = pair_of(at);
    const auto height = static_cast<uint32_t>(high - at.sp);
    for (int way = 0; way < 2; ++way) {
      const Entry& e = pair[way];
      if (e.pc != at.pc || e.height != height || e.generation != generation) continue;
      if (e.uses_bp != 0 && e.bp != at.bp) continue;
      if (!same_words(rooms_[e.room], e.count, at.sp)) continue;
      *id = e.id;
      if (way == 1) {  // keep the pair in order of use
        const Entry first = pair[0];
        pair[0] = e;
        pair[1] = first;
      }
      return true;
    }
    return false;
  }

  void store(const Registers& at, uintptr_t high, uint32_t generation, uint32_t id,
             const StackWord* words, uint32_t count, bool uses_bp);

 private:
  static constexpr uint32_t kEntries = 4096;
  struct Entry {
    uintptr_t pc, bp;
    uint32_t height;  // of sp below the top of the stack
    uint32_t generation;
    uint32_t id;
    uint16_t room;  // which of the rooms has its words; entries only ever swap them
    uint8_t count;  // words
    uint8_t uses_bp;
  };
  static_assert(sizeof(Entry) == 32 && kWordsMax < 256 && kEntries <= 65536);
  // Words in the order of the walk, outermost first; an offset counts words above sp.
  struct alignas(64) Room {
    uint16_t offset[kWordsMax];
    uint64_t value[kWordsMax];
  };

  Entry* pair_of(const Registers& at) const {
    const uint64_t h = (at.pc ^ (at.sp * 31)) * 0x9E3779B97F4A7C15ull;
    return entries_ + (static_cast<uint32_t>(h >> 40) & (kEntries / 2 - 1)) * 2;
  }

  // Inner frames change most, so from the inside, eight words at a time.
  static bool same_words(const Room& room, uint32_t count, uintptr_t sp) {
    const auto* stack = reinterpret_cast<const uint64_t*>(sp);
    uint32_t i = count;
    for (; i >= 8; i -= 8) {
      uint64_t differ = 0;
#pragma GCC unroll 8
      for (uint32_t k = 1; k <= 8; ++k) differ |= stack[room.offset[i - k]] ^ room.value[i - k];
      if (differ != 0) return false;
    }
    uint64_t differ = 0;
    while (i-- > 0) differ |= stack[room.offset[i]] ^ room.value[i];
    return differ == 0;
  }

  Entry* entries_ = nullptr;
  Room* rooms_ = nullptr;
};

}  // namespace ullage::agent

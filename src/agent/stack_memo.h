// SPDX-License-Identifier: Apache-2.0
#pragma once

// StackMemo: (pc, sp) -> the context that a walk from there once found.
//
// Neighbouring events share all but their innermost frames (1.6 to 2.9 of 20 to 45 frames differ on
// average in cppcheck, clang and cc1plus). So an entry keeps only the words that the walk read
// before it met a frame of the stack walked last, its anchor; from there to the root the unwinder
// has the words in one place, which stays in the first-level cache.
//
// If an entry's words are unchanged, a walk would go the same way: pc and sp fix the first rule,
// the rule fixes which word is read next, its value is as before, and so on to the anchor. The
// caller goes on from there: whether the anchor still is that frame, and unchanged. Both together
// are never wrong. rbp is compared only when a rule consumed the *incoming* rbp.
//
// Cost         a hit reads two cache lines of the memo, three with more than 6 words.
// Memory       1.6 MiB a thread if every entry were used; pages are touched as they are needed.
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
  // Longest list of words an entry keeps: fills three cache lines. Walks that read more before they
  // met a frame they knew (1 to 5 % of them) are not remembered, nor are those whose words lie
  // further than 512 KiB apart.
  static constexpr uint32_t kWordsMax = 14;

  // The frame of the last stack at which an entry's words end.
  struct Anchor {
    uintptr_t bp;     // if needs_bp: what it has there
    uint32_t name;    // see Unwinder; 0 when the words lead to the root itself
    uint32_t height;  // of its sp below the top of the stack
    uint16_t depth;   // frames from the root to it, itself included
    bool needs_bp;
  };

  struct Entry {
    uintptr_t pc, bp;
    uintptr_t anchor_bp;
    uint32_t height;  // of sp below the top of the stack
    uint32_t generation;
    uint32_t id;
    uint32_t anchor_name;
    uint32_t anchor_height;
    uint16_t anchor_depth;
    uint8_t count;  // words
    uint8_t flags;
    // Words in the order of the walk, innermost first; an offset counts words above sp.
    uint16_t offset[kWordsMax];
    uint64_t value[kWordsMax];
  };
  static_assert(sizeof(Entry) == 192, "three cache lines");
  static constexpr uint8_t kUsesBp = 1;      // the walk read the incoming rbp
  static constexpr uint8_t kAnchorBp = 2;    // anchor_bp counts
  static constexpr uint8_t kAnchorOnce = 4;  // anchor_name is a serial number, not an id

  static constexpr size_t bytes() { return (sizeof(Entry) + sizeof(uint32_t)) * kEntries; }
  // `memory` is zeroed, aligned to 64 and has bytes().
  void init(void* memory) {
    entries_ = static_cast<Entry*>(memory);
    tags_ = reinterpret_cast<uint32_t*>(entries_ + kEntries);
  }

  // A frame's return address lies at `where`. Only a hint for where entries go: one place of `pc`
  // may be taken for another's.
  void teach(uintptr_t pc, uintptr_t sp, uintptr_t where) {
    const uintptr_t words = (where - sp) / 8;
    if (words <= UINT16_MAX) returns_[return_of(pc)] = static_cast<uint16_t>(words);
  }

  // The context, or 0. `high` is the top of the thread's stack, which `at` is on; at most 4 GiB
  // above it. `anchored(entry)` tells whether the rest of the walk would go as it did.
  template <class Anchored>
  uint32_t find(const Registers& at, uintptr_t high, uint32_t generation, Anchored anchored) {
    const Place p = place_of(at, high);
    uint32_t* tags = tags_ + p.pair;
    const auto height = static_cast<uint32_t>(high - at.sp);
    for (int way = 0; way < 2; ++way) {
      if ((tags[way] & ~1u) != p.tag) continue;
      const Entry& e = *entry_of(p, way == 0 ? tags[0] : ~tags[0]);
      if (e.pc != at.pc || e.height != height || e.generation != generation) continue;
      if ((e.flags & kUsesBp) != 0 && e.bp != at.bp) continue;
      if (!same_words(e, at.sp) || !anchored(e)) continue;
      if (way == 1) {  // keep the pair in order of use
        const uint32_t first = tags[0];
        tags[0] = p.tag | (~first & 1u);
        tags[1] = first;
      }
      return e.id;
    }
    return 0;
  }

  void store(const Registers& at, uintptr_t high, uint32_t generation, uint32_t id,
             const StackWord* words, uint32_t count, uint8_t flags, const Anchor& anchor);

 private:
  static constexpr uint32_t kEntries = 8192;

  // Entries come in pairs. The tags of a pair lie in order of use; the lowest bit of the first
  // tells which of the two entries it belongs to, and the second has the other. Both may be of one
  // place, with other words or another anchor.
  struct Place {
    uint32_t pair;  // index of its first tag and entry
    uint32_t tag;
  };
  // Who called the caller takes part: allocation wrappers are met at one height from many places.
  Place place_of(const Registers& at, uintptr_t high) const {
    uint64_t path = at.pc ^ (at.sp * 31);
    const uintptr_t where = at.sp + size_t{8} * returns_[return_of(at.pc)];
    if (ULLAGE_LIKELY(where < high && high - where >= sizeof(uint64_t))) {
      path = (path << 7 | path >> 57) ^ *reinterpret_cast<const uint64_t*>(where);
    }
    const uint64_t h = path * 0x9E3779B97F4A7C15ull;
    return {static_cast<uint32_t>(h >> 40) & ((kEntries / 2 - 1) * 2),
            static_cast<uint32_t>(h >> 8) & ~1u};
  }
  Entry* entry_of(const Place& p, uint32_t tag) const { return entries_ + p.pair + (tag & 1u); }

  static bool same_words(const Entry& e, uintptr_t sp) {
    const auto* stack = reinterpret_cast<const uint64_t*>(sp);
    uint64_t differ = 0;
    for (uint32_t i = 0; i < e.count; ++i) differ |= stack[e.offset[i]] ^ e.value[i];
    return differ == 0;
  }

  static size_t return_of(uintptr_t pc) { return (pc * 0x9E3779B97F4A7C15ull) >> 53; }

  Entry* entries_ = nullptr;
  uint32_t* tags_ = nullptr;
  uint16_t returns_[2048] = {};  // by return_of(pc): words from sp to the return address
};

}  // namespace ullage::agent

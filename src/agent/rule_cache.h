// SPDX-License-Identifier: Apache-2.0
#pragma once

// RuleCache: pc -> how to step out of it, shared by all threads.
//
//   | key: 8 B | rule: 16 B | function: 8 B |   = 32 B, two to a cache line
//
// Readers take no lock: an entry is valid when its key reads the same before and after (the key is
// the sequence number; an entry is only ever rewritten to the one answer its key has). O(1); a miss
// costs a binary search of .eh_frame_hdr.

#include <atomic>

#include "agent/cfi.h"

namespace ullage::agent {

class RuleCache {
 public:
  struct Answer {
    Rule rule;
    uint64_t function;  // start of the function | occupant << 48; pc itself when unknown
    uint64_t pc;        // pc | occupant << 48
  };

  bool init();
  // `pc` is a return address (one past the call).
  Answer find(uintptr_t pc, uint32_t generation) {
    const uint64_t key = make_key(pc, generation);
    const size_t at = slot(key);
    for (size_t i = 0; i < kProbes; ++i) {
      const Entry& e = entries_[(at + i) & (kEntries - 1)];
      if (e.key.load(std::memory_order_acquire) != key) continue;
      const Rule rule = e.rule;
      const uint64_t function = e.function;
      std::atomic_thread_fence(std::memory_order_acquire);
      if (e.key.load(std::memory_order_relaxed) != key) break;
      return {rule, function, pc | (function & ~kLowBits)};
    }
    return fill(pc, generation, key, at);
  }

 private:
  // 128 K pcs, 4 MiB of lazily touched memory; more than that and the least lucky are computed
  // anew.
  static constexpr size_t kEntries = 1u << 17;
  static constexpr size_t kProbes = 8;
  static constexpr uint64_t kLowBits = (uint64_t{1} << 48) - 1;
  struct Entry {
    std::atomic<uint64_t> key;
    Rule rule;
    uint64_t function;
  };
  static_assert(sizeof(Entry) == 32, "the drawing above is the layout");

  // The generation (never 0) keeps answers about unloaded modules from being found again.
  static uint64_t make_key(uintptr_t pc, uint32_t generation) {
    return pc ^ (uint64_t{generation & 0xffffu} << 48) ^ (uint64_t{1} << 63);
  }
  static size_t slot(uint64_t key) { return (key * 0x9E3779B97F4A7C15ull) >> 47; }
  Answer fill(uintptr_t pc, uint32_t generation, uint64_t key, size_t at);

  Entry* entries_ = nullptr;
};

extern RuleCache g_rules;

}  // namespace ullage::agent

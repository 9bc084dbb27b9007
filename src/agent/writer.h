// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writer: what one thread needs to record: its stream in the file, its unwinder, its recent blocks.
//
// A thread has one while it lives; then the next thread takes it over, half-filled segment and warm
// caches included. So hundreds of short threads cost as much as those alive at once.

#include "agent/output.h"
#include "agent/unwinder.h"
#include "record/event_writer.h"

namespace ullage::agent {

// The last 8 allocations of at least 16 bytes: a freed block whose successor is among them may have
// grown. Kept as two 32-byte rows, so that looking costs four vector compares.
struct Recent {
  static constexpr int kCount = 8;
  alignas(16) uint32_t key[kCount] = {};  // (address >> 4), low 32 bits; 0 = none
  alignas(16) int32_t size[kCount] = {};  // clamped to 2^31 - 1
  uintptr_t address[kCount] = {};
  uint32_t stack[kCount] = {};
  uint64_t context[kCount] = {};  // hash of (pc, stack height)
  unsigned next = 0;

  void push(uintptr_t a, size_t bytes, uint32_t stack_id, uint64_t context_hash) {
    const unsigned i = next++ & (kCount - 1);
    key[i] = static_cast<uint32_t>(a >> 4);
    size[i] = bytes > 0x7fffffffu ? 0x7fffffff : static_cast<int32_t>(bytes);
    address[i] = a;
    stack[i] = stack_id;
    context[i] = context_hash;
  }
  void remove(uintptr_t a) {
    const __m128i k = _mm_set1_epi32(static_cast<int>(static_cast<uint32_t>(a >> 4)));
    const auto* rows = reinterpret_cast<const __m128i*>(key);
    const __m128i lo = _mm_cmpeq_epi32(_mm_load_si128(rows), k);
    const __m128i hi = _mm_cmpeq_epi32(_mm_load_si128(rows + 1), k);
    const int found = _mm_movemask_epi8(_mm_packs_epi32(lo, hi));
    if (ULLAGE_LIKELY(found == 0)) return;
    for (int i = 0; i < kCount; ++i) {
      if (address[i] != a) continue;
      key[i] = 0;
      size[i] = 0;
      address[i] = 0;
    }
  }
  // Bit i set: block i is larger than `usable` and at most 8 * usable + 64.
  unsigned larger_than(size_t usable) const {
    if (usable > (1u << 27)) return larger_than_slow(usable);
    const __m128i from = _mm_set1_epi32(static_cast<int>(usable));
    const __m128i to = _mm_set1_epi32(static_cast<int>(usable * 8 + 64));
    const auto* rows = reinterpret_cast<const __m128i*>(size);
    const __m128i s0 = _mm_load_si128(rows), s1 = _mm_load_si128(rows + 1);
    const __m128i m0 = _mm_andnot_si128(_mm_cmpgt_epi32(s0, to), _mm_cmpgt_epi32(s0, from));
    const __m128i m1 = _mm_andnot_si128(_mm_cmpgt_epi32(s1, to), _mm_cmpgt_epi32(s1, from));
    const __m128i packed = _mm_packs_epi32(m0, m1);
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(packed, packed))) & 0xffu;
  }
  unsigned larger_than_slow(size_t usable) const {
    unsigned bits = 0;
    for (int i = 0; i < kCount; ++i) {
      if (address[i] != 0 && (size[i] == 0x7fffffff || static_cast<size_t>(size[i]) > usable)) {
        bits |= 1u << i;
      }
    }
    return bits;
  }
};

// How often contents are compared, per place that frees, once a process has threads: comparing then
// needs a system call (the block may be another thread's by now).
struct CheckRate {
  uintptr_t pc = 0;
  uint32_t checked = 0;
  uint32_t matched = 0;
};

struct Writer {
  static constexpr int kCheckRates = 64;

  record::EventWriter events;
  uint64_t event_count = 0;
  Recent recent;
  Unwinder unwinder;
  record::SegmentHeader* segment = nullptr;
  uint32_t id = 0;
  uint32_t seq = 0;
  uint32_t tid = 0;
  uint32_t segment_bytes = 0;
  bool in_use = false;
  bool recent_stale = false;  // blocks in `recent` may be gone: forget them before looking
  uintptr_t last_block = 0;   // newest block reported
  uint64_t free_candidates = 0, unsampled = 0, verify_checked = 0, verify_differences = 0;
  uint64_t verify_countdown = 0;
  int64_t sample_left = 0;
  uint64_t random = 0;
  CheckRate check_rates[kCheckRates];
  Writer* next_free = nullptr;
  Writer* next_all = nullptr;
  // Set by pthread_create for the thread that starts with this writer.
  void* (*start)(void*) = nullptr;
  void* start_argument = nullptr;
  size_t start_stack_bytes = 0;
  record::Counters flushed{};  // what was already added to the header
};

// Writers that one process may have at once; threads beyond it are not recorded and counted.
inline constexpr uint32_t kWritersMax = 4096;

Writer* acquire_writer();  // null: limit, or no memory
void release_writer(Writer* writer);
void reset_writers();  // fork's child: all of them are forgotten
// Makes room for one more event; false: recording has ended.
bool next_segment(Writer* writer);
void flush_counters(Writer* writer);
void flush_all_counters();
void each_writer(void (*visit)(Writer*));

}  // namespace ullage::agent

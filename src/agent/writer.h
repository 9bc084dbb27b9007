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
  // Elders: blocks that left the eight while they lived, the newest of each power of two. A
  // container whose elements allocate when they are copied has more than eight of those between
  // its new block and its old one; they are of one size or two, and so leave its block alone.
  static constexpr int kElders = 16;
  static constexpr int kElderBytesMin = 128;
  static constexpr unsigned kElderPowerMin = 7;
  // One frame allocates an elder and frees its predecessor: the stack pointers of the two calls are
  // no further apart than an unoptimised container's own functions put them, and none in between
  // is above them. What is seen to be above ends the elder: its frame has returned.
  static constexpr int kElderStackBytes = 512;
  // Frees that an elder may mark: beyond them it is forgotten, so that it costs no stack for each.
  static constexpr uint32_t kElderAsked = 2;
  static constexpr uint32_t kYoung = UINT32_MAX;  // the age of a block among the eight
  alignas(16) uint32_t key[kCount] = {};          // (address >> 4), low 32 bits; 0 = none
  alignas(16) int32_t size[kCount] = {};          // clamped to 2^31 - 1
  uintptr_t address[kCount] = {};
  uint32_t stack[kCount] = {};
  uint64_t context[kCount] = {};         // hash of (pc, stack height)
  alignas(16) uint32_t sp[kCount] = {};  // low 32 bits of the stack pointer
  unsigned next = 0;
  // Of the elders; three empty slots at the end, so that four may be loaded from any on.
  alignas(16) int32_t elder_size[kElders + 4] = {};
  alignas(16) uint32_t elder_sp[kElders + 4] = {};
  uintptr_t highest_sp = 0;  // seen since elders were last ended by it
  uint32_t elders = 0;
  uint32_t elder_age[kElders] = {};  // the higher the younger
  uint32_t elder_asked[kElders] = {};
  uintptr_t elder_address[kElders] = {};
  uint32_t elder_stack[kElders] = {};
  uint64_t elder_context[kElders] = {};

  void push(uintptr_t a, size_t bytes, uint32_t stack_id, uint64_t context_hash, uintptr_t at_sp) {
    const unsigned i = next++ & (kCount - 1);
    if (ULLAGE_UNLIKELY(size[i] >= kElderBytesMin)) grow_old(i);
    sp[i] = static_cast<uint32_t>(at_sp);
    if (at_sp > highest_sp) highest_sp = at_sp;
    key[i] = static_cast<uint32_t>(a >> 4);
    size[i] = bytes > 0x7fffffffu ? 0x7fffffff : static_cast<int32_t>(bytes);
    address[i] = a;
    stack[i] = stack_id;
    context[i] = context_hash;
  }
  static unsigned elder_of(size_t bytes) {
    const unsigned power = 63u - static_cast<unsigned>(__builtin_clzll(bytes)) - kElderPowerMin;
    return power < kElders ? power : kElders - 1;
  }
  // Ends the elders whose frames have returned.
  void end_elders() {
    const __m128i highest = _mm_set1_epi32(static_cast<int>(static_cast<uint32_t>(highest_sp)));
    const __m128i slack = _mm_set1_epi32(kElderStackBytes);
    auto* sizes = reinterpret_cast<__m128i*>(elder_size);
    const auto* sps = reinterpret_cast<const __m128i*>(elder_sp);
    for (int i = 0; i < kElders / 4; ++i) {
      const __m128i ended = _mm_cmpgt_epi32(_mm_sub_epi32(highest, sps[i]), slack);
      sizes[i] = _mm_andnot_si128(ended, sizes[i]);
    }
    highest_sp = 0;
  }
  void grow_old(unsigned i) {
    for (const uint32_t later : sp) {
      if (static_cast<int32_t>(later - sp[i]) > kElderStackBytes) return;
    }
    end_elders();
    const unsigned e = elder_of(static_cast<size_t>(size[i]));
    elder_size[e] = size[i];
    elder_sp[e] = sp[i];
    elder_address[e] = address[i];
    elder_stack[e] = stack[i];
    elder_context[e] = context[i];
    elder_age[e] = ++elders;
    elder_asked[e] = 0;
  }
  // `usable` of kElderBytesMin and more: the elder that may have taken the place of such a block of
  // this age, freed at this stack pointer; -1 if there is none. It is asked for twice at most.
  int elder_larger_than(size_t usable, uint32_t age, uintptr_t at_sp) {
    if (at_sp > highest_sp) highest_sp = at_sp;
    end_elders();
    if (usable > (1u << 28)) usable = 1u << 28;
    const unsigned first = elder_of(usable);
    const auto row = [first](const void* rows) {
      return _mm_loadu_si128(
          reinterpret_cast<const __m128i*>(static_cast<const int*>(rows) + first));
    };
    const __m128i s = row(elder_size);
    const __m128i away = _mm_sub_epi32(row(elder_sp), _mm_set1_epi32(static_cast<int>(at_sp)));
    const __m128i slack = _mm_set1_epi32(kElderStackBytes);
    const __m128i from = _mm_set1_epi32(static_cast<int>(usable + usable / 5));
    const __m128i to = _mm_set1_epi32(static_cast<int>(usable * 4 + 64));
    __m128i fits = _mm_andnot_si128(_mm_cmpgt_epi32(s, to), _mm_cmpgt_epi32(s, from));
    fits = _mm_and_si128(fits, _mm_cmpgt_epi32(slack, away));
    fits = _mm_and_si128(fits, _mm_cmpgt_epi32(_mm_add_epi32(away, slack), _mm_setzero_si128()));
    auto found = static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(fits)));
    for (; ULLAGE_UNLIKELY(found != 0); found &= found - 1) {
      const unsigned i = first + static_cast<unsigned>(__builtin_ctz(found));
      if (elder_age[i] <= age) continue;
      if (++elder_asked[i] == kElderAsked) elder_size[i] = 0;
      return static_cast<int>(i);
    }
    return -1;
  }
  uint32_t remove_elder(uintptr_t a, size_t usable) {
    uint32_t age = 0;
    const unsigned e = elder_of(usable);
    // A block may have been asked for with fewer bytes than it has.
    for (const unsigned i : {e, e == 0 ? 0 : e - 1}) {
      if (elder_address[i] != a) continue;
      age = elder_age[i];
      elder_address[i] = 0;
      elder_size[i] = 0;
    }
    return age;
  }
  // How young the block was: kYoung if it was among the eight, 0 if nothing is known of it.
  uint32_t remove(uintptr_t a, size_t usable) {
    const uint32_t age = usable >= kElderBytesMin ? remove_elder(a, usable) : 0;
    const __m128i k = _mm_set1_epi32(static_cast<int>(static_cast<uint32_t>(a >> 4)));
    const auto* rows = reinterpret_cast<const __m128i*>(key);
    const __m128i lo = _mm_cmpeq_epi32(_mm_load_si128(rows), k);
    const __m128i hi = _mm_cmpeq_epi32(_mm_load_si128(rows + 1), k);
    const int found = _mm_movemask_epi8(_mm_packs_epi32(lo, hi));
    if (ULLAGE_LIKELY(found == 0)) return age;
    for (int i = 0; i < kCount; ++i) {
      if (address[i] != a) continue;
      key[i] = 0;
      size[i] = 0;
      address[i] = 0;
      return kYoung;
    }
    return age;
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
// needs a system call (the block may be another thread's by now). So each place is asked in full 64
// times and then ever more rarely: where sizes already tell of growth, a share of the answers is
// evidence enough, and what a thousand answers have shown a hundred more will not turn.
struct CheckRate {
  static constexpr uint32_t kAlways = 64, kOften = 1024;
  static constexpr uint32_t kThenEvery = 16, kLaterEvery = 128;
  uintptr_t pc = 0;
  uint32_t checked = 0;
  uint32_t matched = 0;

  // The next block: may it go unchecked, if its size speaks of growth (`decided`) anyway?
  bool passes_over(bool decided) {
    ++checked;
    if (checked <= kAlways || (!decided && matched * 8 >= checked)) return false;
    return checked % (checked <= kOften ? kThenEvery : kLaterEvery) != 0;
  }
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

// EventWriter: encodes events of one stream into a mapped EVENTS payload.
//
// The counterpart of EventDecoder. A writer has one owner at a time and keeps kEventBytesMax of
// room before each event; the payload is zero-filled, so whatever is last is followed by tag 0. The
// tag is stored after its operands: an event that a kill interrupts is not seen at all.
// Freestanding, inline: this is the hottest code of the agent.

#include "record/layout.h"

namespace ullage::record {

class EventWriter {
 public:
  // `payload` has `bytes` of zeroes. Starts the delta clocks anew.
  void start(uint8_t* payload, size_t bytes, uint64_t ticks0, unsigned tick_shift) {
    at_ = payload;
    limit_ = payload + bytes - kEventBytesMax - 1;  // one byte stays zero: the end tag
    ticks_ = ticks0;
    address_ = 0;
    shift_ = tick_shift;
  }
  void detach() { at_ = limit_ = nullptr; }
  bool attached() const { return at_ != nullptr; }
  bool full() const { return at_ >= limit_; }  // also when detached

  void alloc(Tag tag, uint64_t ticks, uint64_t address, uint64_t size, uint32_t stack) {
    uint8_t* p = begin(ticks, address);
    p = number(p, size);
    p = number(p, stack);
    commit(tag, p);
  }
  void free(uint64_t ticks, uint64_t address) { commit(Tag::kFree, begin(ticks, address)); }
  void free(Tag tag, uint64_t ticks, uint64_t address, uint32_t stack) {
    commit(tag, number(begin(ticks, address), stack));
  }
  void unmap(uint64_t ticks, uint64_t address, uint64_t size) {
    commit(Tag::kUnmap, number(begin(ticks, address), size));
  }
  void realloc(Tag tag, uint64_t ticks, uint64_t address, uint64_t size, uint32_t stack,
               uint64_t old_address, uint64_t duration) {
    uint8_t* p = begin(ticks, address);
    p = number(p, size);
    p = number(p, stack);
    p = number(p, old_operand(address, old_address));
    p = number(p, duration >> shift_);
    commit(tag, p);
  }
  void remap(uint64_t ticks, uint64_t address, uint64_t size, uint32_t stack, uint64_t old_address,
             uint64_t old_size, uint64_t duration) {
    uint8_t* p = begin(ticks, address);
    p = number(p, size);
    p = number(p, stack);
    p = number(p, old_operand(address, old_address));
    p = number(p, old_size);
    p = number(p, duration >> shift_);
    commit(Tag::kRemap, p);
  }
  void unused(uint64_t bytes) { commit(Tag::kUnused, number(at_ + 1, bytes)); }
  void thread(uint64_t ticks, uint32_t tid) {
    commit(Tag::kThread, number(number(at_ + 1, ticks), tid));
    ticks_ = ticks;
  }
  void thread_name(uint32_t tid, const char* name, unsigned length) {  // length <= 16
    uint8_t* p = number(number(at_ + 1, tid), length);
    for (unsigned i = 0; i < length; ++i) *p++ = static_cast<uint8_t>(name[i]);
    commit(Tag::kThreadName, p);
  }

 private:
  static uint64_t zigzag(int64_t v) {
    return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
  }
  static uint64_t old_operand(uint64_t address, uint64_t old_address) {
    if (old_address == 0) return 0;
    return 1 + zigzag(static_cast<int64_t>((old_address & ~7ull) - (address & ~7ull)) >> 3);
  }
  static uint8_t* number(uint8_t* p, uint64_t v) {
    while (v >= 0x80) {
      *p++ = static_cast<uint8_t>(v | 0x80);
      v >>= 7;
    }
    *p++ = static_cast<uint8_t>(v);
    return p;
  }
  uint8_t* begin(uint64_t ticks, uint64_t address) {
    // A thread may move to a core whose counter is a hair behind: time stands still, never runs
    // back.
    const uint64_t dt = ticks > ticks_ ? (ticks - ticks_) >> shift_ : 0;
    ticks_ += dt << shift_;  // the remainder is carried on, or streams would drift apart
    uint8_t* p = number(at_ + 1, dt);
    const uint64_t a = address & ~7ull;
    p = number(p, zigzag(static_cast<int64_t>(a - address_) >> 3));
    address_ = a;
    return p;
  }
  void commit(Tag tag, uint8_t* end) {
    uint8_t* start = at_;
    at_ = end;
    __atomic_store_n(start, static_cast<uint8_t>(tag), __ATOMIC_RELEASE);
  }

  uint8_t* at_ = nullptr;
  uint8_t* limit_ = nullptr;
  uint64_t ticks_ = 0;
  uint64_t address_ = 0;
  unsigned shift_ = 0;
};

}  // namespace ullage::record

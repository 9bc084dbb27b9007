// SPDX-License-Identifier: Apache-2.0
#pragma once

// EventWriter: encodes events of one stream into a mapped EVENTS payload.
//
// The counterpart of EventDecoder. A writer has one owner at a time and keeps kEventBytesMax of
// room before each event. Whatever is last is followed by tag 0, whatever lay there before. The tag
// is stored after its operands and after that zero: an event that a kill interrupts is not seen at
// all.
// Freestanding, inline: this is the hottest code of the agent.

#include "record/layout.h"

namespace ullage::record {

class EventWriter {
 public:
  // Starts an empty payload of `bytes`, and the delta clocks anew.
  void start(uint8_t* payload, size_t bytes, uint64_t ticks0, unsigned tick_shift) {
    at_ = payload;
    *payload = 0;
    limit_ = payload + bytes - kEventBytesMax - 1;  // one byte for the end tag
    ticks_ = ticks0;
    address_ = 0;
    shift_ = tick_shift;
    for (uint64_t& name : names_) name = 0;
  }
  void detach() { at_ = limit_ = nullptr; }
  bool attached() const { return at_ != nullptr; }
  bool full() const { return at_ >= limit_; }  // also when detached
  const uint8_t* at() const { return at_; }    // behind the last event, at the end tag

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
  // `name` and `type` are strings; null: the container has no site.
  void container_growth(uint64_t ticks, const char* name, const char* type, uint64_t container,
                        uint32_t stack, const ContainerGrowth& growth) {
    const uint32_t slot = container_name(name, type);
    uint8_t* p = container_event(Extension::kContainerGrowth, ticks, slot);
    p = number(p, container);
    p = number(p, stack);
    const uint64_t numbers[] = {
        growth.kind,     growth.cause,    growth.depth, growth.bytes_before,  growth.bytes_after,
        growth.capacity, growth.elements, growth.moved, growth.element_bytes, growth.duration_ns};
    static_assert(sizeof numbers == sizeof growth);
    for (const uint64_t n : numbers) p = number(p, n);
    commit_extension(p);
  }
  void container_end(uint64_t ticks, const char* name, uint64_t elements) {
    const uint32_t slot = container_name(name, nullptr);
    commit_extension(number(container_event(Extension::kContainerEnd, ticks, slot), elements));
  }

 private:
  static constexpr unsigned kLengthBytes = 2;  // of an extension: room for two, always used

  static uint32_t length(const char* text, uint32_t most) {
    uint32_t n = 0;
    while (text != nullptr && n < most && text[n] != 0) ++n;
    return n;
  }
  // The slot that stands for a name in this segment, written down when it is new here.
  uint32_t container_name(const char* name, const char* type) {
    if (name == nullptr && type == nullptr) return 0;
    const uint32_t name_bytes = length(name, kContainerNameBytesMax);
    const uint32_t type_bytes = length(type, kContainerTypeBytesMax);
    uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a: equal names are one, wherever they lie
    for (uint32_t i = 0; i < type_bytes; ++i) hash = mixed(hash, type[i]);
    hash = mixed(hash, 0);
    for (uint32_t i = 0; i < name_bytes; ++i) hash = mixed(hash, name[i]);
    hash |= 1;  // 0 is an empty slot
    const uint32_t at = static_cast<uint32_t>(hash >> 32) % kContainerNames;
    if (names_[at] == hash) return at + 1;
    names_[at] = hash;
    uint8_t* p = at_ + 1 + kLengthBytes;
    p = number(p, static_cast<uint8_t>(Extension::kContainerName));
    p = number(p, at + 1);
    p = number(p, type_bytes);
    for (uint32_t i = 0; i < type_bytes; ++i) *p++ = static_cast<uint8_t>(type[i]);
    for (uint32_t i = 0; i < name_bytes; ++i) *p++ = static_cast<uint8_t>(name[i]);
    commit_extension(p);
    return at + 1;
  }
  static uint64_t mixed(uint64_t hash, char c) {
    return (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  }
  uint8_t* container_event(Extension kind, uint64_t ticks, uint32_t slot) {
    uint8_t* p = number(at_ + 1 + kLengthBytes, static_cast<uint8_t>(kind));
    p = number(p, ticks > ticks_ ? (ticks - ticks_) >> shift_ : 0);
    return number(p, slot);
  }
  void commit_extension(uint8_t* end) {
    const auto bytes = static_cast<uint32_t>(end - at_) - 1 - kLengthBytes;
    at_[1] = static_cast<uint8_t>(bytes | 0x80);
    at_[2] = static_cast<uint8_t>(bytes >> 7);
    commit(Tag::kExtension, end);
  }

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
    *end = static_cast<uint8_t>(Tag::kEnd);
    __atomic_store_n(start, static_cast<uint8_t>(tag), __ATOMIC_RELEASE);
  }

  uint8_t* at_ = nullptr;
  uint8_t* limit_ = nullptr;
  uint64_t ticks_ = 0;
  uint64_t address_ = 0;
  unsigned shift_ = 0;
  uint64_t names_[kContainerNames] = {};  // hashes of what this segment's slots hold
};

}  // namespace ullage::record

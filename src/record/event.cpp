// SPDX-License-Identifier: Apache-2.0
#include "record/event.h"

#include <initializer_list>

namespace ullage::record {
namespace {

uint64_t unzigzag(uint64_t v) { return (v >> 1) ^ (~(v & 1) + 1); }

}  // namespace

bool EventDecoder::number(uint64_t& value) {
  uint64_t v = 0;
  unsigned shift = 0;
  const uint8_t* p = at_;
  while (p < end_) {
    const uint8_t b = *p++;
    // Ten bytes carry 64 bits; the tenth holds only one. More is no writer's doing.
    if (shift == 63 && b > 1) return false;
    v |= uint64_t{b & 0x7fu} << shift;
    if (b < 0x80) {
      at_ = p;
      value = v;
      return true;
    }
    shift += 7;
    if (shift > 63) return false;
  }
  return false;
}

EventDecoder::Taken EventDecoder::extension(Event& event) {
  uint64_t length = 0, kind = 0;
  if (!number(length) || length > static_cast<size_t>(end_ - at_)) return Taken::kDamage;
  const uint8_t* const whole_end = end_;
  const uint8_t* const end = at_ + length;
  end_ = end;  // what it holds ends with it
  bool ok = number(kind), is_event = false;
  if (ok && kind == static_cast<uint64_t>(Extension::kContainerName)) {
    ok = container_name(end);
  } else if (ok && kind == static_cast<uint64_t>(Extension::kContainerGrowth)) {
    ok = is_event = container_growth(event);
  } else if (ok && kind == static_cast<uint64_t>(Extension::kContainerEnd)) {
    ok = is_event = container_end(event);
  }
  end_ = whole_end;
  if (!ok) return Taken::kDamage;
  at_ = end;  // later versions may append
  if (!is_event) return Taken::kNothing;
  event.tag = Tag::kExtension;
  event.extension = static_cast<Extension>(kind);
  event.tid = tid_;
  return Taken::kEvent;
}

bool EventDecoder::container_name(const uint8_t* end) {
  uint64_t slot = 0, type_bytes = 0;
  if (!number(slot) || slot == 0 || slot > kContainerNames || !number(type_bytes) ||
      type_bytes > static_cast<size_t>(end - at_)) {
    return false;
  }
  Name& name = names_[slot];
  name.type = reinterpret_cast<const char*>(at_);
  name.type_bytes = static_cast<uint32_t>(type_bytes);
  name.name = name.type + type_bytes;
  name.name_bytes = static_cast<uint32_t>(static_cast<size_t>(end - at_) - type_bytes);
  return true;
}

bool EventDecoder::use_name(Event& event) {
  uint64_t since = 0, slot = 0;
  if (!number(since) || !number(slot) || slot > kContainerNames) return false;
  const Name& name = names_[slot];
  if (slot != 0 && name.type == nullptr) return false;
  event.ticks = ticks_ + (since << shift_);
  event.type = name.type;
  event.type_bytes = name.type_bytes;
  event.name = name.name;
  event.name_bytes = name.name_bytes;
  return true;
}

bool EventDecoder::container_growth(Event& event) {
  uint64_t stack = 0;
  if (!use_name(event) || !number(event.address) || !number(stack) || stack > UINT32_MAX) {
    return false;
  }
  event.stack = static_cast<uint32_t>(stack);
  ContainerGrowth& c = event.container;
  for (uint64_t* n : {&c.kind, &c.cause, &c.depth, &c.bytes_before, &c.bytes_after, &c.capacity,
                      &c.elements, &c.moved, &c.element_bytes, &c.duration_ns}) {
    if (!number(*n)) return false;
  }
  return true;
}

bool EventDecoder::container_end(Event& event) { return use_name(event) && number(event.size); }

bool EventDecoder::next(Event& event) {
  if (damaged_) return false;
  while (at_ < end_) {
    const uint8_t* start = at_;
    const auto tag = static_cast<Tag>(*at_);
    if (tag == Tag::kEnd) return false;
    ++at_;
    uint64_t dt = 0, dp = 0, a = 0, b = 0;
    bool ok = true;
    event.size = event.old_address = event.old_size = event.duration = event.unused = 0;
    event.stack = 0;
    event.name = nullptr;
    event.name_bytes = 0;
    switch (tag) {
      case Tag::kUnused:
        if (number(unused_)) continue;
        ok = false;
        break;
      case Tag::kThread:
        ok = number(a) && number(b) && b <= UINT32_MAX;
        if (ok) {
          ticks_ = a;
          tid_ = static_cast<uint32_t>(b);
          continue;
        }
        break;
      case Tag::kThreadName:
        ok = number(a) && number(b) && a <= UINT32_MAX && b <= 64 &&
             b <= static_cast<size_t>(end_ - at_);
        if (ok) {
          event.tag = tag;
          event.tid = static_cast<uint32_t>(a);
          event.ticks = ticks_;
          event.name = reinterpret_cast<const char*>(at_);
          event.name_bytes = static_cast<uint32_t>(b);
          at_ += b;
          return true;
        }
        break;
      case Tag::kExtension: {
        const Taken taken = extension(event);
        if (taken == Taken::kEvent) return true;
        if (taken == Taken::kNothing) continue;
        ok = false;
        break;
      }
      case Tag::kAlloc:
      case Tag::kAllocZeroed:
      case Tag::kAllocPainted:
      case Tag::kAllocFull:
      case Tag::kMap:
        ok = number(dt) && number(dp) && number(event.size) && number(a);
        break;
      case Tag::kFree:
        ok = number(dt) && number(dp);
        break;
      case Tag::kFreeContent:
      case Tag::kFreeSize:
      case Tag::kFreeUnchecked:
        ok = number(dt) && number(dp) && number(a);
        break;
      case Tag::kUnmap:
        ok = number(dt) && number(dp) && number(event.size);
        break;
      case Tag::kRealloc:
      case Tag::kReallocFull:
        ok = number(dt) && number(dp) && number(event.size) && number(a) && number(b) &&
             number(event.duration);
        break;
      case Tag::kRemap:
        ok = number(dt) && number(dp) && number(event.size) && number(a) && number(b) &&
             number(event.old_size) && number(event.duration);
        break;
      default:
        ok = false;
    }
    if (!ok || a > UINT32_MAX) {
      at_ = start;
      damaged_ = true;
      return false;
    }
    ticks_ += dt << shift_;
    address_ += unzigzag(dp) << 3;
    event.tag = tag;
    event.tid = tid_;
    event.ticks = ticks_;
    event.address = address_;
    event.stack = static_cast<uint32_t>(a);
    event.duration <<= shift_;
    if (b != 0) event.old_address = address_ + (unzigzag(b - 1) << 3);
    if (tag == Tag::kFree || tag == Tag::kFreeContent || tag == Tag::kFreeSize ||
        tag == Tag::kFreeUnchecked) {
      event.unused = unused_;
      unused_ = 0;
    }
    return true;
  }
  return false;
}

}  // namespace ullage::record

// SPDX-License-Identifier: Apache-2.0
#include "record/event.h"

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

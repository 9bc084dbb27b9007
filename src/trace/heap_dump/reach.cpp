// SPDX-License-Identifier: Apache-2.0
#include "trace/heap_dump/reach.h"

#include <algorithm>

namespace ullage::trace::heap_dump {
namespace {

// Largest object of the allocator's size classes; above it sizes are whole pages.
constexpr std::uint64_t kSmallBytesMax = 32768;
constexpr std::uint64_t kPageBytes = 8192;

// Bytes at the end of an object that its array may leave over: size classes waste at most an
// eighth.
std::uint64_t rounding(std::uint64_t size) {
  return size > kSmallBytesMax ? kPageBytes : size / 8 + 16;
}

// Sizes of an element that are tried for one alignment.
constexpr std::uint64_t kTriesMax = 4096;
// At the beginning of an object a bare pointer beside two small numbers would do for a slice of a
// few large elements. Larger ones than this are believed only where the offset confirms them.
constexpr std::uint64_t kUnconfirmedElementMax = 256;

// The element that makes `cap` of them end where the object does; 0: none does. Of several that
// would, the best aligned, and of these the largest.
std::uint64_t element_of(const Target& t, std::uint64_t offset, std::uint64_t cap) {
  const std::uint64_t room = t.size - offset;
  std::uint64_t largest = room / cap;
  const std::uint64_t least = room - std::min(room, rounding(t.size) - 1);
  const std::uint64_t smallest = std::max<std::uint64_t>(least / cap + (least % cap != 0), 1);
  if (offset == 0) largest = std::min(largest, kUnconfirmedElementMax);
  for (std::uint64_t align = t.word_bytes; align > 0; align /= 2) {
    std::uint64_t tries = 0;
    for (std::uint64_t e = largest / align * align; e >= smallest && tries < kTriesMax;
         e -= align, ++tries) {
      if (offset % e == 0) return e;
    }
    if (t.has_pointers) break;  // such elements are whole words
  }
  return 0;
}

}  // namespace

Reach reach_of(const Target& t, const Header& h) {
  if (!h.has_second || h.offset >= t.size) return {};
  const std::uint64_t room = t.size - h.offset, len = h.second, cap = h.third;
  if (h.has_third && len <= cap && cap > 0 && cap <= room) {
    const std::uint64_t element = element_of(t, h.offset, cap);
    if (element != 0) {
      // An emptied buffer that waits to be filled again is no view of a part.
      if (len == 0 && h.offset == 0) return {};
      return {false, h.offset, len * element, cap * element, element, false};
    }
    if (h.offset == 0 || t.has_pointers) return {};
    return {false, h.offset, len, cap, 1, false};
  }
  if (h.offset == 0 || t.has_pointers || len == 0 || len > room) return {};
  return {false, h.offset, len, len, 1, true};
}

}  // namespace ullage::trace::heap_dump

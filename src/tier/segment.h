// SPDX-License-Identifier: Apache-2.0
#pragma once

// Segment: a small hash table, one piece of a larger one: all keys whose hash begins alike.
//
//   | header 128 B | refs: G x 64 B | sketch: G x 64 B | ranks: G x 32 B | tags: G x 16 B |
//
// G groups of 15 slots. A slot is a tag (8 bits of the hash), a reference to the entry's cell and a
// rank (ranks.h). One compare of 16 bytes finds a key's candidates in a group; the sixteenth byte
// counts keys that went on to a later group because this one was full, so a search knows where to
// stop and erasing leaves nothing behind (Folly's F14; 255 sticks until the next rebuild).
//
// The home group is the hash's bits after the segment's own, scaled to G: groups are in the order
// of the hash. That is what scans go by, and why a segment may have any number of groups.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tier/heap.h"
#include "tier/ranks.h"
#include "tier/sketch.h"

namespace ullage::tier {

// Bits of a hash that place it: 16..63.
inline constexpr unsigned kPlaceBits = 48;
inline constexpr std::uint64_t kPlaceEnd = std::uint64_t{1} << kPlaceBits;
inline std::uint64_t place_of(std::uint64_t hash) noexcept { return hash >> 16; }

inline constexpr unsigned kSlots = 15;  // of a group
inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

struct alignas(64) Segment {
  std::uint32_t mark;  // bit 0: this cell lives (Heap)
  std::uint16_t groups;
  std::uint8_t size;   // which of kSegmentBytes
  std::uint8_t depth;  // leading bits of the place that all its keys share
  std::uint32_t entries, limit;
  std::uint64_t first;        // the least place it is for
  std::uint64_t earliest_ms;  // no entry expires before; kNever
  std::uint32_t expiring;     // entries with an expiry
  std::uint8_t table;         // whose it is
  std::uint32_t era;          // of the clock that its ranks are of
  Ranks ranks;
  std::byte padding[128 - 44 - sizeof(Ranks) - 4];

  static unsigned groups_in(unsigned size) noexcept { return (kSegmentBytes[size] - 128) / 176; }

  std::byte* base() noexcept { return reinterpret_cast<std::byte*>(this); }
  Ref* refs(unsigned group) noexcept {
    return reinterpret_cast<Ref*>(base() + 128 + group * std::size_t{64});
  }
  std::uint64_t* sketch(unsigned group) noexcept {
    return reinterpret_cast<std::uint64_t*>(base() + 128 + (groups + group) * std::size_t{64});
  }
  std::uint16_t* words(unsigned group) noexcept {
    return reinterpret_cast<std::uint16_t*>(base() + 128 + groups * std::size_t{128} +
                                            group * std::size_t{32});
  }
  std::uint8_t* tags(unsigned group) noexcept {
    return reinterpret_cast<std::uint8_t*>(base() + 128 + groups * std::size_t{160} +
                                           group * std::size_t{16});
  }
  // Ranks by slot number: 16 to a group, the last of them free for ever.
  std::span<std::uint16_t> all_words() noexcept { return {words(0), groups * std::size_t{16}}; }
  Ref& ref(std::size_t slot) noexcept { return refs(static_cast<unsigned>(slot / 16))[slot % 16]; }

  std::uint64_t end() const noexcept { return first + (kPlaceEnd >> depth); }
  unsigned home(std::uint64_t place) const noexcept {
    const std::uint64_t rest = place << depth & (kPlaceEnd - 1);
    return static_cast<unsigned>((rest >> 16) * groups >> 32);
  }
  // The least place whose home is `group`; end() for the one behind the last.
  std::uint64_t first_of(unsigned group) const noexcept {
    if (group >= groups) return end();
    const std::uint64_t top = ((std::uint64_t{group} << 32) + groups - 1) / groups;
    return first + (((top << 16) + (std::uint64_t{1} << depth) - 1) >> depth);
  }

  void begin(unsigned kind, unsigned of_table, std::uint64_t first_place, unsigned shared_bits,
             RankTotals* totals, std::uint32_t clock_era) noexcept;
  // Where an entry with this hash goes: there is room. Returns the slot.
  std::size_t add(std::uint64_t hash, Ref ref) noexcept;
  void remove(std::size_t slot, std::uint64_t hash) noexcept;
  unsigned next(unsigned group) const noexcept { return group + 1u == groups ? 0 : group + 1u; }
};
static_assert(sizeof(Segment) == 128, "the drawing above is the layout");

inline std::uint8_t tag_of(std::uint64_t hash) noexcept {
  const auto tag = static_cast<std::uint8_t>(hash);
  return tag == 0 ? 1 : tag;
}

// Bit i: slot i of the group has this tag (0: is free).
inline unsigned match(const std::uint8_t* tags, std::uint8_t tag) noexcept {
#if defined(__SSE2__)
  const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
  const __m128i equal = _mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(tag)));
  return static_cast<unsigned>(_mm_movemask_epi8(equal)) & 0x7fffu;
#else
  unsigned bits = 0;
  for (unsigned i = 0; i < kSlots; ++i) bits |= (tags[i] == tag ? 1u : 0u) << i;
  return bits;
#endif
}

inline void Segment::begin(unsigned kind, unsigned of_table, std::uint64_t first_place,
                           unsigned shared_bits, RankTotals* totals,
                           std::uint32_t clock_era) noexcept {
  std::memset(base(), 0, sizeof(Segment));
  mark = 1;
  size = static_cast<std::uint8_t>(kind);
  groups = static_cast<std::uint16_t>(groups_in(kind));
  depth = static_cast<std::uint8_t>(shared_bits);
  table = static_cast<std::uint8_t>(of_table);
  // One group may be filled whole: there is nothing to probe.
  limit = groups == 1 ? kSlots : groups * kSlots * 7u / 8u;
  first = first_place;
  earliest_ms = kNever;
  era = clock_era;
  ranks.totals = totals;
  std::memset(sketch(0), 0, groups * sketch::kBlockBytes);
  std::memset(words(0), 0xff, groups * std::size_t{32});
  std::memset(tags(0), 0, groups * std::size_t{16});
}

inline std::size_t Segment::add(std::uint64_t hash, Ref reference) noexcept {
  unsigned group = home(place_of(hash));
  for (;; group = next(group)) {
    std::uint8_t* t = tags(group);
    const unsigned free = match(t, 0);
    if (free != 0) {
      const auto i = static_cast<unsigned>(std::countr_zero(free));
      t[i] = tag_of(hash);
      refs(group)[i] = reference;
      ++entries;
      return group * std::size_t{16} + i;
    }
    if (t[kSlots] != 255) ++t[kSlots];
  }
}

inline void Segment::remove(std::size_t slot, std::uint64_t hash) noexcept {
  const auto group = static_cast<unsigned>(slot / 16);
  tags(group)[slot % 16] = 0;
  --entries;
  for (unsigned g = home(place_of(hash)); g != group; g = next(g)) {
    std::uint8_t& passed = tags(g)[kSlots];
    if (passed != 255) --passed;
  }
}

}  // namespace ullage::tier

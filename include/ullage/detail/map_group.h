// SPDX-License-Identifier: Apache-2.0
//
// map_group: fifteen slots and the sixteen bytes that say what is in them. One compare finds a
// key's candidates (Abseil's "Swiss table", 2017; fifteen slots and an overflow byte as in
// Boost.Unordered).
//
//   | tags: 15 x 1 B, 0 = empty | overflow: 1 B |         slots: 15
//
// Bit t of the overflow byte: some key whose hash ends in t was placed in a later group because
// this one was full. A search stops at the first group whose bit is clear.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ullage::detail {

inline constexpr unsigned kGroupSlots = 15;
inline constexpr std::size_t kMetaBytes = 16;
inline constexpr unsigned kSlotMask = 0x7fff;  // one bit per slot

/// Tags by the low byte of a hash: itself, but never 0, which means "empty"; four times over, so
/// that a vector can be filled from it.
struct tag_table {
  std::uint32_t words[256] = {};
  constexpr tag_table() noexcept {
    for (std::uint32_t low = 0; low < 256; ++low) words[low] = (low == 0 ? 1 : low) * 0x01010101u;
  }
};
inline constexpr tag_table kTags{};
inline std::uint32_t tag_word(std::uint64_t hash) noexcept {
  return kTags.words[static_cast<std::uint8_t>(hash)];
}
inline std::uint8_t tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint8_t>(tag_word(hash));
}

#if defined(__SSE2__)

inline unsigned match_vector(const unsigned char* meta, __m128i wanted) noexcept {
  const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(meta));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted))) & kSlotMask;
}
inline unsigned match_tag(const unsigned char* meta, std::uint32_t word) noexcept {
  return match_vector(meta, _mm_set1_epi32(static_cast<int>(word)));
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

inline unsigned match_tag(const unsigned char* meta, std::uint32_t word) noexcept {
  const uint8x16_t equal = vceqq_u8(vld1q_u8(meta), vreinterpretq_u8_u32(vdupq_n_u32(word)));
  static constexpr std::uint8_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                             1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t bits = vandq_u8(equal, vld1q_u8(kBits));
  const unsigned low = vaddv_u8(vget_low_u8(bits));
  const unsigned high = vaddv_u8(vget_high_u8(bits));
  return (low | high << 8) & kSlotMask;
}

#else

inline unsigned match_tag(const unsigned char* meta, std::uint32_t word) noexcept {
  const auto tag = static_cast<unsigned char>(word);
  unsigned found = 0;
  for (unsigned i = 0; i < kGroupSlots; ++i) found |= unsigned{meta[i] == tag} << i;
  return found;
}

#endif

/// Which slots hold an entry whose hash ends as this one does.
inline unsigned match_hash(const unsigned char* meta, std::uint64_t hash) noexcept {
#if defined(__AVX__)  // the load fills the vector
  const auto* word = reinterpret_cast<const float*>(&kTags.words[static_cast<std::uint8_t>(hash)]);
  return match_vector(meta, _mm_castps_si128(_mm_broadcast_ss(word)));
#else
  return match_tag(meta, tag_word(hash));
#endif
}
/// Which slots of a group are free.
inline unsigned free_slots(const unsigned char* meta) noexcept { return match_tag(meta, 0); }
/// Which slots of a group hold an entry.
inline unsigned used_slots(const unsigned char* meta) noexcept {
  return match_tag(meta, 0) ^ kSlotMask;
}
/// True when a key with this hash may live in a later group.
inline bool overflowed(const unsigned char* meta, std::uint64_t hash) noexcept {
  return ((unsigned{meta[kGroupSlots]} >> (hash & 7u)) & 1u) != 0;
}
inline void mark_overflow(unsigned char* meta, std::uint64_t hash) noexcept {
  meta[kGroupSlots] = static_cast<unsigned char>(meta[kGroupSlots] | (1u << (hash & 7u)));
}
inline std::size_t lowest(unsigned bits) noexcept {
#if defined(__GNUC__)
  return static_cast<std::size_t>(static_cast<unsigned>(__builtin_ctz(bits)));
#else
  return static_cast<std::size_t>(std::countr_zero(bits));
#endif
}

/// Lanes: the first four directory bits are not fair. Lane i of 16 gets a share of the hashes that
/// falls from 1/11 to 1/22, so that segments of different lanes fill at different sizes of the map.
/// Growth then has no seasons: at every size some segments split, and what they free others take
/// up. (The shares are those of spiral storage: Martin, 1979.) Here is what to flip in four fair
/// bits, found by eight.
struct lane_table {
  std::uint8_t flips[256] = {};
  std::uint8_t shares[16] = {};  // of 256
  constexpr lane_table() noexcept {
    for (unsigned x = 0; x < 256; ++x) {
      const unsigned lane = 16 * x * (x + 512) / (3 * 256 * 256);  // y = x (x + 2) / 3 on [0, 1)
      flips[x] = static_cast<std::uint8_t>(lane ^ (x >> 4));
      ++shares[lane];
    }
  }
};
inline constexpr lane_table kLanes{};

/// What the directory is indexed with; of 64 bits 24 are used. Bits 8-15 choose the lane, the rest
/// is fair.
inline std::uint64_t directory_bits(std::uint64_t hash) noexcept {
  return std::rotr(hash, 12) ^ kLanes.flips[static_cast<std::uint8_t>(hash >> 8)];
}

/// One of them. Those above the lanes' are as in the hash: a loop over them is one of shifts.
inline unsigned directory_bit(std::uint64_t hash, unsigned bit) noexcept {
  return static_cast<unsigned>((bit < 4 ? directory_bits(hash) : hash >> 12) >> bit) & 1u;
}

/// The share of all hashes that a segment answers for.
inline double share_of(std::size_t index, unsigned depth) noexcept {
  if (depth >= 4) {
    return static_cast<double>(kLanes.shares[index & 15]) /
           static_cast<double>(std::size_t{256} << (depth - 4));
  }
  double share = 0;
  for (std::size_t lane = index; lane < 16; lane += std::size_t{1} << depth) {
    share += static_cast<double>(kLanes.shares[lane]) / 256;
  }
  return share;
}

/// Home group of a hash among `groups`: its upper 16 bits, scaled (Lemire, 2016). Monotone, so that
/// a segment that gets more groups keeps its entries in order.
inline std::size_t home_of(std::uint64_t hash, std::size_t groups) noexcept {
  return static_cast<std::size_t>((hash >> 48) * groups >> 16);
}
/// The same in bytes of tags, for a segment of `units` with 2^16 >> shift bytes each.
inline std::size_t home_offset(std::uint64_t hash, std::uint32_t units,
                               std::uint32_t shift) noexcept {
  return static_cast<std::uint32_t>(hash >> 48) * units >> shift & ~std::uint32_t{kMetaBytes - 1};
}

/// Directory entries from which on a map is taken to be larger than the caches.
inline constexpr std::size_t kFarEntries = 1024;

/// What an empty map searches: a group that holds nothing.
alignas(64) inline constexpr unsigned char kEmptyMeta[kMetaBytes] = {};

/// Where the bytes of a group lie, and how many groups a segment has, for slots of this form.
template <std::size_t SlotBytes, std::size_t SlotAlign>
struct map_shape {
  static constexpr std::size_t round_up(std::size_t n, std::size_t to) {
    return (n + to - 1) / to * to;
  }
  static constexpr std::size_t kAlign = SlotAlign > 16 ? SlotAlign : 16;
  static constexpr std::size_t kStride = kMetaBytes;  // from the tags of a group to the next
  static constexpr std::size_t kGroupBytes = kGroupSlots * SlotBytes;  // from its slots to the next
  static constexpr std::size_t slots_at(std::size_t groups) {
    return round_up(groups * kMetaBytes, SlotAlign);
  }
  static constexpr std::size_t bytes(std::size_t groups) {
    return slots_at(groups) + groups * kGroupBytes;
  }
  // Where slot j lies of the group whose tags lie at `off`, in bytes from where both begin.
  static constexpr std::size_t slot_offset(std::size_t off, std::size_t j) {
    if constexpr (SlotBytes % kMetaBytes == 0) {  // 15 off + 16 j, in few instructions
      return ((off + j) * kMetaBytes - off) * (SlotBytes / kMetaBytes);
    } else {
      return (off / kMetaBytes * kGroupSlots + j) * SlotBytes;
    }
  }

  // In a map that the caches don't hold, an entry prefers the cache line of its slot that four bits
  // of the hash name: a search asks for that line while it waits for the tags. Nine in ten entries
  // find room there.
  static constexpr bool kPrefersLine = SlotBytes == 8 || SlotBytes == 16 || SlotBytes == 32;
  static constexpr std::size_t preferred_slot(std::uint64_t hash) { return (hash >> 44) & 15; }
  /// One of the open slots of a group, in the preferred line if it can be.
  static std::size_t pick(unsigned open, const unsigned char* slots, std::uint64_t hash) noexcept {
    if constexpr (kPrefersLine) {
      constexpr unsigned kPerLine = 64 / SlotBytes, kInLine = (1u << kPerLine) - 1;
      // The group's first line may begin before the group does: by so many slots.
      const auto before =
          static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(slots) / SlotBytes) % kPerLine;
      const unsigned line =
          (static_cast<unsigned>(preferred_slot(hash)) + before) & ~(kPerLine - 1);
      const unsigned near = open & (kInLine << (line + kPerLine - before) >> kPerLine);
      if (near != 0) return lowest(near);
    }
    return lowest(open);
  }

  // Slots of a map's first allocation, of 15, 7, 3 or 1: as many as fit 256 bytes. With fewer, ten
  // entries of 16 bytes would be allocated three times and moved twice.
  static constexpr std::size_t kFirstBytesMax = 256;
  static constexpr std::size_t kFirst = [] {
    std::size_t slots = kGroupSlots;
    while (slots > 1 && slots * SlotBytes > kFirstBytesMax) slots /= 2;
    return slots;
  }();

  // Bytes of slots in a full segment, at most: what one insert may have to move. 40 KiB keeps a
  // split near 20 us, whatever a slot weighs; a string and a word just fit 64 groups.
  static constexpr std::size_t kSegmentBytesMax = std::size_t{40} * 1024;
  // Groups in a full segment: 64 for slots of up to 42 bytes; fewer for larger ones; never fewer
  // than 4. A power of two.
  static constexpr std::size_t kGroupsMax =
      std::clamp(std::bit_floor(kSegmentBytesMax / (kGroupSlots * SlotBytes)), std::size_t{4},
                 std::size_t{64});
  // A segment has three units or four: 48 groups, 64. Then it splits into two of three.
  static constexpr std::size_t kUnit = kGroupsMax / 4;
  static constexpr unsigned kUnitsMin = 3, kUnitsMax = 4;
  static constexpr std::size_t kBase = kUnitsMin * kUnit;
  static constexpr std::size_t kSlotsMax = kGroupsMax * kGroupSlots;

  static constexpr std::size_t groups_of(unsigned units) { return units * kUnit; }
  // Of so many erasures by key one has its segment looked at, which costs as much as counting it.
  // Each segment is thus looked at some five times while its entries change once: as promptly as it
  // would grow, else growing would win.
  static constexpr std::size_t kErasedPerLook = kSlotsMax / 8;
  // Entries at which a segment (or a small map) of this many groups gets more room: 9/10. There 7 %
  // of the entries are away from home.
  static constexpr std::size_t limit_of(std::size_t groups) {
    return groups * kGroupSlots * 9 / 10;
  }
};

}  // namespace ullage::detail

// SPDX-License-Identifier: Apache-2.0
//
// map_group: fifteen slots and the sixteen bytes that say what is in them. One compare finds a
// key's candidates (Abseil's "Swiss table", 2017; fifteen slots and an overflow byte as in
// Boost.Unordered).
//
//   | tags: 15 x 1 B, 0 = empty | overflow: 1 B |         slots: 15
//
// Bit t of the overflow byte: some key whose tag ends in t was placed in a later group because this
// one was full. A search stops at the first group whose bit is clear.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ullage::detail {

inline constexpr unsigned kGroupSlots = 15;
inline constexpr std::size_t kMetaBytes = 16;
inline constexpr unsigned kSlotMask = 0x7fff;  // one bit per slot

/// The tag of a hash: never 0, which means "empty".
inline std::uint8_t tag_of(std::uint64_t hash) noexcept {
  const auto low = static_cast<std::uint8_t>(hash);
  return static_cast<std::uint8_t>(low + (low == 0 ? 1 : 0));
}

#if defined(__SSE2__)

inline unsigned match_tag(const unsigned char* meta, std::uint8_t tag) noexcept {
  const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(meta));
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted))) & kSlotMask;
}

#elif defined(__ARM_NEON) && defined(__aarch64__)

inline unsigned match_tag(const unsigned char* meta, std::uint8_t tag) noexcept {
  const uint8x16_t equal = vceqq_u8(vld1q_u8(meta), vdupq_n_u8(tag));
  static constexpr std::uint8_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                             1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t bits = vandq_u8(equal, vld1q_u8(kBits));
  const unsigned low = vaddv_u8(vget_low_u8(bits));
  const unsigned high = vaddv_u8(vget_high_u8(bits));
  return (low | high << 8) & kSlotMask;
}

#else

inline unsigned match_tag(const unsigned char* meta, std::uint8_t tag) noexcept {
  unsigned found = 0;
  for (unsigned i = 0; i < kGroupSlots; ++i) found |= unsigned{meta[i] == tag} << i;
  return found;
}

#endif

/// Which slots of a group are free.
inline unsigned free_slots(const unsigned char* meta) noexcept { return match_tag(meta, 0); }
/// Which slots of a group hold an entry.
inline unsigned used_slots(const unsigned char* meta) noexcept {
  return match_tag(meta, 0) ^ kSlotMask;
}
/// True when a key with `tag` may live in a later group.
inline bool overflowed(const unsigned char* meta, std::uint8_t tag) noexcept {
  return ((unsigned{meta[kGroupSlots]} >> (tag & 7u)) & 1u) != 0;
}
inline void mark_overflow(unsigned char* meta, std::uint8_t tag) noexcept {
  meta[kGroupSlots] = static_cast<unsigned char>(meta[kGroupSlots] | (1u << (tag & 7u)));
}
inline unsigned lowest(unsigned bits) noexcept {
  return static_cast<unsigned>(std::countr_zero(bits));
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
  return (hash >> 12) ^ kLanes.flips[static_cast<std::uint8_t>(hash >> 8)];
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

/// Home group of a hash among `groups`: its upper half, scaled (Lemire, 2016). Monotone, so that a
/// segment that gets more groups keeps its entries in order.
inline std::size_t home_of(std::uint64_t hash, std::size_t groups) noexcept {
  return static_cast<std::size_t>(((hash >> 32) * groups) >> 32);
}

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

  // Bytes of slots in a full segment, at most: what one insert may have to move. 32 KiB keeps a
  // split near 20 us, whatever a slot weighs.
  static constexpr std::size_t kSegmentBytesMax = std::size_t{32} * 1024;
  // Groups in a full segment: 64 for 16-byte slots; fewer for larger ones; never fewer than 4.
  static constexpr std::size_t kGroupsMax = [] {
    const std::size_t fit = kSegmentBytesMax / (kGroupSlots * SlotBytes);
    if (fit >= 64) return std::size_t{64};
    if (fit >= 16) return fit / 16 * 16;
    return fit >= 8 ? std::size_t{8} : std::size_t{4};
  }();
  // A segment has base, base + step or base + 2 step groups: 40, 52, 64. Then it splits into two of
  // 40.
  static constexpr std::size_t kStep = kGroupsMax >= 16 ? kGroupsMax / 16 * 3 : kGroupsMax / 4;
  static constexpr std::size_t kBase = kGroupsMax - 2 * kStep;
  static constexpr std::size_t kSlotsMax = kGroupsMax * kGroupSlots;

  static constexpr std::size_t groups_of(unsigned code) { return kBase - kStep + kStep * code; }
  // Entries at which a segment (or a small map) of this many groups gets more room: 7/8.
  static constexpr std::size_t limit_of(std::size_t groups) { return groups * kGroupSlots * 7 / 8; }
};

}  // namespace ullage::detail

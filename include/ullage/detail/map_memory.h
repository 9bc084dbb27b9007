// SPDX-License-Identifier: Apache-2.0
//
// map_memory: how a map takes memory. Segments come from the process's arena and have numbers, or
// from the map's allocator and have addresses; everything else comes from the allocator.
#pragma once

#include <ullage/detail/map_group.h>
#include <ullage/detail/segment_arena.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace ullage {

/// The default allocator of maps: small blocks from operator new, segments from the process's
/// arena. Any other allocator is used for everything.
template <class T>
class arena_allocator : public std::allocator<T> {
 public:
  using value_type = T;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;
  template <class U>
  struct rebind {
    using other = arena_allocator<U>;
  };
  constexpr arena_allocator() noexcept = default;
  template <class U>
  constexpr arena_allocator(const arena_allocator<U>&) noexcept {}
  template <class U>
  friend constexpr bool operator==(const arena_allocator&, const arena_allocator<U>&) noexcept {
    return true;
  }
};

namespace detail {

template <class Alloc>
struct is_arena_allocator : std::false_type {};
template <class T>
struct is_arena_allocator<arena_allocator<T>> : std::true_type {};

// Thirty-two bits of address space are too few to reserve: there all memory is the allocator's.
#if defined(__unix__)
inline constexpr bool kHaveArena = sizeof(void*) >= 8;
#else
inline constexpr bool kHaveArena = false;
#endif

/// Raw bytes from an allocator.
template <class Alloc, std::size_t Align>
struct raw_memory {
  struct alignas(Align) unit {
    unsigned char bytes[Align];
  };
  using unit_allocator = typename std::allocator_traits<Alloc>::template rebind_alloc<unit>;
  using unit_traits = std::allocator_traits<unit_allocator>;
  static_assert(std::is_same_v<typename unit_traits::pointer, unit*>,
                "maps need an allocator with plain pointers");

  static constexpr std::size_t units(std::size_t bytes) { return (bytes + Align - 1) / Align; }
  static constexpr std::size_t rounded(std::size_t bytes) { return units(bytes) * Align; }

  static unsigned char* get(const Alloc& alloc, std::size_t bytes) {
    unit_allocator from(alloc);
    return reinterpret_cast<unsigned char*>(unit_traits::allocate(from, units(bytes)));
  }
  static void put(const Alloc& alloc, void* at, std::size_t bytes) noexcept {
    unit_allocator to(alloc);
    unit_traits::deallocate(to, static_cast<unit*>(at), units(bytes));
  }
};

/// Where the segments of a map are. A directory's entry says which units, and how many: 0 in
/// kUnitsMask means "look closer" (no segment, or a chain).
///
struct group_origin {
  unsigned char* tags;
  unsigned char* slots;
  std::size_t first;  // bytes of tags before the segment's
};

/// arena_space: units of the process's arena, by number. The tags, slots and head of a segment lie
/// in three ranges.
template <class Shape, class Raw, class Alloc>
struct arena_space {
  using entry = std::uint32_t;
  static constexpr entry kUnitsMask = 7;
  static constexpr std::size_t kTagUnit = Shape::kUnit * kMetaBytes;
  static constexpr std::size_t kSlotUnit = Shape::kUnit * Shape::kGroupBytes;
  static constexpr std::size_t kHeadUnit = segment_arena::kHeadBytes;
  static_assert(segment_arena::kUnitsMax == Shape::kUnitsMax);

  static segment_arena& arena() noexcept { return segment_arena::of<kTagUnit, kSlotUnit>(); }

  // What entries count from; the map keeps both at hand.
  static unsigned char* tags_origin() noexcept { return arena().tags(); }
  static unsigned char* slots_origin() noexcept { return arena().slots(); }

  // An entry is the distance of its tags from the first, in eighths where units are large enough
  // for that: one instruction less for each lookup.
  static constexpr std::size_t kScale = kTagUnit % 64 == 0 ? 8 : kTagUnit / 8;
  static_assert(segment_arena::kUnitsReach <= (std::uint64_t{1} << 32) / (kTagUnit / kScale));
  static std::size_t offset(entry e) noexcept { return std::size_t{e & ~kUnitsMask} * kScale; }
  static unsigned char* tags(unsigned char* origin, entry e) noexcept { return origin + offset(e); }
  static entry name(unsigned char* origin, const unsigned char* tags, unsigned units) noexcept {
    return static_cast<entry>(static_cast<std::size_t>(tags - origin) / kScale) | units;
  }
  // Slots of a group of a segment, from its tags.
  static unsigned char* slots(unsigned char* tags0, unsigned char* slots0, unsigned char*,
                              std::size_t, const unsigned char* group) noexcept {
    return slots0 + Shape::slot_offset(static_cast<std::size_t>(group - tags0), 0);
  }
  // For lookups: what offsets of groups count from, and the offset of the segment's first.
  static group_origin open(unsigned char* tags0, unsigned char* slots0, entry e,
                           std::size_t) noexcept {
    return {tags0, slots0, offset(e)};
  }
  // The head of the segment whose tags end here.
  static void* head(unsigned char* tags0, const unsigned char* end, unsigned char*) noexcept {
    return arena().heads() + number(tags0, end) * kHeadUnit - kHeadMost;
  }
  // Of a segment of full size, by its head.
  static unsigned char* tags_of_full(unsigned char* tags0, const void* head) noexcept {
    const auto off = static_cast<std::size_t>(static_cast<const unsigned char*>(head) + kHeadMost -
                                              arena().heads());
    return tags0 + (off / kHeadUnit - Shape::kUnitsMax) * kTagUnit;
  }
  static constexpr std::size_t kHeadMost = Shape::kUnitsMin * kHeadUnit;

  static unsigned char* get(unsigned char* tags0, const Alloc&, unsigned units) {
    const std::uint32_t first = arena().get(units);
    if (first == segment_arena::kNone) throw std::bad_alloc();
    return tags0 + first * kTagUnit;
  }
  static void put(unsigned char* tags0, const Alloc&, unsigned char* tags,
                  unsigned units) noexcept {
    arena().put(static_cast<std::uint32_t>(number(tags0, tags)), units);
  }
  static constexpr std::size_t held(unsigned units) {
    return units * (kTagUnit + kSlotUnit + kHeadUnit);
  }

 private:
  static std::size_t number(const unsigned char* origin, const unsigned char* tags) noexcept {
    return static_cast<std::size_t>(tags - origin) / kTagUnit;
  }
};

/// block_space: one block of the map's allocator for each segment, by address:
/// | tags | slots | head |
template <class Shape, class Raw, class Alloc>
struct block_space {
  using entry = std::uintptr_t;
  static constexpr entry kUnitsMask = 7;
  static_assert(Shape::kAlign >= 8);

  static unsigned char* tags_origin() noexcept { return nullptr; }
  static unsigned char* slots_origin() noexcept { return nullptr; }

  static unsigned char* tags(unsigned char*, entry e) noexcept {
    return reinterpret_cast<unsigned char*>(e & ~kUnitsMask);
  }
  static entry name(unsigned char*, const unsigned char* tags, unsigned units) noexcept {
    return reinterpret_cast<entry>(tags) | units;
  }
  static unsigned char* slots(unsigned char*, unsigned char*, unsigned char* tags,
                              std::size_t groups, const unsigned char* group) noexcept {
    const auto g = static_cast<std::size_t>(group - tags) / kMetaBytes;
    return tags + Shape::slots_at(groups) + g * Shape::kGroupBytes;
  }
  static group_origin open(unsigned char*, unsigned char*, entry e,
                           std::size_t tag_bytes) noexcept {
    unsigned char* const base = tags(nullptr, e);
    return {base, base + Shape::slots_at(tag_bytes / kMetaBytes), 0};
  }
  static void* head(unsigned char*, const unsigned char*, unsigned char* slots_end) noexcept {
    const std::size_t odd = reinterpret_cast<std::uintptr_t>(slots_end) % kHeadAlign;
    return slots_end + (odd == 0 ? 0 : kHeadAlign - odd);
  }
  static unsigned char* tags_of_full(unsigned char*, const void* head) noexcept {
    return static_cast<unsigned char*>(const_cast<void*>(head)) - head_at(Shape::kUnitsMax);
  }

  static unsigned char* get(unsigned char*, const Alloc& alloc, unsigned units) {
    return Raw::get(alloc, head_at(units) + kHeadMost);
  }
  static void put(unsigned char*, const Alloc& alloc, unsigned char* tags,
                  unsigned units) noexcept {
    Raw::put(alloc, tags, head_at(units) + kHeadMost);
  }
  static constexpr std::size_t held(unsigned units) {
    return Raw::rounded(head_at(units) + kHeadMost);
  }
  static constexpr std::size_t kHeadMost = 48;

 private:
  static constexpr std::size_t kHeadAlign = 8;
  static constexpr std::size_t head_at(unsigned units) {
    return Shape::round_up(Shape::bytes(Shape::groups_of(units)), kHeadAlign);
  }
};

}  // namespace detail
}  // namespace ullage

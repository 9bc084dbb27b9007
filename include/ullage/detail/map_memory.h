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

/// For lookups: what offsets of groups count from.
struct group_origin {
  unsigned char* tags;
  unsigned char* slots;
  std::size_t first;  // bytes of tags before the segment's
};

/// Where the segments of a map are; a map with a directory holds one. A directory's entry says
/// which units, and how many: 0 in kUnitsMask means "look closer" (no segment, or a chain).
///
/// arena_space: units of an arena, by number. The tags, slots and head of a segment lie in three
/// ranges. A process has one arena for each form of slot, or several where libraries keep what they
/// inline to themselves: a map stays in the arena that made it, whichever library's code runs.
template <class Shape, class Raw, class Alloc>
class arena_space {
 public:
  using entry = std::uint32_t;
  static constexpr entry kUnitsMask = 7;
  static constexpr std::size_t kTagUnit = Shape::kUnit * kMetaBytes;
  static constexpr std::size_t kSlotUnit = Shape::kUnit * Shape::kGroupBytes;
  static constexpr std::size_t kHeadUnit = segment_arena::kHeadBytes;
  static_assert(segment_arena::kUnitsMax == Shape::kUnitsMax);

  /// The one for maps that are made here.
  static segment_arena& arena() noexcept { return segment_arena::of<kTagUnit, kSlotUnit>(); }

  arena_space() noexcept
      : arena_(&arena()), tags_(arena_->tags()), slots_(arena_->slots()), heads_(arena_->heads()) {}

  // What entries count from; the map keeps both at hand.
  unsigned char* tags_origin() const noexcept { return tags_; }
  unsigned char* slots_origin() const noexcept { return slots_; }

  // An entry is the distance of its tags from the first, in eighths where units are large enough
  // for that: one instruction less for each lookup.
  static constexpr std::size_t kScale = kTagUnit % 64 == 0 ? 8 : kTagUnit / 8;
  static_assert(segment_arena::kUnitsReach <= (std::uint64_t{1} << 32) / (kTagUnit / kScale));
  static std::size_t offset(entry e) noexcept { return std::size_t{e & ~kUnitsMask} * kScale; }
  static entry name_from(unsigned char* origin, const unsigned char* tags,
                         unsigned units) noexcept {
    return static_cast<entry>(static_cast<std::size_t>(tags - origin) / kScale) | units;
  }
  entry name(const unsigned char* tags, unsigned units) const noexcept {
    return name_from(tags_, tags, units);
  }
  unsigned char* tags(entry e) const noexcept { return tags_ + offset(e); }
  // Slots of a group of a segment, from its tags.
  unsigned char* slots(unsigned char*, std::size_t, const unsigned char* group) const noexcept {
    return slots_ + Shape::slot_offset(static_cast<std::size_t>(group - tags_), 0);
  }
  // The offset of a segment's first group.
  static group_origin open(unsigned char* tags0, unsigned char* slots0, entry e,
                           std::size_t) noexcept {
    return {tags0, slots0, offset(e)};
  }
  // The head of the segment whose tags end here.
  void* head(const unsigned char* end, unsigned char*) const noexcept {
    return heads_ + number(end) * kHeadUnit - kHeadMost;
  }
  // Of a segment of full size, by its head.
  unsigned char* tags_of_full(const void* head) const noexcept {
    const auto off =
        static_cast<std::size_t>(static_cast<const unsigned char*>(head) + kHeadMost - heads_);
    return tags_ + (off / kHeadUnit - Shape::kUnitsMax) * kTagUnit;
  }
  static constexpr std::size_t kHeadMost = Shape::kUnitsMin * kHeadUnit;

  unsigned char* get(const Alloc&, unsigned units) const {
    const std::uint32_t first = arena_->get(units);
    if (first == segment_arena::kNone) throw std::bad_alloc();
    return tags_ + first * kTagUnit;
  }
  void put(const Alloc&, unsigned char* tags, unsigned units) const noexcept {
    arena_->put(static_cast<std::uint32_t>(number(tags)), units);
  }
  static constexpr std::size_t held(unsigned units) {
    return units * (kTagUnit + kSlotUnit + kHeadUnit);
  }
  /// Gives free segments' pages back to the system, about `work`. True: there is more to do.
  bool trim(std::size_t work) const noexcept { return arena_->trim(work); }
  /// For a map without any: those of the arena that its segments would be in.
  static bool trim_made(std::size_t work) noexcept {
    segment_arena* const made = segment_arena::made<kTagUnit, kSlotUnit>();
    return made != nullptr && made->trim(work);
  }

 private:
  std::size_t number(const unsigned char* tags) const noexcept {
    return static_cast<std::size_t>(tags - tags_) / kTagUnit;
  }

  segment_arena* arena_;
  unsigned char *tags_, *slots_, *heads_;
};

/// block_space: one block of the map's allocator for each segment, by address:
/// | tags | slots | head |
template <class Shape, class Raw, class Alloc>
class block_space {
 public:
  using entry = std::uintptr_t;
  static constexpr entry kUnitsMask = 7;
  static_assert(Shape::kAlign >= 8);

  static unsigned char* tags_origin() noexcept { return nullptr; }
  static unsigned char* slots_origin() noexcept { return nullptr; }

  static unsigned char* tags(entry e) noexcept {
    return reinterpret_cast<unsigned char*>(e & ~kUnitsMask);
  }
  static entry name(const unsigned char* tags, unsigned units) noexcept {
    return reinterpret_cast<entry>(tags) | units;
  }
  static entry name_from(unsigned char*, const unsigned char* tags, unsigned units) noexcept {
    return name(tags, units);
  }
  static unsigned char* slots(unsigned char* tags, std::size_t groups,
                              const unsigned char* group) noexcept {
    const auto g = static_cast<std::size_t>(group - tags) / kMetaBytes;
    return tags + Shape::slots_at(groups) + g * Shape::kGroupBytes;
  }
  static group_origin open(unsigned char*, unsigned char*, entry e,
                           std::size_t tag_bytes) noexcept {
    unsigned char* const base = tags(e);
    return {base, base + Shape::slots_at(tag_bytes / kMetaBytes), 0};
  }
  static void* head(const unsigned char*, unsigned char* slots_end) noexcept {
    const std::size_t odd = reinterpret_cast<std::uintptr_t>(slots_end) % kHeadAlign;
    return slots_end + (odd == 0 ? 0 : kHeadAlign - odd);
  }
  static unsigned char* tags_of_full(const void* head) noexcept {
    return static_cast<unsigned char*>(const_cast<void*>(head)) - head_at(Shape::kUnitsMax);
  }

  static unsigned char* get(const Alloc& alloc, unsigned units) {
    return Raw::get(alloc, head_at(units) + kHeadMost);
  }
  static void put(const Alloc& alloc, unsigned char* tags, unsigned units) noexcept {
    Raw::put(alloc, tags, head_at(units) + kHeadMost);
  }
  static constexpr std::size_t held(unsigned units) {
    return Raw::rounded(head_at(units) + kHeadMost);
  }
  static constexpr std::size_t kHeadMost = 48;
  // What an allocator does with what it gets back is its own affair.
  static bool trim(std::size_t) noexcept { return false; }
  static bool trim_made(std::size_t) noexcept { return false; }

 private:
  static constexpr std::size_t kHeadAlign = 8;
  static constexpr std::size_t head_at(unsigned units) {
    return Shape::round_up(Shape::bytes(Shape::groups_of(units)), kHeadAlign);
  }
};

}  // namespace detail
}  // namespace ullage

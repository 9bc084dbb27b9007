// SPDX-License-Identifier: Apache-2.0
//
// growth_policy: how much larger an array becomes when it is full. A policy is a type; vector and
// slice take one as a template argument. All of it is constexpr, so that what a program will do can
// be computed and asserted:
//
//   static_assert(ullage::growths_to<ullage::doubling>(1'000'000, 8) == 21);
//   static_assert(ullage::moves_to<ullage::go_growth>(1'000'000, 8) < 5 * 1'000'000);
//
//   policy           next capacity                                      moved per element, at most
//   doubling         twice                                              2
//   half_more        one and a half times                               3
//   go_growth        Go since 1.18: twice below 256, then + (c + 768)/4, 5
//                    rounded up to Go's size classes
//   go_growth_old    Go before: twice below 1024, then + c/4, likewise   5
//   exact            what is needed                                     not bounded
//   chunked<Bytes>   what is needed, rounded up to whole chunks         not bounded
//   in_place<>       doubles on the heap up to 64 KiB, then reserves    2, and in all no more than
//                    address space and never moves again                128 KiB of elements
//
// Write your own: a struct with a static constexpr next_capacity() and moves_per_element_max.
#pragma once

#include <ullage/detail/go_growth.h>

#include <concepts>
#include <cstddef>
#include <limits>

namespace ullage {

/// `next_capacity(capacity, needed, element_bytes)` gives the new capacity, in elements. It is
/// called with needed > capacity and element_bytes > 0, and returns at least `needed`; containers
/// clamp it to what they can hold. `moves_per_element_max` bounds moves_to(n) / n; 0 means that no
/// constant does.
template <class P>
concept growth_policy = requires(std::size_t n) {
  { P::next_capacity(n, n, n) }
  noexcept->std::same_as<std::size_t>;
  { P::moves_per_element_max } -> std::convertible_to<std::size_t>;
};

struct doubling {
  static constexpr std::size_t moves_per_element_max = 2;
  static constexpr std::size_t next_capacity(std::size_t capacity, std::size_t needed,
                                             std::size_t) noexcept {
    if (capacity > std::numeric_limits<std::size_t>::max() / 2) return needed;
    return 2 * capacity < needed ? needed : 2 * capacity;
  }
};

/// One and a half times: blocks that were freed earlier can add up to the next one.
struct half_more {
  static constexpr std::size_t moves_per_element_max = 3;
  static constexpr std::size_t next_capacity(std::size_t capacity, std::size_t needed,
                                             std::size_t) noexcept {
    const std::size_t more = capacity - capacity / 2;
    if (capacity > std::numeric_limits<std::size_t>::max() - more) return needed;
    return capacity + more < needed ? needed : capacity + more;
  }
};

/// Go's rule since 1.18, for elements without pointers (elements with pointers get up to 8 bytes
/// less of each block since Go 1.22; that is the collector's header, which nobody needs here).
struct go_growth {
  static constexpr std::size_t moves_per_element_max = 5;
  static constexpr std::size_t next_capacity(std::size_t capacity, std::size_t needed,
                                             std::size_t element_bytes) noexcept {
    return detail::go_fill_class(detail::go_next(capacity, needed, 256, 3 * 256), element_bytes);
  }
};

/// Go's rule until 1.17, the one that most articles describe.
struct go_growth_old {
  static constexpr std::size_t moves_per_element_max = 5;
  static constexpr std::size_t next_capacity(std::size_t capacity, std::size_t needed,
                                             std::size_t element_bytes) noexcept {
    return detail::go_fill_class(detail::go_next(capacity, needed, 1024, 0), element_bytes);
  }
};

/// No slack at all: for arrays that are filled once. Every push_back beyond moves everything.
struct exact {
  static constexpr std::size_t moves_per_element_max = 0;
  static constexpr std::size_t next_capacity(std::size_t, std::size_t needed,
                                             std::size_t) noexcept {
    return needed;
  }
};

/// Whole chunks of `ChunkBytes` (at least one element): bounded slack at the price of O(n) growths.
template <std::size_t ChunkBytes = 4096>
struct chunked {
  static_assert(ChunkBytes > 0);
  static constexpr std::size_t moves_per_element_max = 0;
  static constexpr std::size_t next_capacity(std::size_t, std::size_t needed,
                                             std::size_t element_bytes) noexcept {
    constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
    if (needed > (kMax - ChunkBytes) / element_bytes) return needed;
    const std::size_t bytes = needed * element_bytes;
    return (bytes + ChunkBytes - 1) / ChunkBytes * ChunkBytes / element_bytes;
  }
};

/// What in_place may be told. Sizes in bytes.
struct in_place_options {
  /// Up to here the array lives in its allocator and doubles; the one move out of there is the
  /// largest it ever makes. 64 KiB are moved in about 10 us.
  std::size_t heap_bytes_max = std::size_t{64} << 10;
  /// Address space for one array. Beyond it, `exhausted` is reported and the array moves on.
  std::size_t reserve_bytes = std::size_t{64} << 30;
  /// Memory is made ready in steps of at most this; it bounds both the stall of one push_back and
  /// what a full array holds beyond its elements.
  std::size_t ready_bytes_step = std::size_t{256} << 10;
  /// clear() keeps this much of the memory; the pages beyond go back to the system. The capacity
  /// stays and so do addresses.
  std::size_t kept_on_clear_bytes = std::size_t{64} << 20;
  /// Asks for 2 MiB pages, where the system grants them. A stall is then one such page (0.5 to 2 ms
  /// where the kernel zeroes it on demand).
  bool huge_pages = false;
};

/// Grows without moving once it is large: see reserved_memory.h for how, vector.h for what it
/// promises. With an allocator other than std::allocator it is `doubling`.
template <in_place_options Options = in_place_options{}>
struct in_place {
  static constexpr std::size_t moves_per_element_max = 2;
  static constexpr in_place_options options = Options;
  static constexpr std::size_t next_capacity(std::size_t capacity, std::size_t needed,
                                             std::size_t element_bytes) noexcept {
    return doubling::next_capacity(capacity, needed, element_bytes);
  }
};

namespace detail {
template <class Policy>
concept in_place_policy = growth_policy<Policy> && requires {
  { Policy::options } -> std::convertible_to<in_place_options>;
};
}  // namespace detail

/// How often an array grows while `count` elements of `element_bytes` are appended one by one.
template <growth_policy Policy>
constexpr std::size_t growths_to(std::size_t count, std::size_t element_bytes) noexcept {
  std::size_t growths = 0;
  for (std::size_t capacity = 0; capacity < count; ++growths) {
    capacity = Policy::next_capacity(capacity, capacity + 1, element_bytes);
  }
  return growths;
}

/// How many elements these growths move in total, when none of them happens in place.
template <growth_policy Policy>
constexpr std::size_t moves_to(std::size_t count, std::size_t element_bytes) noexcept {
  std::size_t moves = 0;
  for (std::size_t capacity = 0; capacity < count;) {
    moves += capacity;
    capacity = Policy::next_capacity(capacity, capacity + 1, element_bytes);
  }
  return moves;
}

}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
//
// map_memory: how a map takes memory. Segments come from the process's arena and have 32-bit names,
// or from the map's allocator and have addresses; everything else comes from the allocator.
#pragma once

#include <ullage/detail/segment_arena.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
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

#if defined(__unix__)
inline constexpr bool kHaveArena = true;
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

/// Names of segments in a directory: bits 0-1 say how many groups (1..3; 0: look into the header),
/// the rest says where. 0 is no segment.
struct arena_names {
  using entry = std::uint32_t;
  static constexpr unsigned kCodeMask = 3;
  static constexpr unsigned kShift = 4;  // (name & ~3) << 4 = bytes from the arena's base
  static_assert(segment_arena::kGranule == std::size_t{4} << kShift);

  static unsigned char* base(unsigned char* origin, entry name) noexcept {
    const entry granules = name & ~entry{kCodeMask};
    return origin + (std::size_t{granules} << kShift);
  }
  static entry name(const unsigned char* origin, const unsigned char* at, unsigned code) noexcept {
    return static_cast<entry>(static_cast<std::size_t>(at - origin) >> kShift) | code;
  }
  static unsigned char* origin() noexcept { return segment_arena::process().base(); }

  template <class Raw, class Alloc>
  static unsigned char* get(const Alloc&, std::size_t bytes) {
    void* block = segment_arena::process().get(bytes);
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<unsigned char*>(block);
  }
  template <class Raw, class Alloc>
  static void put(const Alloc&, void* at, std::size_t bytes) noexcept {
    segment_arena::process().put(at, bytes);
  }
  template <class Raw>
  static constexpr std::size_t held(std::size_t bytes) {
    return (bytes + segment_arena::kGranule - 1) / segment_arena::kGranule *
           segment_arena::kGranule;
  }
};

struct address_names {
  using entry = std::uintptr_t;
  static constexpr entry kCodeMask = 3;

  static unsigned char* base(unsigned char*, entry name) noexcept {
    return reinterpret_cast<unsigned char*>(name & ~kCodeMask);
  }
  static entry name(const unsigned char*, const unsigned char* at, unsigned code) noexcept {
    return reinterpret_cast<entry>(at) | code;
  }
  static unsigned char* origin() noexcept { return nullptr; }

  template <class Raw, class Alloc>
  static unsigned char* get(const Alloc& alloc, std::size_t bytes) {
    return Raw::get(alloc, bytes);
  }
  template <class Raw, class Alloc>
  static void put(const Alloc& alloc, void* at, std::size_t bytes) noexcept {
    Raw::put(alloc, at, bytes);
  }
  template <class Raw>
  static constexpr std::size_t held(std::size_t bytes) {
    return Raw::rounded(bytes);
  }
};

}  // namespace detail
}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
//
// address_space: room for what must lie side by side and is taken bit by bit. Ordinarily that is
// reserved: address space costs nothing. Under RLIMIT_AS it does, because what is reserved counts
// like what is used. There nothing is reserved; a place is chosen that nobody comes near within the
// limit, and each bit is mapped when it is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#if defined(__unix__)
#include <sys/mman.h>
#include <sys/resource.h>
#endif

namespace ullage::detail {

#if defined(__unix__)

/// Bytes that the process may map; all there are when nobody limits them.
inline std::size_t address_space_limit() noexcept {
#if defined(RLIMIT_AS)
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    return static_cast<std::size_t>(limit.rlim_cur);
  }
#endif
  return SIZE_MAX;
}

/// Maps [at, at + bytes) if nothing is there; false: refused.
inline bool map_at(unsigned char* at, std::size_t bytes, int rights) noexcept {
#if defined(MAP_FIXED_NOREPLACE)
  constexpr int kJustThere = MAP_FIXED_NOREPLACE;
#else
  constexpr int kJustThere = 0;  // a wish, as for kernels that don't know the flag
#endif
  void* const got =
      ::mmap(at, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | kJustThere, -1, 0);
  if (got == at) return true;
  if (got != MAP_FAILED) ::munmap(got, bytes);
  return false;
}

/// A place with `bytes` behind it that nobody else comes near, where `limit` bytes are all that the
/// process maps; null where there is none. One page before it is taken, so that whoever looks for
/// such a place next sees it.
inline unsigned char* find_place_apart(std::size_t bytes, std::size_t limit,
                                       std::size_t alignment) noexcept {
  constexpr std::size_t kPageBytes = std::size_t{64} << 10;  // a multiple of any page size
  constexpr unsigned kPlaces = 64;
  void* const somewhere =
      ::mmap(nullptr, kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (somewhere == MAP_FAILED) return nullptr;
  ::munmap(somewhere, kPageBytes);
  // What the system chooses lies side by side; further off than all of it there is nothing.
  const auto near = reinterpret_cast<std::uintptr_t>(somewhere);
  const std::size_t gap = bytes + alignment;
  constexpr std::size_t kFar = SIZE_MAX >> 23;  // 2 TiB
  for (std::size_t off : {kFar, limit + gap}) {
    if (off < limit + gap) off = limit + gap;
    for (unsigned i = 0; i < kPlaces && off + gap < near; ++i, off += gap) {
      auto* const at = reinterpret_cast<unsigned char*>((near - off) / alignment * alignment);
      if (map_at(at - kPageBytes, kPageBytes, PROT_NONE)) return at;
    }
  }
  return nullptr;
}

#endif

}  // namespace ullage::detail

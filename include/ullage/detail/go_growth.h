// SPDX-License-Identifier: Apache-2.0
//
// go_growth: what Go's append makes of a capacity. The rule and the size classes are those of
// golang/go: src/runtime/slice.go (nextslicecap), src/runtime/msize.go (roundupsize, for memory
// without pointers) and src/internal/runtime/gc/sizeclasses.go (68 classes, the same since Go
// 1.16).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>

namespace ullage::detail {

inline constexpr std::uint16_t kGoSizeClasses[] = {
    0,     8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,  160,   176,
    192,   208,   224,   240,   256,   288,   320,   352,   384,   416,   448,   480,  512,   576,
    640,   704,   768,   896,   1024,  1152,  1280,  1408,  1536,  1792,  2048,  2304, 2688,  3072,
    3200,  3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,  8192,  9472,  9728, 10240, 10880,
    12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};
static_assert(sizeof(kGoSizeClasses) / sizeof(kGoSizeClasses[0]) == 68);

// Up to here a block is one of the classes above, beyond it a number of Go's 8 KiB pages.
inline constexpr std::size_t kGoSmallBytesMax = 32768;
inline constexpr std::size_t kGoPageBytes = 8192;

// The bytes that Go's allocator hands out for `bytes`; `bytes` itself where rounding would
// overflow.
constexpr std::size_t go_round_up(std::size_t bytes) noexcept {
  if (bytes <= kGoSmallBytesMax) {
    return *std::lower_bound(std::begin(kGoSizeClasses), std::end(kGoSizeClasses), bytes);
  }
  if (bytes > std::numeric_limits<std::size_t>::max() - kGoPageBytes) return bytes;
  return (bytes + kGoPageBytes - 1) & ~(kGoPageBytes - 1);
}

// `elements` rounded up to what fits into the block that Go would get for them.
constexpr std::size_t go_fill_class(std::size_t elements, std::size_t element_bytes) noexcept {
  if (elements > std::numeric_limits<std::size_t>::max() / element_bytes) return elements;
  return go_round_up(elements * element_bytes) / element_bytes;
}

// Doubles below `threshold`; from there adds a quarter of (capacity + bias) until `needed` fits.
constexpr std::size_t go_next(std::size_t capacity, std::size_t needed, std::size_t threshold,
                              std::size_t bias) noexcept {
  constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
  if (capacity > kMax / 2 || needed > 2 * capacity) return needed;
  if (capacity < threshold) return 2 * capacity;
  std::size_t next = capacity;
  while (next < needed) {
    if (next > kMax - (next / 4 + bias / 4) - 1) return needed;
    next += (next + bias) / 4;
  }
  return next;
}

}  // namespace ullage::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

// --slack: how much of a block was never written.
//
// Blocks of growing containers get one 8-byte canary in each 64 bytes, from the end backwards; at
// free the intact ones are counted from the end. The truth is met within 64 bytes. Blocks above 1
// MiB are not painted (that would fault their pages in): their pages' presence is read instead.

#include <stddef.h>
#include <stdint.h>

#include "agent/platform.h"

namespace ullage::agent {

inline constexpr size_t kPaintBytesMin = 192;
inline constexpr size_t kPaintBytesMax = 1u << 20;

inline uint64_t canary(uintptr_t at) { return at * 0x9E3779B97F4A7C15ull | 1; }

inline void paint(void* block, size_t bytes) {
  const auto low = reinterpret_cast<uintptr_t>(block) + 64;
  uintptr_t a = (reinterpret_cast<uintptr_t>(block) + bytes - 8) & ~uintptr_t{7};
  for (; a >= low; a -= 64) *reinterpret_cast<uint64_t*>(a) = canary(a);
}

// Untouched bytes at the end of a painted block; 0 for one that was never painted.
inline size_t unpainted_tail(const void* block, size_t bytes) {
  const auto low = reinterpret_cast<uintptr_t>(block) + 64;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(block) + bytes - 8) & ~uintptr_t{7};
  uintptr_t a = end;
  while (a >= low && *reinterpret_cast<const uint64_t*>(a) == canary(a)) a -= 64;
  return end - a;
}

// Bytes at the end of a large block whose pages were never touched, by /proc/self/pagemap.
size_t absent_tail(const void* block, size_t bytes);

}  // namespace ullage::agent

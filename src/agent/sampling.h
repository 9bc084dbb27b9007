// SPDX-License-Identifier: Apache-2.0
#pragma once

// --sample: which allocations are recorded, and which frees belong to them.
//
// Ordinary allocations are taken with probability 1 - exp(-size / period) (a Poisson process over
// bytes, as tcmalloc and jemalloc do). Contexts that were seen to grow are recorded in full:
// growths are few (log2 n a container) and large, and a sampled chain is no chain.

#include <stddef.h>
#include <stdint.h>

#include "agent/platform.h"

namespace ullage::agent {

// Addresses of recorded live blocks. Lock-free; a bucket is one cache line of 8 addresses. When a
// bucket is full the block is not recorded (and so not sampled): at most 8 * kBuckets blocks are
// followed.
class SampledSet {
 public:
  static constexpr size_t kBuckets = 1u << 16;
  bool init() {
    slots_ = static_cast<uintptr_t*>(map_private(kBuckets * 8 * sizeof(uintptr_t)));
    return slots_ != nullptr;
  }
  bool insert(uintptr_t address) {
    uintptr_t* b = bucket(address);
    for (int i = 0; i < 8; ++i) {
      uintptr_t empty = 0;
      if (__atomic_load_n(b + i, __ATOMIC_RELAXED) == 0 &&
          __atomic_compare_exchange_n(b + i, &empty, address, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
        return true;
      }
    }
    return false;
  }
  bool erase(uintptr_t address) {  // false: was not there
    uintptr_t* b = bucket(address);
    for (int i = 0; i < 8; ++i) {
      if (__atomic_load_n(b + i, __ATOMIC_RELAXED) != address) continue;
      __atomic_store_n(b + i, 0, __ATOMIC_RELAXED);
      return true;
    }
    return false;
  }

 private:
  uintptr_t* bucket(uintptr_t address) const {
    return slots_ + ((address >> 4) * 0x9E3779B97F4A7C15ull >> 48) % kBuckets * 8;
  }
  uintptr_t* slots_ = nullptr;
};

// Contexts that have grown, as a bitmap over a hash of (pc, stack height) or of a stack id. A
// collision records or paints a little more than needed, never less.
class GrowthContexts {
 public:
  static constexpr size_t kBits = 1u << 20;
  bool init() {
    bytes_ = static_cast<uint8_t*>(map_private(kBits / 8));
    return bytes_ != nullptr;
  }
  bool contains(uint64_t hash) const {
    const size_t bit = hash % kBits;
    return (__atomic_load_n(bytes_ + bit / 8, __ATOMIC_RELAXED) >> (bit % 8) & 1) != 0;
  }
  void add(uint64_t hash) {
    const size_t bit = hash % kBits;
    if (contains(hash)) return;  // no shared write once it is known
    __atomic_fetch_or(bytes_ + bit / 8, static_cast<uint8_t>(1u << (bit % 8)), __ATOMIC_RELAXED);
  }

 private:
  uint8_t* bytes_ = nullptr;
};

// Bytes until the next sample: exponential with mean `period`, from 26 random bits (accurate to
// 1e-7).
inline int64_t next_sample(uint64_t& random, uint64_t period) {
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  // -log2(u) for u = (k + 1) / 2^26 by the float's exponent and a quadratic for its mantissa.
  const auto k = static_cast<uint32_t>(random >> 38) + 1;
  const int exponent = 31 - __builtin_clz(k);
  const double m = static_cast<double>(k) / static_cast<double>(1u << exponent);  // [1, 2)
  const double log2m = (-0.33582878 * m + 2.0) * m - 1.65871022;                  // within 0.01
  const double bits = 26.0 - (exponent + log2m);
  const double bytes = bits * 0.6931471805599453 * static_cast<double>(period);
  return bytes < 1 ? 1 : static_cast<int64_t>(bytes);
}

}  // namespace ullage::agent

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Large: values of more than 16 KiB, each by itself in a block of address space of 32 KiB to 512
// MiB, of which only the pages it uses have memory. So a value grows where it is; beyond its block
// its pages move, not its bytes. Freed blocks give their pages back in steps.
//
// Promise   Pages are granted before they are touched. free() touches nothing.
// Cost      allocate, free: O(1). resize: copies at most 1 MiB, beyond that moves pages (mremap).
// Limit     512 GiB of address space a shard; less where the system allows less.
// Threads   One.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tier/budget.h"

namespace ullage::tier {

struct LargeBlock {
  std::uint64_t address = 0;
  std::uint32_t bytes = 0;  // of the value
  std::uint32_t order = 0;  // which size of block

  char* data() const noexcept { return reinterpret_cast<char*>(address); }
};

class Large {
 public:
  Large(Budget& budget, int shard) noexcept : budget_(budget), shard_(shard) {}
  ~Large();
  Large(const Large&) = delete;
  Large& operator=(const Large&) = delete;

  // False: denied; `block` is as it was. All bytes are zero.
  [[nodiscard]] bool allocate(std::size_t bytes, LargeBlock& block) noexcept;
  // What was there stays, what is new is zero.
  [[nodiscard]] bool resize(LargeBlock& block, std::size_t bytes) noexcept;
  void free(const LargeBlock& block) noexcept;
  // What resize() has to be granted: all of it where the block is too small, until its own is free.
  static std::uint64_t grant_for(const LargeBlock& block, std::size_t bytes) noexcept {
    const std::uint64_t now = charge(block.bytes), then = charge(bytes);
    return bytes > capacity(block.order) ? then : then - std::min(now, then);
  }
  // What a value of this size is charged.
  static std::uint64_t charge(std::size_t bytes) noexcept {
    return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  }

  // Gives back about `bytes` of freed pages. True: there are more.
  bool release(std::size_t bytes) noexcept;
  // Every block counts as freed.
  bool release_all(std::size_t bytes) noexcept;

  std::uint64_t live_bytes() const noexcept { return live_; }
  std::uint64_t resident_bytes() const noexcept { return held_; }

 private:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::array<unsigned, 9> kOrderBits = {15, 16, 17, 18, 19, 20, 23, 26, 29};

  static std::size_t capacity(unsigned order) noexcept {
    return std::size_t{1} << kOrderBits[order];
  }
  static unsigned order_of(std::size_t bytes) noexcept;
  char* take_space(unsigned order) noexcept;
  void give_pages(char* from, std::size_t bytes) noexcept;

  struct Freed {
    char* address = nullptr;
    std::size_t held_bytes = 0;  // pages at its beginning
    unsigned order = 0;
  };

  Budget& budget_;
  const int shard_;
  char* base_ = nullptr;
  std::size_t reserved_ = 0, used_ = 0, released_ = 0;
  std::array<std::vector<char*>, kOrderBits.size()> spaces_;  // without pages
  std::vector<Freed> freed_;                                  // with some
  std::uint64_t live_ = 0, held_ = 0;
};

}  // namespace ullage::tier

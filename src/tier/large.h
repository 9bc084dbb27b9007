// SPDX-License-Identifier: Apache-2.0
#pragma once

// Large: values of more than 16 KiB, each by itself in a block of address space of 32 KiB to 512
// MiB, of which only the pages it uses have memory. So a value grows where it is; beyond its block
// its pages move, not its bytes, and so do those of a buffer that it is made of (take_over). Freed
// blocks give their pages back in steps. Whoever is still to send a value's bytes holds them: they
// stay as they are whatever becomes of the value.
//
// Promise   Pages are granted before they are touched. free() touches nothing.
// Cost      allocate, free, hold: O(1). take_over: moves pages (1 us a MiB). resize: copies at most
//           1 MiB, beyond that moves pages (mremap); of a block that is held, all of it is copied.
// Limit     512 GiB of address space a shard; less where the system allows less. kApartBlocksMax
//           blocks of a process have had pages moved into them; then bytes are copied.
// Threads   One; a keeper may go on any.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tier/budget.h"

namespace ullage::tier {

inline constexpr std::size_t kPageBytes = 4096;

struct LargeBlock {
  std::uint64_t address = 0;  // of the value: somewhere in the block's first page
  std::uint32_t bytes = 0;    // of the value
  std::uint32_t order = 0;    // which size of block

  char* data() const noexcept { return reinterpret_cast<char*>(address); }
  std::size_t lead() const noexcept { return address % kPageBytes; }
  char* space() const noexcept { return data() - lead(); }
};

class Large {
 public:
  Large(Budget& budget, int shard) noexcept : budget_(budget), shard_(shard) {}
  ~Large();
  Large(const Large&) = delete;
  Large& operator=(const Large&) = delete;

  // False: denied; `block` is as it was. All bytes are zero. `lead`: bytes of its first page before
  // the value. `paid`: bytes of it that take_over() brings along.
  [[nodiscard]] bool allocate(std::size_t bytes, LargeBlock& block, std::size_t lead = 0,
                              std::uint64_t paid = 0) noexcept;
  // Takes back an allocation of which nothing was touched.
  void cancel(const LargeBlock& block, std::uint64_t paid) noexcept;
  // The pages of `text` that a block can be made of: whole ones, behind its first kHeadBytes. None:
  // it is to be copied.
  static std::string_view pages_of(std::string_view text) noexcept;
  // Fills a block whose lead is that of `text` with it: pages_of(text) move, and read as zero where
  // they were. What was `paid` for them counts as ours from now on. False: the system does not move
  // them; nothing has changed.
  [[nodiscard]] bool take_over(const LargeBlock& block, std::string_view text,
                               std::uint64_t paid) noexcept;
  // As the budget grants it, when take_over() has failed.
  [[nodiscard]] bool pay(std::uint64_t bytes) noexcept;
  // What was there stays, what is new is zero.
  [[nodiscard]] bool resize(LargeBlock& block, std::size_t bytes) noexcept;
  void free(const LargeBlock& block) noexcept;
  // What resize() has to be granted: all of it where the block can't be used, until its own is
  // free.
  std::uint64_t grant_for(const LargeBlock& block, std::size_t bytes) const noexcept {
    const std::uint64_t now = charge(block), then = charge(block.lead() + bytes);
    return stays(block, bytes) ? then - std::min(now, then) : then;
  }
  // What a value of this size is charged.
  static std::uint64_t charge(std::size_t bytes) noexcept {
    return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  }
  static std::uint64_t charge(const LargeBlock& block) noexcept {
    return charge(block.lead() + block.bytes);
  }

  // The block's bytes stay where and as they are until the keeper is gone. Null: no memory.
  std::shared_ptr<const void> hold(const LargeBlock& block) noexcept;
  bool is_held(const LargeBlock& block) const noexcept;
  // What can't be given back for that.
  std::uint64_t kept_bytes() const noexcept;

  // Gives back about `bytes` of freed pages. True: there are more.
  bool release(std::size_t bytes) noexcept;
  // Every block counts as freed. False and waits(): the rest is held.
  bool release_all(std::size_t bytes) noexcept;
  bool waits() const noexcept { return rest_ && kept_bytes() != 0; }

  std::uint64_t live_bytes() const noexcept { return live_; }
  std::uint64_t resident_bytes() const noexcept { return held_; }

  // Of a value that a block is made of, what stays readable where it was.
  static constexpr std::size_t kHeadBytes = 256;
  // Below this a value is copied (0.6 ms a MiB).
  static constexpr std::size_t kTakenBytesMin = std::size_t{1} << 20;
  // Each such block is three mappings at most, of which the system allows a process 65 530.
  static constexpr std::uint32_t kApartBlocksMax = 8192;

 private:
  static constexpr std::array<unsigned, 9> kOrderBits = {15, 16, 17, 18, 19, 20, 23, 26, 29};

  static std::size_t capacity(unsigned order) noexcept {
    return std::size_t{1} << kOrderBits[order];
  }
  static unsigned order_of(std::size_t bytes) noexcept;
  // Whether a value of this size can be where this one is.
  bool stays(const LargeBlock& block, std::size_t bytes) const noexcept {
    return block.lead() + bytes <= capacity(block.order) && !is_held(block);
  }
  bool move_pages(const char* from, std::size_t bytes, const LargeBlock& block, char* to) noexcept;
  void settle_held() noexcept;
  char* take_space(unsigned order) noexcept;
  void give_pages(char* from, std::size_t bytes) noexcept;

  struct Freed {
    char* address = nullptr;
    std::size_t held_bytes = 0;  // pages at its beginning
    unsigned order = 0;
  };

  struct Held {
    std::shared_ptr<std::atomic<std::uint32_t>> readers;
    std::uint64_t pages_bytes = 0;
  };

  Budget& budget_;
  const int shard_;
  char* base_ = nullptr;
  std::size_t reserved_ = 0, used_ = 0, released_ = 0;
  std::array<std::vector<char*>, kOrderBits.size()> spaces_;  // without pages
  std::vector<Freed> freed_;                                  // with some
  std::map<const char*, Held> holds_;                         // by their space
  std::vector<Freed> held_back_;                              // freed, but held
  std::unordered_set<const char*> apart_;                     // pages were moved there
  bool rest_ = false;                                         // release_all() has left what is held
  std::uint64_t live_ = 0, held_ = 0;
};

}  // namespace ullage::tier

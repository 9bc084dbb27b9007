// SPDX-License-Identifier: Apache-2.0
//
// segment_arena: where the segments of all maps come from. One range of reserved address space for
// the process, cut from the front; what is given back waits in a list per size. Because all blocks
// lie within one range, a map can name a block in 30 bits.
//
// Cost      get, put: O(1) under one lock; a map calls them once per ~400 inserts.
// Memory    Reserving costs address space only. Pages are touched when a segment is.
// Threads   All members from any thread.
// Limit     kReachBytes of blocks (64 GiB); less where address space is scarce. get() then returns
//           null. Maps that need more take a plain allocator.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>

#if defined(__unix__)
#include <sys/mman.h>
#endif

namespace ullage {

/// How the process's arena takes memory. Set before the first map with more than one segment.
struct arena_options {
  bool huge_pages = false;  ///< ask for 2 MiB pages (madvise); the kernel may say no
};

namespace detail {

class segment_arena {
 public:
  static constexpr std::size_t kGranule = 64;  // blocks begin at multiples; a map names granules
  static constexpr std::size_t kReachBytes = (std::size_t{1} << 30) * kGranule;
  static constexpr std::size_t kBlockBytesMax = std::size_t{64} * 1024;
  // Made usable at a time: one system call per 16 MiB taken. It zeroes nothing and copies nothing.
  static constexpr std::size_t kCommitBytes = std::size_t{16} * 1024 * 1024;
  // Below this there is no point in reserving; get() returns null.
  static constexpr std::size_t kReachBytesMin = std::size_t{64} * 1024 * 1024;

  static segment_arena& process() noexcept {
    // Never destroyed: maps with static storage may outlive any other static.
    alignas(segment_arena) static unsigned char place[sizeof(segment_arena)];
    static segment_arena* const one = ::new (static_cast<void*>(place)) segment_arena;
    return *one;
  }

  unsigned char* base() const noexcept { return base_; }

  /// `bytes` at a multiple of kGranule, or null. The contents are whatever they were.
  void* get(std::size_t bytes) noexcept {
    const std::size_t granules = (bytes + kGranule - 1) / kGranule;
    if (bytes > kBlockBytesMax) return nullptr;
    const std::lock_guard<std::mutex> hold(lock_);
    if (free_block* block = free_[granules]; block != nullptr) {
      free_[granules] = block->next;
      free_bytes_ -= granules * kGranule;
      return block;
    }
    const std::size_t wanted = granules * kGranule;
    if (!ready(used_ + wanted)) return nullptr;
    void* block = base_ + used_;
    used_ += wanted;
    return block;
  }
  void put(void* block, std::size_t bytes) noexcept {
    const std::size_t granules = (bytes + kGranule - 1) / kGranule;
    const std::lock_guard<std::mutex> hold(lock_);
    free_[granules] = ::new (block) free_block{free_[granules]};
    free_bytes_ += granules * kGranule;
  }

  /// Bytes cut from the range so far, and how many of them wait in lists.
  std::size_t used_bytes() const noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    return used_;
  }
  std::size_t free_bytes() const noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    return free_bytes_;
  }
  void configure(const arena_options& options) noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    options_ = options;
#if defined(MADV_HUGEPAGE)
    if (base_ != nullptr) {
      ::madvise(base_, reach_, options_.huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    }
#endif
  }
  /// Tests only: the next `n` blocks, then null for ever; -1: no such limit.
  void fail_after(long n) noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    fail_after_ = n;
  }

 private:
  struct free_block {
    free_block* next;
  };

  segment_arena() noexcept { reserve(); }

  void reserve() noexcept {
#if defined(__unix__)
    constexpr std::size_t kHuge = std::size_t{2} * 1024 * 1024;
    // Without access rights, so that it counts neither as memory nor as a promise of memory.
    for (std::size_t reach = kReachBytes; reach >= kReachBytesMin; reach /= 4) {
      void* got = ::mmap(nullptr, reach + kHuge, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (got == MAP_FAILED) continue;
      const auto at = (reinterpret_cast<std::uintptr_t>(got) + kHuge - 1) / kHuge * kHuge;
      base_ = reinterpret_cast<unsigned char*>(at);
      reach_ = reach;
      used_ = kGranule;  // granule 0 names "no block"
      return;
    }
#endif
  }
  bool ready(std::size_t bytes) noexcept {
    if (fail_after_ >= 0 && fail_after_-- == 0) {
      fail_after_ = 0;
      return false;
    }
#if defined(__unix__)
    if (bytes <= committed_) return true;
    const std::size_t upto = (bytes + kCommitBytes - 1) / kCommitBytes * kCommitBytes;
    if (upto > reach_) return false;
    if (::mprotect(base_ + committed_, upto - committed_, PROT_READ | PROT_WRITE) != 0)
      return false;
#if defined(MADV_HUGEPAGE)
    if (options_.huge_pages) ::madvise(base_ + committed_, upto - committed_, MADV_HUGEPAGE);
#endif
    committed_ = upto;
    return true;
#else
    return false;
#endif
  }

  mutable std::mutex lock_;
  unsigned char* base_ = nullptr;
  std::size_t reach_ = 0, committed_ = 0, used_ = 0, free_bytes_ = 0;
  arena_options options_;
  long fail_after_ = -1;
  free_block* free_[kBlockBytesMax / kGranule + 1] = {};
};

}  // namespace detail
}  // namespace ullage

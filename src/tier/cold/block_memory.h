// SPDX-License-Identifier: Apache-2.0
#pragma once

// BlockMemory: pages for the blocks of the cache, which can be given back one by one.
//
//   char* block = memory.allocate(4000);     // whole pages: 4096 of 4096 bytes are charged
//   memory.free(block);                      // they are spare: resident, for the next block
//   memory.give_back(1_MiB);                 // spare pages go to the kernel
//
// malloc keeps what a shrinking cache frees, scattered as it is, and the process stays as large as
// it was. Blocks are cut to fit into a page (kBlockBytes), so little is lost by rounding.
//
// Cost      allocate, free: a lock and a list's end. give_back: a system call for each block.
// Memory    4 B for each spare block. Blocks above 64 KiB are malloc's, which maps them one by one.
// Threads   Any.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace ullage::tier::cold {

// What RocksDB is told to fill a block to: with its trailer it stays within a page.
inline constexpr std::size_t kBlockBytes = 4064;

class BlockMemory {
 public:
  BlockMemory();
  ~BlockMemory();  // everything was freed
  BlockMemory(const BlockMemory&) = delete;
  BlockMemory& operator=(const BlockMemory&) = delete;

  void* allocate(std::size_t bytes);  // throws std::bad_alloc
  void free(void* block) noexcept;
  // What an allocation of so many bytes takes.
  std::size_t usable(void* block, std::size_t bytes) const noexcept;

  std::uint64_t spare_bytes() const noexcept { return spare_.load(std::memory_order_relaxed); }
  // At most this much of it goes back to the kernel; how much did.
  std::uint64_t give_back(std::uint64_t bytes);

 private:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kClasses = 16;  // of 1 to 16 pages
  // Addresses of one class; they cost nothing until they are used. What is beyond is malloc's.
  static constexpr std::size_t kClassBytes = std::size_t{64} << 30;

  struct Class {
    std::mutex mutex;
    std::vector<std::uint32_t> spare;    // resident; the last was freed last
    std::vector<std::uint32_t> without;  // their pages were given back
    std::uint32_t used = 0;              // slots that were ever taken
  };

  char* slot(std::size_t index, std::uint32_t at) const noexcept {
    return base_ + index * kClassBytes + at * ((index + 1) * kPageBytes);
  }
  bool ours(const void* block) const noexcept {
    const char* p = static_cast<const char*>(block);
    return base_ != nullptr && p >= base_ && p < base_ + kClasses * kClassBytes;
  }

  char* base_ = nullptr;
  std::array<Class, kClasses> classes_;
  std::atomic<std::uint64_t> spare_{0};
};

}  // namespace ullage::tier::cold

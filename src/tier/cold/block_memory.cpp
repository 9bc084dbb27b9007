// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/block_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace ullage::tier::cold {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Slots whose pages go back under one lock's worth of picking.
constexpr std::size_t kGiveBackMax = 256;

}  // namespace

BlockMemory::BlockMemory() {
  void* p = ::mmap(nullptr, kClasses * kClassBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  // Where so many addresses can't be had (ulimit -v), everything is malloc's.
  if (p == MAP_FAILED) return;
  base_ = static_cast<char*>(p);
  // Blocks come and go one by one: a huge page would stay for the sake of one of them.
  ::madvise(p, kClasses * kClassBytes, MADV_NOHUGEPAGE);
  ::madvise(p, kClasses * kClassBytes, MADV_DONTDUMP);
}

BlockMemory::~BlockMemory() {
  if (base_ != nullptr) ::munmap(base_, kClasses * kClassBytes);
}

void* BlockMemory::allocate(std::size_t bytes) {
  const std::size_t index = bytes == 0 ? 0 : (bytes - 1) / kPageBytes;
  if (base_ != nullptr && index < kClasses) {
    Class& c = classes_[index];
    const std::size_t size = (index + 1) * kPageBytes;
    const std::lock_guard lock(c.mutex);
    if (!c.spare.empty()) {
      const std::uint32_t at = c.spare.back();
      c.spare.pop_back();
      spare_.fetch_sub(size, kRelaxed);
      return slot(index, at);
    }
    if (!c.without.empty()) {
      const std::uint32_t at = c.without.back();
      c.without.pop_back();
      return slot(index, at);
    }
    if ((c.used + std::size_t{1}) * size <= kClassBytes) return slot(index, c.used++);
  }
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc();
}

void BlockMemory::free(void* block) noexcept {
  if (!ours(block)) return std::free(block);
  const auto offset = static_cast<std::size_t>(static_cast<char*>(block) - base_);
  const std::size_t index = offset / kClassBytes;
  const std::size_t size = (index + 1) * kPageBytes;
  Class& c = classes_[index];
  const std::lock_guard lock(c.mutex);
  c.spare.push_back(static_cast<std::uint32_t>(offset % kClassBytes / size));
  spare_.fetch_add(size, kRelaxed);
}

std::size_t BlockMemory::usable(void* block, std::size_t bytes) const noexcept {
  if (!ours(block)) return bytes;
  const auto offset = static_cast<std::size_t>(static_cast<char*>(block) - base_);
  return (offset / kClassBytes + 1) * kPageBytes;
}

std::uint64_t BlockMemory::give_back(std::uint64_t bytes) {
  std::uint64_t given = 0;
  std::vector<std::uint32_t> some;
  for (std::size_t index = 0; index < kClasses; ++index) {
    Class& c = classes_[index];
    const std::size_t size = (index + 1) * kPageBytes;
    while (given < bytes) {
      const std::size_t wanted =
          std::min<std::size_t>(kGiveBackMax, (bytes - given + size - 1) / size);
      {
        const std::lock_guard lock(c.mutex);
        // Those that were freed first: the last ones are warm.
        const std::size_t count = std::min(wanted, c.spare.size());
        const auto end = c.spare.begin() + static_cast<std::ptrdiff_t>(count);
        some.assign(c.spare.begin(), end);
        c.spare.erase(c.spare.begin(), end);
        spare_.fetch_sub(count * size, kRelaxed);
      }
      if (some.empty()) break;
      for (const std::uint32_t at : some) ::madvise(slot(index, at), size, MADV_DONTNEED);
      given += some.size() * size;
      const std::lock_guard lock(c.mutex);
      c.without.insert(c.without.end(), some.begin(), some.end());
    }
  }
  return given;
}

}  // namespace ullage::tier::cold

// SPDX-License-Identifier: Apache-2.0
//
// Invariants (1) A block's pages beyond charge(bytes) have no memory, so they read as zero. (2)
// Bytes between a value's end and the end of its last page may be anything: resize clears them.
#include "tier/large.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace ullage::tier {
namespace {

constexpr std::size_t kReserveBytes = std::size_t{512} << 30;
constexpr std::size_t kReserveBytesMin = std::size_t{1} << 30;
// Bytes are copied up to here; above, pages are moved.
constexpr std::size_t kCopyBytesMax = std::size_t{1} << 20;
// The kernel's lock on the address space is held for one such step at a time.
constexpr std::size_t kStepBytes = std::size_t{256} << 10;

#ifndef MREMAP_DONTUNMAP
constexpr int MREMAP_DONTUNMAP = 4;
#endif

}  // namespace

Large::~Large() {
  while (release_all(std::size_t{1} << 30)) {
  }
  if (base_ != nullptr) ::munmap(base_, reserved_);
}

unsigned Large::order_of(std::size_t bytes) noexcept {
  unsigned order = 0;
  while (order + 1 < kOrderBits.size() && capacity(order) < bytes) ++order;
  return order;
}

char* Large::take_space(unsigned order) noexcept {
  if (!spaces_[order].empty()) {
    char* space = spaces_[order].back();
    spaces_[order].pop_back();
    return space;
  }
  for (std::size_t bytes = kReserveBytes; base_ == nullptr && bytes >= kReserveBytesMin;
       bytes /= 2) {
    void* got =
        ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) continue;
    base_ = static_cast<char*>(got);
    reserved_ = bytes;
    ::madvise(base_, reserved_, MADV_NOHUGEPAGE);
    ::madvise(base_, reserved_, MADV_DONTDUMP);
  }
  const std::size_t bytes = capacity(order);
  if (base_ == nullptr || bytes > reserved_ - used_) return nullptr;
  if (::mprotect(base_ + used_, bytes, PROT_READ | PROT_WRITE) != 0) return nullptr;
  char* space = base_ + used_;
  used_ += bytes;
  return space;
}

void Large::give_pages(char* from, std::size_t bytes) noexcept {
  for (std::size_t done = 0; done < bytes; done += kStepBytes) {
    ::madvise(from + done, std::min(kStepBytes, bytes - done), MADV_DONTNEED);
  }
  held_ -= bytes;
  budget_.give_back(Component::kLarge, bytes, shard_);
}

bool Large::allocate(std::size_t bytes, LargeBlock& block) noexcept {
  const std::uint64_t pages = charge(bytes);
  if (!budget_.take(Component::kLarge, pages, shard_)) return false;
  const unsigned order = order_of(bytes);
  char* space = nullptr;
  try {
    freed_.reserve(freed_.size() + 1);
    space = take_space(order);
  } catch (const std::bad_alloc&) {
  }
  if (space == nullptr) {
    budget_.give_back(Component::kLarge, pages, shard_);
    return false;
  }
  held_ += pages;
  live_ += bytes;
  block = {reinterpret_cast<std::uint64_t>(space), static_cast<std::uint32_t>(bytes), order};
  return true;
}

bool Large::resize(LargeBlock& block, std::size_t bytes) noexcept {
  const std::uint64_t now = charge(block.bytes), then = charge(bytes);
  if (bytes > capacity(block.order)) {
    LargeBlock larger;
    if (!allocate(bytes, larger)) return false;
    bool moved = false;
    if (block.bytes > kCopyBytesMax) {
      moved = ::mremap(block.data(), now, now, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
                       larger.data()) != MAP_FAILED;
    }
    if (!moved) std::memcpy(larger.data(), block.data(), block.bytes);
    std::memset(larger.data() + block.bytes, 0, std::min(now, then) - block.bytes);
    free(block);
    block = larger;
    return true;
  }
  if (then > now && !budget_.take(Component::kLarge, then - now, shard_)) return false;
  if (then >= now) {
    held_ += then - now;
  } else {
    give_pages(block.data() + then, now - then);
  }
  if (bytes > block.bytes) {  // (2)
    std::memset(block.data() + block.bytes, 0, std::min<std::size_t>(now, bytes) - block.bytes);
  }
  live_ += bytes - block.bytes;
  block.bytes = static_cast<std::uint32_t>(bytes);
  return true;
}

void Large::free(const LargeBlock& block) noexcept {
  live_ -= block.bytes;
  const Freed freed{block.data(), charge(block.bytes), block.order};
  try {
    freed_.push_back(freed);
  } catch (const std::bad_alloc&) {  // then at once
    give_pages(freed.address, freed.held_bytes);
  }
}

bool Large::release(std::size_t bytes) noexcept {
  std::size_t done = 0;
  while (!freed_.empty() && done < bytes) {
    Freed& last = freed_.back();
    const std::size_t step = std::min(last.held_bytes, kStepBytes);
    give_pages(last.address + last.held_bytes - step, step);
    last.held_bytes -= step;
    done += step;
    if (last.held_bytes != 0) continue;
    try {
      spaces_[last.order].push_back(last.address);
    } catch (const std::bad_alloc&) {  // its addresses are lost; its memory is not
    }
    freed_.pop_back();
  }
  return !freed_.empty();
}

bool Large::release_all(std::size_t bytes) noexcept {
  // Blocks lie one behind the other from the beginning; what has no pages costs little.
  std::size_t done = 0;
  while (released_ < used_ && done < bytes) {
    const std::size_t step = std::min(used_ - released_, kStepBytes);
    ::madvise(base_ + released_, step, MADV_DONTNEED);
    released_ += step;
    done += step;
  }
  if (released_ < used_) return true;
  budget_.give_back(Component::kLarge, held_, shard_);
  held_ = live_ = 0;
  freed_.clear();
  return false;
}

}  // namespace ullage::tier

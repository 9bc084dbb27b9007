// SPDX-License-Identifier: Apache-2.0
//
// Invariants (1) A block's pages beyond charge(bytes) have no memory, so they read as zero. (2)
// Bytes between a value's end and the end of its last page may be anything: resize clears them.
#include "tier/large.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>
#include <new>

#include "tier/key.h"

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

// Blocks of the process into which pages were moved.
std::atomic<std::uint32_t> apart_blocks{0};

}  // namespace

Large::~Large() {
  holds_.clear();  // who held something is not there any more, or will not look at it
  while (release_all(std::size_t{1} << 30)) {
  }
  apart_blocks.fetch_sub(static_cast<std::uint32_t>(apart_.size()), std::memory_order_relaxed);
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

bool Large::allocate(std::size_t bytes, LargeBlock& block, std::size_t lead,
                     std::uint64_t paid) noexcept {
  const std::uint64_t pages = charge(lead + bytes) - paid;
  const unsigned order = order_of(lead + bytes);
  if (lead + bytes > capacity(order)) return false;
  if (!budget_.take(Component::kLarge, pages, shard_)) return false;
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
  block = {reinterpret_cast<std::uint64_t>(space) + lead, static_cast<std::uint32_t>(bytes), order};
  return true;
}

void Large::cancel(const LargeBlock& block, std::uint64_t paid) noexcept {
  const std::uint64_t pages = charge(block) - paid;
  held_ -= pages;
  live_ -= block.bytes;
  budget_.give_back(Component::kLarge, pages, shard_);
  try {
    spaces_[block.order].push_back(block.space());
  } catch (const std::bad_alloc&) {  // its addresses are lost
  }
}

std::string_view Large::pages_of(std::string_view text) noexcept {
  if (text.size() < kTakenBytesMin || text.size() > kValueBytesMax - kPageBytes) return {};
  const auto begin = reinterpret_cast<std::uintptr_t>(text.data());
  const std::uintptr_t first = charge(begin + kHeadBytes);
  const std::uintptr_t last = (begin + text.size()) / kPageBytes * kPageBytes;
  return text.substr(first - begin, last - first);
}

// Only whole pages, and only into blocks of which the system can have that many mappings.
bool Large::move_pages(const char* from, std::size_t bytes, const LargeBlock& block,
                       char* to) noexcept {
  const char* space = block.space();
  if (!apart_.contains(space)) {
    if (apart_blocks.load(std::memory_order_relaxed) >= kApartBlocksMax) return false;
    try {
      apart_.insert(space);
    } catch (const std::bad_alloc&) {
      return false;
    }
    apart_blocks.fetch_add(1, std::memory_order_relaxed);
  }
  if (::mremap(const_cast<char*>(from), bytes, bytes,
               MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == MAP_FAILED) {
    return false;
  }
  // A buffer may have huge pages: of a block, only what its value takes is to have memory.
  ::madvise(to, bytes, MADV_NOHUGEPAGE);
  ::madvise(to, bytes, MADV_DONTDUMP);
  return true;
}

bool Large::take_over(const LargeBlock& block, std::string_view text, std::uint64_t paid) noexcept {
  const std::string_view pages = pages_of(text);
  const auto head = static_cast<std::size_t>(pages.data() - text.data());
  if (!move_pages(pages.data(), pages.size(), block, block.data() + head)) return false;
  const std::string_view tail = text.substr(head + pages.size());
  std::memcpy(block.data(), text.data(), head);
  std::memcpy(block.data() + head + pages.size(), tail.data(), tail.size());
  held_ += paid;
  budget_.recast(Component::kClients, Component::kLarge, paid);
  return true;
}

bool Large::pay(std::uint64_t bytes) noexcept {
  if (!budget_.take(Component::kLarge, bytes, shard_)) return false;
  held_ += bytes;
  return true;
}

bool Large::resize(LargeBlock& block, std::size_t bytes) noexcept {
  const std::uint64_t now = charge(block), then = charge(block.lead() + bytes);
  const auto clear_rest = [&](const LargeBlock& at) {  // (2)
    if (bytes <= block.bytes) return;
    std::memset(at.data() + block.bytes, 0, std::min(now, then) - block.lead() - block.bytes);
  };
  if (!stays(block, bytes)) {
    LargeBlock other;
    if (!allocate(bytes, other, block.lead())) return false;
    const bool held = is_held(block);
    if (held || block.bytes <= kCopyBytesMax ||
        !move_pages(block.space(), now, other, other.space())) {
      std::memcpy(other.data(), block.data(), std::min<std::size_t>(block.bytes, bytes));
    }
    clear_rest(other);
    free(block);
    block = other;
    return true;
  }
  if (then > now && !budget_.take(Component::kLarge, then - now, shard_)) return false;
  if (then >= now) {
    held_ += then - now;
  } else {
    give_pages(block.space() + then, now - then);
  }
  clear_rest(block);
  live_ += bytes - block.bytes;
  block.bytes = static_cast<std::uint32_t>(bytes);
  return true;
}

void Large::free(const LargeBlock& block) noexcept {
  live_ -= block.bytes;
  const Freed freed{block.space(), charge(block), block.order};
  if (is_held(block)) return held_back_.push_back(freed);  // hold() has made room for it
  try {
    freed_.push_back(freed);
  } catch (const std::bad_alloc&) {  // then at once
    give_pages(freed.address, freed.held_bytes);
  }
}

std::shared_ptr<const void> Large::hold(const LargeBlock& block) noexcept {
  try {
    settle_held();
    Held& held = holds_[block.space()];
    held_back_.reserve(holds_.size());
    if (held.readers == nullptr) held.readers = std::make_shared<std::atomic<std::uint32_t>>(0);
    held.pages_bytes = charge(block);
    // Counted first: should there be no memory for the keeper, its end is what it is called with.
    held.readers->fetch_add(1, std::memory_order_relaxed);
    return std::shared_ptr<const void>(static_cast<const void*>(block.data()),
                                       [readers = held.readers](const void*) {
                                         readers->fetch_sub(1, std::memory_order_release);
                                       });
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

bool Large::is_held(const LargeBlock& block) const noexcept {
  if (holds_.empty()) [[likely]]
    return false;
  const auto found = holds_.find(block.space());
  return found != holds_.end() && found->second.readers != nullptr &&
         found->second.readers->load(std::memory_order_acquire) != 0;
}

std::uint64_t Large::kept_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const auto& [space, held] : holds_) {
    const bool read = held.readers && held.readers->load(std::memory_order_acquire) != 0;
    bytes += read ? held.pages_bytes : 0;
  }
  return bytes;
}

// What nobody holds any more is as free as it was said to be.
void Large::settle_held() noexcept {
  if (holds_.empty() && held_back_.empty()) return;
  std::erase_if(held_back_, [&](const Freed& each) {
    if (is_held({reinterpret_cast<std::uint64_t>(each.address), 0, each.order})) return false;
    try {
      freed_.push_back(each);
    } catch (const std::bad_alloc&) {
      give_pages(each.address, each.held_bytes);
    }
    return true;
  });
  std::erase_if(holds_, [](const auto& each) {
    return !each.second.readers || each.second.readers->load(std::memory_order_acquire) == 0;
  });
}

bool Large::release(std::size_t bytes) noexcept {
  settle_held();
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
  settle_held();
  if (rest_) {  // once more: what was held is free now
    rest_ = false;
    released_ = 0;
  }
  // Blocks lie one behind the other from the beginning; what has no pages costs little.
  std::size_t done = 0;
  while (released_ < used_ && done < bytes) {
    char* const from = base_ + released_;
    std::size_t step = std::min(used_ - released_, kStepBytes);
    std::size_t passed = 0;
    auto next = holds_.upper_bound(from);
    if (next != holds_.begin()) {
      const auto& [space, held] = *std::prev(next);
      if (space + held.pages_bytes > from)
        passed = static_cast<std::size_t>(space - from) + held.pages_bytes;
    }
    if (passed == 0 && next != holds_.end()) {
      step = std::min(step, static_cast<std::size_t>(next->first - from));
    }
    if (passed == 0) ::madvise(from, step, MADV_DONTNEED);
    released_ += passed != 0 ? passed : step;
    done += step;
  }
  if (released_ < used_) return true;
  const std::uint64_t kept = std::min(kept_bytes(), held_);
  budget_.give_back(Component::kLarge, held_ - kept, shard_);
  held_ = kept;
  live_ = 0;
  freed_.clear();
  held_back_.clear();
  rest_ = kept != 0;
  return false;
}

}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
//
// The system calls of reserved_memory.
//
// Invariants (1) [base, usable) is one mapping that may be read and written, [usable, reserved) one
// that may not and is left out of core dumps. (2) ready <= usable <= reserved; all are whole pages,
// or whole 2 MiB pages where those are asked for. (3) stays_ == false implies usable == reserved.
#pragma once

#include <ullage/reserved_memory.h>

namespace ullage {

#if ULLAGE_RESERVED_MEMORY

inline std::size_t reserved_memory::page_bytes() noexcept {
  static const std::size_t bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

// Address space for `needed` bytes now and `wanted` at most; 0 when too little is left.
inline std::size_t reserved_memory::take_address_space(std::size_t needed, std::size_t wanted,
                                                       std::size_t step) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) return 0;
  std::size_t taken = space_taken_.load(std::memory_order_relaxed);
  for (;;) {
    const std::size_t all = address_space_limit();
    const std::size_t share = all > taken ? (all - taken) / 64 : 0;
    const std::size_t bytes = (wanted < share ? wanted : share) / step * step;
    // A reservation that the caller wants no larger may be as small as it likes.
    const std::size_t least = wanted / room_min < needed ? needed : needed * room_min;
    if (bytes < least || bytes == 0) return 0;
    if (space_taken_.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed)) {
      return bytes;
    }
  }
}

inline std::byte* reserved_memory::map_aside(std::size_t bytes, bool usable, bool huge) noexcept {
  const int rights = usable ? PROT_READ | PROT_WRITE : PROT_NONE;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (usable ? 0 : MAP_NORESERVE);
  const std::size_t slack = huge ? kHugePageBytes : 0;
  void* got = ::mmap(nullptr, bytes + slack, rights, flags, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  auto* base = static_cast<std::byte*>(got);
  if (huge) {  // cut to the boundary of a huge page
    const std::size_t head =
        (kHugePageBytes - reinterpret_cast<std::uintptr_t>(base)) % kHugePageBytes;
    if (head != 0) ::munmap(base, head);
    if (slack != head) ::munmap(base + head + bytes, slack - head);
    base += head;
    ::madvise(base, bytes, MADV_HUGEPAGE);
  }
  return base;
}

// A reservation whose first `bytes` are usable; null when refused.
inline reserved_memory* reserved_memory::reserve(std::size_t bytes, std::size_t reserve_bytes,
                                                 bool huge) noexcept {
  const std::size_t reserved =
      take_address_space(bytes, reserve_bytes, huge ? kHugePageBytes : page_bytes());
  if (reserved == 0) return nullptr;
  std::byte* base = map_aside(reserved, false, huge);
  if (base != nullptr) {
    if (::mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0) {
      ::madvise(base + bytes, reserved - bytes, MADV_DONTDUMP);
      auto* memory = ::new (static_cast<void*>(base)) reserved_memory;
      memory->usable_ = bytes;
      memory->reserved_ = reserved;
      memory->stays_ = true;
      memory->huge_ = huge;
      return memory;
    }
    ::munmap(base, reserved);
  }
  space_taken_.fetch_sub(reserved, std::memory_order_relaxed);
  return nullptr;
}

inline reserved_memory* reserved_memory::obtain(const wish& what) noexcept {
  const std::size_t step = what.huge_pages ? kHugePageBytes : page_bytes();
  if (what.alignment > alignment_max || what.usable_bytes > SIZE_MAX / 2 / room_min) return nullptr;
  const std::size_t bytes = round_up(what.usable_bytes, step);
  reserved_memory* memory = reserve(bytes, what.reserve_bytes, what.huge_pages);
  if (memory == nullptr && what.may_move) {
    std::byte* base = map_aside(bytes, true, what.huge_pages);
    if (base == nullptr) return nullptr;
    memory = ::new (static_cast<void*>(base)) reserved_memory;
    memory->usable_ = memory->reserved_ = bytes;
    memory->huge_ = what.huge_pages;
  }
  if (memory == nullptr) return nullptr;
  memory->data_offset_ =
      static_cast<std::uint32_t>(what.alignment > header_bytes ? what.alignment : header_bytes);
  return memory;
}

inline void reserved_memory::release(reserved_memory* memory) noexcept {
  const std::size_t reserved = memory->reserved_;
  const bool stays = memory->stays_;
  memory->give_back(memory->step_bytes());
  ::munmap(memory->base(), reserved);
  if (stays) space_taken_.fetch_sub(reserved, std::memory_order_relaxed);
}

inline bool reserved_memory::extend(std::size_t bytes) noexcept {
  bytes = round_up(bytes, step_bytes());
  if (bytes <= usable_) return true;
  if (stays_) {
    if (bytes > reserved_) return false;
    std::byte* from = base() + usable_;
    const std::size_t more = bytes - usable_;
    if (::mprotect(from, more, PROT_READ | PROT_WRITE) != 0) return false;
    ::madvise(from, more, MADV_DODUMP);
  } else {
    if (::mremap(base(), usable_, bytes, 0) == MAP_FAILED) return false;
    reserved_ = bytes;
  }
  usable_ = bytes;
  return true;
}

inline reserved_memory* reserved_memory::move(reserved_memory* memory, std::size_t bytes,
                                              std::size_t reserve_bytes) noexcept {
  bytes = round_up(bytes, memory->step_bytes());
  const std::size_t old_usable = memory->usable_;
  if (!memory->stays_) {  // (3): all of it is one mapping
    void* got = ::mremap(memory->base(), old_usable, bytes, MREMAP_MAYMOVE);
    if (got == MAP_FAILED) return nullptr;
    auto* moved = static_cast<reserved_memory*>(got);
    moved->usable_ = moved->reserved_ = bytes;
    return moved;
  }
  // A new place, in which the usable part replaces the beginning; then the rest of the old one
  // goes.
  const std::size_t old_reserved = memory->reserved_;
  const std::size_t ready = memory->ready_;
  const std::uint32_t offset = memory->data_offset_;
  const bool huge = memory->huge_;
  std::byte* old_base = memory->base();
  reserved_memory* target = reserve(bytes, reserve_bytes, huge);
  if (target == nullptr) {
    std::byte* base = map_aside(bytes, true, huge);
    if (base == nullptr) return nullptr;
    target = ::new (static_cast<void*>(base)) reserved_memory;
    target->usable_ = target->reserved_ = bytes;
    target->huge_ = huge;
  }
  const reserved_memory fresh = *target;
  // All that is usable, so that it is one mapping again: pages that have moved don't merge with
  // others. (A reservation that was moved and then extended is two; moving that once more is
  // refused, and its owner copies.)
  if (::mremap(old_base, old_usable, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target->base()) ==
      MAP_FAILED) {
    if (fresh.stays_) space_taken_.fetch_sub(fresh.reserved_, std::memory_order_relaxed);
    ::munmap(target, fresh.reserved_);
    return nullptr;
  }
  if (old_reserved != old_usable) ::munmap(old_base + old_usable, old_reserved - old_usable);
  space_taken_.fetch_sub(old_reserved, std::memory_order_relaxed);
  *target = fresh;
  target->ready_ = ready;
  target->data_offset_ = offset;
  return target;
}

inline void reserved_memory::make_ready(std::size_t bytes) noexcept {
  bytes = round_up(bytes, step_bytes());
  if (bytes > usable_) bytes = usable_;
  if (bytes <= ready_) return;
#if !defined(MADV_POPULATE_WRITE)
  constexpr int MADV_POPULATE_WRITE = 23;
#endif
  if (populates_.load(std::memory_order_relaxed)) {
    // A refusal (no such call, or no memory now) is no error: the pages come at first touch.
    if (::madvise(base() + ready_, bytes - ready_, MADV_POPULATE_WRITE) != 0 && errno == EINVAL) {
      populates_.store(false, std::memory_order_relaxed);
    }
  }
  ready_ = bytes;
}

inline std::size_t reserved_memory::give_back(std::size_t bytes) noexcept {
  bytes = round_up(bytes, step_bytes());
  if (bytes < step_bytes()) bytes = step_bytes();  // the header stays
  // Pages may have been touched beyond ready_, up to usable_.
  std::size_t end = usable_;
  if (bytes >= end) return 0;
  const std::size_t returned = end - bytes;
  while (end > bytes) {
    const std::size_t from =
        end - bytes > give_back_bytes_step ? end - give_back_bytes_step : bytes;
    ::madvise(base() + from, end - from, MADV_DONTNEED);
    end = from;
  }
  if (ready_ > bytes) ready_ = bytes;
  return returned;
}

inline void reserved_memory::shrink(std::size_t bytes) noexcept {
  bytes = round_up(bytes, step_bytes());
  if (bytes < step_bytes()) bytes = step_bytes();
  if (bytes >= usable_) return;
  give_back(bytes);
  const std::size_t less = usable_ - bytes;
  if (stays_) {
    if (::mprotect(base() + bytes, less, PROT_NONE) != 0) return;
    ::madvise(base() + bytes, less, MADV_DONTDUMP);
  } else {
    if (::munmap(base() + bytes, less) != 0) return;
    reserved_ = bytes;
  }
  usable_ = bytes;
}

#else  // the heap is all there is

inline std::size_t reserved_memory::page_bytes() noexcept { return 4096; }
inline reserved_memory* reserved_memory::obtain(const wish&) noexcept { return nullptr; }
inline void reserved_memory::release(reserved_memory*) noexcept {}
inline bool reserved_memory::extend(std::size_t) noexcept { return false; }
inline reserved_memory* reserved_memory::move(reserved_memory*, std::size_t, std::size_t) noexcept {
  return nullptr;
}
inline void reserved_memory::make_ready(std::size_t) noexcept {}
inline std::size_t reserved_memory::give_back(std::size_t) noexcept { return 0; }
inline void reserved_memory::shrink(std::size_t) noexcept {}

#endif

}  // namespace ullage

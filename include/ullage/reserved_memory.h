// SPDX-License-Identifier: Apache-2.0
//
// reserved_memory: memory that becomes larger where it is. Address space is reserved once and costs
// nothing; memory is taken from its beginning, step by step, and given back from its end. What
// in_place arrays stand on.
//
//   | header: 64 B | data, ready | usable, untouched | reserved: no memory, no access |
//   base           data()        ready_bytes()       usable_bytes()     reserved_bytes() ^
//
// Promise   While usable_bytes() grows within reserved_bytes(), data() stays where it is and
//           nothing is copied. Beyond, and where address space can't be reserved, move() moves
//           pages, not bytes (mremap), so data() changes.
// Cost      One or two system calls per growth. make_ready() has the kernel put zeroed memory
//           behind the addresses (MADV_POPULATE_WRITE, Linux 5.14): about 30 us per 256 KiB of 4
//           KiB pages.
// Limits    Address space is shared: all of it together stays within limit_address_space() bytes,
//           by default 32 TiB of the 128 that a process has, and no reservation takes more than
//           1/64 of what is left. Under RLIMIT_AS nothing is reserved. Core dumps leave out what is
//           not usable (MADV_DONTDUMP).
// Threads   An object belongs to one thread at a time; different objects are independent.
// Where     64-bit Linux; elsewhere obtain() says no and containers stay on the heap.
#pragma once

#include <ullage/detail/system_memory.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__linux__) && defined(__LP64__)
#define ULLAGE_RESERVED_MEMORY 1
#else
#define ULLAGE_RESERVED_MEMORY 0
#endif

#if defined(__SANITIZE_THREAD__)
#define ULLAGE_SMALL_ADDRESS_SPACE 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ULLAGE_SMALL_ADDRESS_SPACE 1
#endif
#endif

namespace ullage {

/// Lives at the beginning of its own mapping, so a pointer to it is all one has to keep; of() finds
/// it again from data(). Byte counts include the header.
class [[gnu::visibility("default")]] reserved_memory {
 public:
  static constexpr bool supported = ULLAGE_RESERVED_MEMORY != 0;
  /// Data begins behind this, or at its own alignment if that is larger (up to 4096).
  static constexpr std::size_t header_bytes = 64;
  static constexpr std::size_t alignment_max = 4096;
  /// Memory is given back in steps of this, so that no other thread waits long for the kernel's
  /// lock on the address space.
  static constexpr std::size_t give_back_bytes_step = std::size_t{2} << 20;
  /// A reservation is worth it if there is room for this many times what is needed at once.
  static constexpr std::size_t room_min = 16;

  /// What is asked of obtain().
  struct wish {
    std::size_t usable_bytes = 0;   ///< at once
    std::size_t reserve_bytes = 0;  ///< in the end, at most
    std::size_t alignment = 0;      ///< of data()
    bool huge_pages = false;
    bool may_move = false;  ///< instead of a reservation, a mapping that grow() may move is fine
  };

  /// Memory of at least wish.usable_bytes, or null: not supported, or refused by the system.
  static reserved_memory* obtain(const wish& what) noexcept;
  /// Gives everything back.
  static void release(reserved_memory * memory) noexcept;
  /// The object whose data() is `data`.
  static reserved_memory* of(const void* data) noexcept {
    return reinterpret_cast<reserved_memory*>((reinterpret_cast<std::uintptr_t>(data) - 1) &
                                              ~std::uintptr_t{alignment_max - 1});
  }

  std::byte* base() noexcept { return reinterpret_cast<std::byte*>(this); }
  std::byte* data() noexcept { return base() + data_offset_; }
  std::size_t data_offset() const noexcept { return data_offset_; }
  std::size_t usable_bytes() const noexcept { return usable_; }
  std::size_t ready_bytes() const noexcept { return ready_; }
  std::size_t reserved_bytes() const noexcept { return reserved_; }
  /// True when data() stays where it is up to reserved_bytes().
  bool stays() const noexcept { return stays_; }

  /// Makes at least `bytes` usable where they are. False: refused, or more than reserved_bytes();
  /// nothing changed.
  [[nodiscard]] bool extend(std::size_t bytes) noexcept;
  /// Makes at least `bytes` usable by moving the pages elsewhere, with `reserve_bytes` of address
  /// space if they are to be had. Null: refused, and nothing changed.
  [[nodiscard]] static reserved_memory* move(reserved_memory * memory, std::size_t bytes,
                                             std::size_t reserve_bytes) noexcept;
  /// Has the kernel put memory behind the first `bytes`; they count as ready even where it can't do
  /// so ahead, and are then filled at first touch.
  void make_ready(std::size_t bytes) noexcept;
  /// Gives the pages beyond `bytes` back; they stay usable. Returns how many bytes that were.
  std::size_t give_back(std::size_t bytes) noexcept;
  /// Gives the pages beyond `bytes` back, and the right to use them.
  void shrink(std::size_t bytes) noexcept;

  /// All address space that may be reserved by the process. 0: no array reserves any.
  static void limit_address_space(std::size_t bytes) noexcept {
    space_max_.store(bytes, std::memory_order_relaxed);
  }
  static std::size_t address_space_limit() noexcept {
    return space_max_.load(std::memory_order_relaxed);
  }
  /// What is reserved now.
  static std::size_t address_space_taken() noexcept {
    return space_taken_.load(std::memory_order_relaxed);
  }

  static std::size_t page_bytes() noexcept;
  /// What becomes usable when so many bytes are asked for.
  static std::size_t whole_pages(std::size_t bytes, bool huge_pages) noexcept {
    return round_up(bytes, huge_pages ? kHugePageBytes : page_bytes());
  }

 private:
  reserved_memory() = default;

  static constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

  std::size_t step_bytes() const noexcept { return huge_ ? kHugePageBytes : page_bytes(); }
  static std::size_t round_up(std::size_t bytes, std::size_t step) noexcept {
    return (bytes + step - 1) / step * step;
  }
  static std::size_t take_address_space(std::size_t needed, std::size_t wanted,
                                        std::size_t step) noexcept;
  static std::byte* map_aside(std::size_t bytes, bool usable, bool huge) noexcept;
  static reserved_memory* reserve(std::size_t bytes, std::size_t reserve_bytes, bool huge) noexcept;

  std::size_t usable_ = 0;    // from base(): readable and writable
  std::size_t ready_ = 0;     // from base(): has memory, as far as we know
  std::size_t reserved_ = 0;  // from base(): ours
  std::uint32_t data_offset_ = 0;
  bool stays_ = false;
  bool huge_ = false;

#if defined(ULLAGE_SMALL_ADDRESS_SPACE)
  static constexpr std::size_t kSpaceMax = std::size_t{256} << 30;
#else
  static constexpr std::size_t kSpaceMax =
      supported ? std::size_t{1} << (sizeof(void*) == 8 ? 45 : 1) : 0;
#endif
  static inline std::atomic<std::size_t> space_max_{kSpaceMax};
  static inline std::atomic<std::size_t> space_taken_{0};
  static inline std::atomic<bool> populates_{true};  // until the kernel says that it can't
};
static_assert(sizeof(reserved_memory) <= reserved_memory::header_bytes);

}  // namespace ullage

#include <ullage/detail/reserved_memory.h>

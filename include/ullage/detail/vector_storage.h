// SPDX-License-Identifier: Apache-2.0
//
// vector_storage: the memory of a vector: where its elements are, where they could go, and whom it
// asks and tells. It constructs no elements.
//
// Invariants (1) [begin, end) are elements, [end, limit) is memory ready for more. (2) On the heap
// limit is the capacity; mapped, it is what the kernel was told to make ready, and capacity() is
// what may be used. (3) The budgets of the site know of exactly bytes_held().
#pragma once

#include <ullage/detail/relocate.h>
#include <ullage/growth.h>
#include <ullage/growth_policy.h>
#include <ullage/reserved_memory.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace ullage::detail {

// Mapped memory becomes usable in steps of a quarter of itself within these bounds: few events, and
// little that a budget has to count and nobody has touched.
inline constexpr std::size_t kUsableBytesStepMin = std::size_t{64} << 10;
inline constexpr std::size_t kUsableBytesStepMax = std::size_t{64} << 20;
// Memory becomes ready in steps of a quarter, too, from this up to
// in_place_options::ready_bytes_step.
inline constexpr std::size_t kReadyBytesStepMin = std::size_t{32} << 10;

constexpr std::size_t quarter_within(std::size_t bytes, std::size_t least,
                                     std::size_t most) noexcept {
  return bytes / 4 < least ? least : (bytes / 4 > most ? most : bytes / 4);
}

// Calls that say how many elements there will be get just that much room.
constexpr bool knows_its_size(growth_cause cause) noexcept {
  return cause == growth_cause::reserve || cause == growth_cause::construct ||
         cause == growth_cause::assign || cause == growth_cause::shrink;
}

template <class T, class Policy, class Allocator>
class growth_attempt;

template <class T, class Policy, class Allocator>
class vector_storage {
  friend class growth_attempt<T, Policy, Allocator>;

 protected:
  static constexpr int kPeakBits = std::numeric_limits<std::size_t>::digits - 2;
  static constexpr std::size_t kPeakMax = (std::size_t{1} << kPeakBits) - 1;

  using traits = std::allocator_traits<Allocator>;
  using attempt = growth_attempt<T, Policy, Allocator>;

  // A function, not a constant: T may be incomplete until a member is used.
  static constexpr bool may_map() noexcept {
    if constexpr (in_place_policy<Policy> && std::is_same_v<Allocator, std::allocator<T>>) {
      return reserved_memory::supported && alignof(T) <= reserved_memory::alignment_max;
    } else {
      return false;
    }
  }
  static constexpr bool by_bytes() noexcept { return relocates_by_bytes<T, Allocator>; }

  constexpr vector_storage(const Allocator& allocator, growth_site* site) noexcept
      : site_(site), allocator_(allocator) {}
  constexpr vector_storage(Allocator&& allocator, growth_site* site) noexcept
      : site_(site), allocator_(std::move(allocator)) {}
  vector_storage(const vector_storage&) = delete;
  vector_storage& operator=(const vector_storage&) = delete;
  constexpr ~vector_storage() = default;

  constexpr std::size_t count() const noexcept { return static_cast<std::size_t>(end_ - begin_); }
  constexpr std::size_t ready_count() const noexcept {
    return static_cast<std::size_t>(limit_ - begin_);
  }
  constexpr std::size_t spare_ready() const noexcept {
    return static_cast<std::size_t>(limit_ - end_);
  }
  constexpr std::size_t room() const noexcept {
    if constexpr (may_map()) {
      if (mapped_) return mapped_room();
    }
    return ready_count();
  }
  constexpr std::size_t bytes_held() const noexcept {
    if constexpr (may_map()) {
      if (mapped_) return region()->usable_bytes();
    }
    return ready_count() * sizeof(T);
  }
  constexpr std::size_t count_max() const noexcept {
    const std::size_t ours =
        static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T);
    const std::size_t theirs = traits::max_size(allocator_);
    return ours < theirs ? ours : theirs;
  }

  reserved_memory* region() const noexcept { return reserved_memory::of(begin_); }
  std::size_t mapped_room() const noexcept {
    return (region()->usable_bytes() - region()->data_offset()) / sizeof(T);
  }
  // What in_place memory takes in all for `elements`.
  static std::size_t mapped_bytes(std::size_t elements) noexcept {
    const std::size_t offset =
        alignof(T) > reserved_memory::header_bytes ? alignof(T) : reserved_memory::header_bytes;
    return offset + elements * sizeof(T);
  }
  // What budgets are asked for.
  static std::size_t whole_pages(std::size_t bytes) noexcept {
    return reserved_memory::whole_pages(bytes, Policy::options.huge_pages);
  }

  // True when making room for `needed` would give the elements other addresses although there are
  // never two of each: whoever still has to read an old element must do so before.
  constexpr bool pages_would_move(std::size_t needed) const noexcept {
    if constexpr (may_map() && by_bytes()) {
      if (mapped_) {
        const std::size_t bytes = mapped_bytes(needed);
        return bytes > region()->usable_bytes() &&
               (!region()->stays() || bytes > region()->reserved_bytes());
      }
    }
    return false;
  }

  // Has the kernel put memory behind room for `needed` elements and a step more, and moves the
  // limit.
  void make_ready(std::size_t needed) noexcept {
    reserved_memory* memory = region();
    const std::size_t bytes = mapped_bytes(needed);
    const std::size_t step =
        quarter_within(bytes, kReadyBytesStepMin, Policy::options.ready_bytes_step);
    memory->make_ready(bytes + (step - bytes % step));
    set_limit();
  }
  void set_limit() noexcept {
    const reserved_memory* memory = region();
    limit_ = begin_ + (memory->ready_bytes() - memory->data_offset()) / sizeof(T);
  }

  constexpr T* allocate(std::size_t elements) {
    return std::to_address(traits::allocate(allocator_, elements));
  }
  constexpr void deallocate(T* first, std::size_t elements) noexcept {
    if (first == nullptr) return;
    using pointer = typename traits::pointer;
    if constexpr (std::is_pointer_v<pointer>) {
      traits::deallocate(allocator_, first, elements);
    } else {
      traits::deallocate(allocator_, std::pointer_traits<pointer>::pointer_to(*first), elements);
    }
  }
  // Gives the memory back; there are no elements in it any more.
  constexpr void free_memory() noexcept {
    if constexpr (may_map()) {
      if (mapped_) {
        reserved_memory::release(region());
        mapped_ = false;
        begin_ = end_ = limit_ = nullptr;
        return;
      }
    }
    deallocate(begin_, ready_count());
    begin_ = end_ = limit_ = nullptr;
  }

  constexpr void adjust(std::size_t before, std::size_t after) const noexcept {
    if (site_ != nullptr && before != after) {
      adjust_growth(site_, static_cast<std::int64_t>(after) - static_cast<std::int64_t>(before));
    }
  }
  void report(growth_kind kind, growth_cause cause, std::size_t bytes_before,
              std::size_t capacity_before, std::size_t moved, std::uint64_t started) noexcept {
    growth_event event;
    event.kind = kind;
    event.cause = cause;
    event.container = this;
    event.type = "vector";
    event.bytes_before = bytes_before;
    event.bytes_after = bytes_held();
    event.capacity_before = capacity_before;
    event.capacity_after = room();
    event.elements = count();
    event.moved = moved;
    event.element_bytes = static_cast<std::uint32_t>(sizeof(T));
    report_growth(site_, event, started);
  }

  // The largest size so far. Called before elements go.
  constexpr void note_peak() noexcept {
    if (count() > peak_) peak_ = count() & kPeakMax;
  }
  // An end of what the site remembers: the vector is emptied or ends. An empty one that was
  // remembered before is not counted twice.
  constexpr void remember() noexcept {
    if (site_ != nullptr) {
      note_peak();
      if (peak_ != 0 || !remembered_) site_->remember(peak_);
      remembered_ = true;
    }
    peak_ = 0;
  }

  // Takes the memory and the elements of `other`, which has none afterwards. What both sites'
  // budgets know follows; the allocators are the caller's business.
  constexpr void take_memory(vector_storage& other) noexcept {
    const std::size_t bytes = other.bytes_held();
    other.note_peak();
    begin_ = std::exchange(other.begin_, nullptr);
    end_ = std::exchange(other.end_, nullptr);
    limit_ = std::exchange(other.limit_, nullptr);
    mapped_ = other.mapped_;
    other.mapped_ = false;
    if (site_ != other.site_) {
      other.adjust(bytes, 0);
      adjust(0, bytes);
    }
    if (other.peak_ > peak_) peak_ = other.peak_;
    other.peak_ = 0;
    other.remembered_ = true;  // what was in it is remembered where it went
  }
  constexpr void swap_memory(vector_storage& other) noexcept {
    const std::size_t mine = bytes_held();
    const std::size_t theirs = other.bytes_held();
    note_peak();
    other.note_peak();
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(limit_, other.limit_);
    const bool mapped = mapped_;
    mapped_ = other.mapped_;
    other.mapped_ = mapped;
    if (site_ != other.site_) {
      adjust(mine, theirs);
      other.adjust(theirs, mine);
    }
    const std::size_t peak = peak_;
    peak_ = other.peak_;
    other.peak_ = peak & kPeakMax;
  }

  T* begin_ = nullptr;
  T* end_ = nullptr;
  T* limit_ = nullptr;
  growth_site* site_ = nullptr;
  std::size_t peak_ : kPeakBits = 0;
  bool mapped_ : 1 = false;
  bool remembered_ : 1 = false;
  [[no_unique_address]] Allocator allocator_;
};

}  // namespace ullage::detail

#include <ullage/detail/growth_attempt.h>

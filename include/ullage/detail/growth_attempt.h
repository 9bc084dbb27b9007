// SPDX-License-Identifier: Apache-2.0
//
// growth_attempt: one growth of a vector, from the question to the report.
//
//   attempt grown(*this, needed, cause, true);       // asks; may throw, and then nothing changed
//   if (grown.in_place()) ...                        // there is room now where the elements are
//   else { construct at grown.begin() + ...; transfer; grown.adopt(end, moved); }
//
// Unless adopted, new memory is given back and the budgets are told.
#pragma once

#include <ullage/detail/vector_storage.h>

namespace ullage::detail {

template <class T, class Policy, class Allocator>
class growth_attempt {
  using storage = vector_storage<T, Policy, Allocator>;

 public:
  // `throws` says what a denial does; without it, denied() tells. `advised` room is none that the
  // call needs: it is forgone where the budget wants the least.
  constexpr growth_attempt(storage& vector, std::size_t needed, growth_cause cause, bool throws,
                           bool advised = false)
      : vector_(vector), cause_(cause), advised_(advised) {
    if constexpr (storage::may_map()) {
      if (vector.mapped_ && storage::mapped_bytes(needed) <= vector.region()->usable_bytes()) {
        vector.make_ready(needed);  // no growth: the capacity is there
        return;
      }
    }
    if (!std::is_constant_evaluated()) started_ = growth_start_ns(vector.site_);
    bytes_before_ = accounted_ = vector.bytes_held();
    capacity_before_ = vector.room();
    if constexpr (storage::may_map()) {
      if (vector.mapped_ && extend(needed)) {
        if (denied_) refuse(throws);
        return;
      }
    }
    obtain(needed);
    if (denied_) refuse(throws);
  }
  growth_attempt(const growth_attempt&) = delete;
  growth_attempt& operator=(const growth_attempt&) = delete;

  constexpr ~growth_attempt() {
    if (begin_ == nullptr) return;
    if constexpr (storage::may_map()) {
      if (mapped_) {
        reserved_memory::release(reserved_memory::of(begin_));
        vector_.adjust(accounted_, bytes_before_);
        return;
      }
    }
    vector_.deallocate(begin_, capacity_);
    vector_.adjust(accounted_, bytes_before_);
  }

  constexpr bool denied() const noexcept { return denied_; }
  constexpr bool in_place() const noexcept { return begin_ == nullptr; }
  constexpr T* begin() const noexcept { return begin_; }

  // All elements are in the new memory, [begin(), end); `moved` of them come from the old one,
  // whose elements are forgotten.
  constexpr void adopt(T* end, std::size_t moved) noexcept {
    storage& v = vector_;
    forget_range(v.allocator_, v.begin_, v.end_);
    replace(end, moved);
  }
  // The same when the elements that were there have been ended by the caller.
  constexpr void replace(T* end, std::size_t moved) noexcept {
    storage& v = vector_;
    v.note_peak();
    v.free_memory();
    v.begin_ = begin_;
    v.end_ = end;
    v.limit_ = begin_ + capacity_;
    begin_ = nullptr;
    if constexpr (storage::may_map()) {
      v.mapped_ = mapped_;
      if (mapped_) v.set_limit();
    }
    v.remembered_ = false;
    if (!std::is_constant_evaluated()) {
      v.report(kind_, cause_, bytes_before_, capacity_before_, moved, started_);
    }
  }

 private:
  constexpr void refuse(bool throws) {
    if (!std::is_constant_evaluated() && !forgone_) {
      vector_.report(growth_kind::denied, cause_, bytes_before_, capacity_before_, 0, started_);
    }
    if (throws) throw growth_denied();
  }

  // Asks for `wanted` bytes; on "degrade" that becomes `least`. False: denied.
  constexpr bool admit(growth_kind kind, std::size_t& wanted, std::size_t least,
                       std::size_t at_peak) noexcept {
    kind_ = kind;
    if (vector_.site_ == nullptr) return true;
    if (cause_ == growth_cause::shrink) {  // who gives memory back need not ask
      settle(wanted);
      return true;
    }
    growth_request request;
    request.kind = kind;
    request.cause = cause_;
    request.site = vector_.site_;
    request.container = &vector_;
    request.type = "vector";
    request.bytes_now = bytes_before_;
    request.bytes_wanted = wanted;
    request.bytes_at_peak = at_peak;
    request.elements = vector_.count();
    const growth_answer answer = ask_growth(vector_.site_, request);
    if (answer == growth_answer::deny) {
      denied_ = true;
      return false;
    }
    accounted_ = wanted;
    if (answer == growth_answer::degrade && advised_) {
      settle(bytes_before_);
      denied_ = forgone_ = true;
      return false;
    }
    if (answer == growth_answer::degrade && wanted != least) {
      wanted = least;
      kind_ = growth_kind::degraded;
      settle(wanted);
    }
    return true;
  }
  // Tells the budgets that it is `bytes` now, whatever was asked for.
  constexpr void settle(std::size_t bytes) noexcept {
    vector_.adjust(accounted_, bytes);
    accounted_ = bytes;
  }

  // More room where the elements are, or by moving pages. False: it has to be new memory. Throws
  // bad_alloc when the system refuses what the reservation would allow.
  bool extend(std::size_t needed) {
    storage& v = vector_;
    reserved_memory* memory = v.region();
    const std::size_t least = storage::whole_pages(storage::mapped_bytes(needed));
    const bool fits = memory->stays() && least <= memory->reserved_bytes();
    if (!fits && !storage::by_bytes()) {
      kind_ = growth_kind::exhausted;
      return false;
    }
    std::size_t wanted = next_mapped_bytes(memory->usable_bytes(), least);
    if (fits && wanted > memory->reserved_bytes()) wanted = memory->reserved_bytes();
    const growth_kind kind =
        memory->stays() && !fits ? growth_kind::exhausted : growth_kind::extended;
    if (!admit(kind, wanted, least, wanted)) return true;
    if (!memory->extend(wanted) && !memory->extend(least)) {
      if (fits) {
        settle(bytes_before_);
        throw std::bad_alloc();
      }
      if constexpr (storage::by_bytes()) {
        memory = reserved_memory::move(memory, wanted, Policy::options.reserve_bytes);
      }
      if (memory == nullptr) {
        settle(bytes_before_);
        return false;
      }
      const std::size_t elements = v.count();
      v.begin_ = reinterpret_cast<T*>(memory->data());
      v.end_ = v.begin_ + elements;
      if (kind_ == growth_kind::extended) kind_ = growth_kind::moved;
    }
    settle(memory->usable_bytes());
    // Known sizes are filled by the caller at its own pace: only what it holds is made ready.
    v.make_ready(cause_ == growth_cause::reserve ? v.count() : needed);
    v.report(kind_, cause_, bytes_before_, capacity_before_, 0, started_);
    return true;
  }

  // New memory. denied_: nothing was obtained.
  constexpr void obtain(std::size_t needed) {
    const std::size_t count_max = vector_.count_max();
    std::size_t wanted = needed;
    if (!knows_its_size(cause_)) {
      wanted = Policy::next_capacity(vector_.room(), needed, sizeof(T));
      if (wanted < needed || wanted > count_max) wanted = count_max;
    }
    if constexpr (storage::may_map()) {
      constexpr std::size_t heap_max = Policy::options.heap_bytes_max / sizeof(T);
      if (!std::is_constant_evaluated()) {
        if (needed > heap_max) {
          if (obtain_mapped(needed) || denied_) return;
        } else if (wanted > heap_max) {
          wanted = heap_max;
        }
      }
    }
    const bool first = bytes_before_ == 0;
    if (cause_ == growth_cause::shrink) {
      kind_ = growth_kind::shrunk;
    } else if (kind_ != growth_kind::exhausted) {
      kind_ = first ? growth_kind::first : growth_kind::moved;
    }
    std::size_t bytes = wanted * sizeof(T);
    const std::size_t least = needed * sizeof(T);
    if (!admit(kind_, bytes, least, bytes_before_ + bytes)) return;
    capacity_ = bytes / sizeof(T);
    allocate();
  }
  constexpr void allocate() {
    struct undo {
      growth_attempt& attempt;
      constexpr ~undo() {
        if (attempt.begin_ == nullptr) attempt.settle(attempt.bytes_before_);
      }
    } const later{*this};
    begin_ = vector_.allocate(capacity_);
  }

  // False: the system has no such memory, or the budget said no (denied_).
  bool obtain_mapped(std::size_t needed) {
    const growth_kind kind = kind_ == growth_kind::exhausted ? kind_
                             : bytes_before_ == 0            ? growth_kind::first
                                                             : growth_kind::moved;
    const std::size_t least = storage::whole_pages(storage::mapped_bytes(needed));
    std::size_t bytes = next_mapped_bytes(bytes_before_, least);
    if (!admit(kind, bytes, least, bytes_before_ + bytes)) return false;
    reserved_memory::wish wish;
    wish.usable_bytes = bytes;
    wish.reserve_bytes = Policy::options.reserve_bytes;
    wish.alignment = alignof(T);
    wish.huge_pages = Policy::options.huge_pages;
    wish.may_move = storage::by_bytes();
    reserved_memory* memory = reserved_memory::obtain(wish);
    if (memory == nullptr) {
      settle(bytes_before_);
      return false;
    }
    settle(memory->usable_bytes());
    mapped_ = true;
    begin_ = reinterpret_cast<T*>(memory->data());
    capacity_ = (memory->usable_bytes() - memory->data_offset()) / sizeof(T);
    const std::size_t held =
        storage::mapped_bytes(cause_ == growth_cause::reserve ? vector_.count() : needed);
    const std::size_t step =
        quarter_within(held, kReadyBytesStepMin, Policy::options.ready_bytes_step);
    memory->make_ready(held + (step - held % step));
    return true;
  }

  std::size_t next_mapped_bytes(std::size_t usable, std::size_t least) const noexcept {
    if (knows_its_size(cause_)) return least;
    const std::size_t step = quarter_within(usable, kUsableBytesStepMin, kUsableBytesStepMax);
    const std::size_t more = storage::whole_pages(usable + step);
    return more > least ? more : least;
  }

  storage& vector_;
  T* begin_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t bytes_before_ = 0;
  std::size_t capacity_before_ = 0;
  std::size_t accounted_ = 0;
  std::uint64_t started_ = 0;
  growth_cause cause_;
  const bool advised_;
  growth_kind kind_ = growth_kind::first;
  bool mapped_ = false;
  bool denied_ = false;
  bool forgone_ = false;  // denied, by ourselves
};

}  // namespace ullage::detail

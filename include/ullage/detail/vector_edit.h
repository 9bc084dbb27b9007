// SPDX-License-Identifier: Apache-2.0
//
// The bodies of vector's members that change what is in it.
//
// Every insertion follows one scheme: make room, construct the new elements in it, and only then
// let the old ones follow. A constructor that throws finds everything else as it was.
#pragma once

#include <ullage/vector.h>

namespace ullage {

// Ends the elements and gives the memory back, wherever it is from.
template <class T, growth_policy Policy, class Allocator>
constexpr void vector<T, Policy, Allocator>::drop() noexcept {
  detail::destroy_range(allocator_, begin_, end_);
  this->adjust(this->bytes_held(), 0);
  this->free_memory();
}

template <class T, growth_policy Policy, class Allocator>
constexpr void vector<T, Policy, Allocator>::start_with_experience(size_type n) {
  const std::uint64_t expected = site_->expected();
  if (expected <= n) return;
  // Experience is advice: without it, the vector starts empty and grows.
  try {
    const auto room = static_cast<size_type>(std::min<std::uint64_t>(expected, max_size()));
    attempt grown(*this, room, growth_cause::construct, false, true);
    if (!grown.denied() && !grown.in_place()) grown.adopt(grown.begin(), 0);
  } catch (const std::bad_alloc&) {
  }
}

// The elements of a vector that has none yet. Nothing can move, so T need not be movable.
template <class T, growth_policy Policy, class Allocator>
template <class Fill>
constexpr void vector<T, Policy, Allocator>::start_from(size_type n, Fill fill) {
  if (n == 0) return;
  if (n > this->spare_ready()) {
    attempt grown(*this, checked_size(n), growth_cause::construct, true);
    if (!grown.in_place()) {
      grown.replace(fill(grown.begin()), 0);
      return;
    }
  }
  end_ = fill(end_);
}

template <class T, growth_policy Policy, class Allocator>
template <class... Value>
constexpr void vector<T, Policy, Allocator>::start_with(size_type n, const Value&... value) {
  start_from(n, [&](T* at) {
    detail::under_construction<T, Allocator> made(allocator_, at);
    for (size_type i = 0; i < n; ++i) made.add(value...);
    return made.keep();
  });
}

template <class T, growth_policy Policy, class Allocator>
template <class It>
constexpr void vector<T, Policy, Allocator>::start_with_range(It first, It last) {
  if constexpr (detail::reads_again<It>) {
    start_from(distance_if_known(first, last), [&](T* at) {
      detail::under_construction<T, Allocator> made(allocator_, at);
      for (It it = first; it != last; ++it) made.add(*it);
      return made.keep();
    });
  } else {
    append_range_as(first, last, growth_cause::construct);
  }
}

// Room for `n` elements in all. False: denied, if that does not throw.
template <class T, growth_policy Policy, class Allocator>
constexpr bool vector<T, Policy, Allocator>::make_room(size_type n, growth_cause cause,
                                                       bool throws) {
  if (n > max_size()) throw std::length_error("ullage::vector: more elements than max_size()");
  if (n <= capacity()) return true;
  attempt grown(*this, n, cause, throws);
  if (grown.denied()) return false;
  if (grown.in_place()) return true;
  T* end = detail::transfer(allocator_, begin_, end_, grown.begin());
  grown.adopt(end, size());
  return true;
}

template <class T, growth_policy Policy, class Allocator>
template <class... Args>
constexpr bool vector<T, Policy, Allocator>::emplace_slow(bool throws, Args&&... args) {
  const size_type needed = checked_size(1);
  if constexpr (storage::may_map() && storage::by_bytes()) {
    if (this->pages_would_move(needed)) {  // what args refer to may be in one of these pages
      detail::element_aside<T, Allocator> built(allocator_, std::forward<Args>(args)...);
      attempt grown(*this, needed, growth_cause::append, throws);
      if (grown.denied()) return false;
      T* at = end_;
      if (!grown.in_place()) at = detail::transfer(allocator_, begin_, end_, grown.begin());
      built.move_bytes_to(at);
      if (grown.in_place()) {
        ++end_;
      } else {
        grown.adopt(at + 1, size());
      }
      return true;
    }
  }
  attempt grown(*this, needed, growth_cause::append, throws);
  if (grown.denied()) return false;
  if (grown.in_place()) {
    traits::construct(allocator_, end_, std::forward<Args>(args)...);
    ++end_;
    return true;
  }
  detail::under_construction<T, Allocator> made(allocator_, grown.begin() + size());
  made.add(std::forward<Args>(args)...);
  detail::transfer(allocator_, begin_, end_, grown.begin());
  grown.adopt(made.keep(), size());
  return true;
}

// `fill(at)` constructs n elements from `at` on, or none, and returns their end.
template <class T, growth_policy Policy, class Allocator>
template <class Fill>
constexpr void vector<T, Policy, Allocator>::append_with(size_type n, growth_cause cause,
                                                         Fill fill) {
  if (n == 0) return;
  if (n <= this->spare_ready()) {
    end_ = fill(end_);
    return;
  }
  attempt grown(*this, checked_size(n), cause, true);
  if (grown.in_place()) {
    end_ = fill(end_);
    return;
  }
  T* const first = grown.begin() + size();
  detail::under_construction<T, Allocator> made(allocator_, first);
  made.built(static_cast<size_type>(fill(first) - first));
  detail::transfer(allocator_, begin_, end_, grown.begin());
  grown.adopt(made.keep(), size());
}

template <class T, growth_policy Policy, class Allocator>
template <class It>
constexpr void vector<T, Policy, Allocator>::append_range_as(It first, It last,
                                                             growth_cause cause) {
  if constexpr (detail::reads_again<It>) {
    append_with(distance_if_known(first, last), cause, [&](T* at) {
      detail::under_construction<T, Allocator> made(allocator_, at);
      for (It it = first; it != last; ++it) made.add(*it);
      return made.keep();
    });
  } else {
    for (; first != last; ++first) emplace_back(*first);
  }
}

// Ends the elements from `at` on. Assigns none, so that they need not be assignable.
template <class T, growth_policy Policy, class Allocator>
constexpr void vector<T, Policy, Allocator>::truncate(T* at) noexcept {
  this->note_peak();
  detail::destroy_range(allocator_, at, end_);
  end_ = at;
}

template <class T, growth_policy Policy, class Allocator>
template <class... Value>
constexpr void vector<T, Policy, Allocator>::resize_as(size_type n, const Value&... value) {
  if (n <= size()) {
    truncate(begin_ + n);
    return;
  }
  if (sizeof...(Value) != 0 && this->pages_would_move(n)) {
    if constexpr (sizeof...(Value) == 1 && storage::may_map()) {
      // `value` may be in one of these pages.
      const detail::element_aside<T, Allocator> copy(allocator_, value...);
      make_room(n, growth_cause::resize, true);
      return resize_as(n, copy.value);
    }
  }
  const size_type more = n - size();
  append_with(more, growth_cause::resize, [&](T* at) {
    detail::under_construction<T, Allocator> made(allocator_, at);
    for (size_type i = 0; i < more; ++i) made.add(value...);
    return made.keep();
  });
}

template <class T, growth_policy Policy, class Allocator>
constexpr void vector<T, Policy, Allocator>::assign(size_type n, const T& value) {
  if (n <= this->ready_count()) {
    const size_type kept = std::min(n, size());
    std::fill(begin_, begin_ + kept, value);
    resize_as(n, value);
    return;
  }
  if (n > max_size()) throw std::length_error("ullage::vector: more elements than max_size()");
  if (this->pages_would_move(n)) {
    if constexpr (storage::may_map()) {
      // `value` may be in one of these pages.
      const detail::element_aside<T, Allocator> copy(allocator_, value);
      make_room(n, growth_cause::assign, true);
      return assign(n, copy.value);
    }
  }
  attempt grown(*this, n, growth_cause::assign, true);
  if (grown.in_place()) return assign(n, value);
  detail::under_construction<T, Allocator> made(allocator_, grown.begin());
  for (size_type i = 0; i < n; ++i) made.add(value);
  detail::destroy_range(allocator_, begin_, end_);
  grown.replace(made.keep(), 0);
}

template <class T, growth_policy Policy, class Allocator>
template <detail::reads It>
constexpr void vector<T, Policy, Allocator>::assign(It first, It last) {
  if constexpr (detail::reads_again<It>) {
    const size_type n = distance_if_known(first, last);
    if (n > this->ready_count()) {
      if (n > max_size()) throw std::length_error("ullage::vector: more elements than max_size()");
      attempt grown(*this, n, growth_cause::assign, true);
      if (!grown.in_place()) {
        detail::under_construction<T, Allocator> made(allocator_, grown.begin());
        for (; first != last; ++first) made.add(*first);
        detail::destroy_range(allocator_, begin_, end_);
        grown.replace(made.keep(), 0);
        return;
      }
    }
  }
  T* at = begin_;
  for (; first != last && at != end_; ++first, (void)++at) *at = *first;
  if (at != end_) {
    truncate(at);
  } else {
    append_range_as(first, last, growth_cause::assign);
  }
}

template <class T, growth_policy Policy, class Allocator>
constexpr vector<T, Policy, Allocator>& vector<T, Policy, Allocator>::operator=(
    const vector& other) {
  if (this == &other) return *this;
  if constexpr (traits::propagate_on_container_copy_assignment::value) {
    if (!traits::is_always_equal::value && allocator_ != other.allocator_) {
      this->note_peak();
      drop();
    }
    allocator_ = other.allocator_;
  }
  assign(other.begin_, other.end_);
  return *this;
}

template <class T, growth_policy Policy, class Allocator>
constexpr vector<T, Policy, Allocator>& vector<T, Policy, Allocator>::operator=(
    vector&& other) noexcept(traits::propagate_on_container_move_assignment::value ||
                             traits::is_always_equal::value) {
  if (this == &other) return *this;
  if constexpr (!traits::propagate_on_container_move_assignment::value &&
                !traits::is_always_equal::value) {
    if (allocator_ != other.allocator_) {
      assign(std::make_move_iterator(other.begin_), std::make_move_iterator(other.end_));
      other.clear();
      return *this;
    }
  }
  this->note_peak();
  drop();
  if constexpr (traits::propagate_on_container_move_assignment::value) {
    allocator_ = std::move(other.allocator_);
  }
  this->take_memory(other);
  return *this;
}

template <class T, growth_policy Policy, class Allocator>
constexpr void vector<T, Policy, Allocator>::clear() noexcept {
  this->remember();
  detail::destroy_range(allocator_, begin_, end_);
  end_ = begin_;
  if constexpr (storage::may_map()) {
    if (this->mapped_) {
      constexpr std::size_t kept = Policy::options.kept_on_clear_bytes;
      if (this->region()->usable_bytes() > kept) {
        this->region()->give_back(kept);
        this->set_limit();
      }
    }
  }
}

template <class T, growth_policy Policy, class Allocator>
constexpr void vector<T, Policy, Allocator>::shrink_to_fit() {
  if (size() == capacity()) return;
  const size_type bytes_before = this->bytes_held();
  const size_type capacity_before = capacity();
  if constexpr (storage::may_map()) {
    if (this->mapped_ && !empty()) {
      const std::uint64_t started = growth_start_ns(site_);
      this->region()->shrink(this->mapped_bytes(size()));
      this->set_limit();
      this->adjust(bytes_before, this->bytes_held());
      this->report(growth_kind::shrunk, growth_cause::shrink, bytes_before, capacity_before, 0,
                   started);
      return;
    }
  }
  if (empty()) {
    this->adjust(bytes_before, 0);
    this->free_memory();
    if (!std::is_constant_evaluated()) {
      this->report(growth_kind::shrunk, growth_cause::shrink, bytes_before, capacity_before, 0, 0);
    }
    return;
  }
  try {  // a request, not a promise: without memory for the smaller array, the larger one stays
    attempt grown(*this, size(), growth_cause::shrink, true);
    T* end = detail::transfer(allocator_, begin_, end_, grown.begin());
    grown.adopt(end, size());
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
//
// The bodies of vector's members that insert in the middle and erase.
//
// In room that is there, the tail moves up once and leaves a gap, which is then filled; if that
// fails, the tail comes back. (std::vector fills by assigning to what has been moved from, which
// needs assignable elements and can't go back.)
#pragma once

#include <ullage/detail/vector_edit.h>

namespace ullage {

namespace detail {

// Opens a gap of `n` at `at` by moving the bytes up to `end`, and has it filled; closes it again
// when that throws.
template <class T, class Fill>
void fill_gap_of_bytes(T* at, T* end, std::size_t n, Fill& fill) {
  struct gap {
    T* at;
    std::size_t n;
    std::size_t tail;
    bool filled = false;
    ~gap() {
      if (!filled) copy_bytes(at, at + n, tail);
    }
  } open{at, n, static_cast<std::size_t>(end - at)};
  copy_bytes(at + n, at, open.tail);
  fill(at);
  open.filled = true;
}

}  // namespace detail

// Opens a gap of `n` at `at`, in room that is there, and has it filled.
template <class T, growth_policy Policy, class Allocator>
template <class Fill>
constexpr void vector<T, Policy, Allocator>::fill_gap(T* at, size_type n, Fill fill) {
  if (detail::by_bytes_now<T, Allocator>()) {
    detail::fill_gap_of_bytes(at, end_, n, fill);
    end_ += n;
    return;
  }
  // One by one from the end, each into room that is empty: behind the end, or where the one before
  // has just left. While this goes on, [begin, end) and [upper, upper_end) are elements.
  struct tail_moved {
    vector& v;
    T* upper;
    T* upper_end;
    constexpr ~tail_moved() { detail::destroy_range(v.allocator_, upper, upper_end); }
  } tail{*this, end_ + n, end_ + n};
  while (end_ != at) {
    traits::construct(allocator_, tail.upper - 1, std::move(end_[-1]));
    --tail.upper;
    --end_;
    traits::destroy(allocator_, end_);
  }
  T* const all = tail.upper_end;
  if constexpr (std::is_nothrow_move_constructible_v<T>) {
    struct back {  // puts the tail back where it was
      tail_moved& tail;
      bool filled = false;
      constexpr ~back() {
        if (filled) return;
        vector& v = tail.v;
        while (tail.upper != tail.upper_end) {
          traits::construct(v.allocator_, v.end_, std::move(*tail.upper));
          traits::destroy(v.allocator_, tail.upper);
          ++v.end_;
          ++tail.upper;
        }
      }
    } undo{tail};
    fill(at);
    undo.filled = true;
  } else {
    fill(at);
  }
  tail.upper = tail.upper_end;
  end_ = all;
}

template <class T, growth_policy Policy, class Allocator>
template <class Fill>
constexpr T* vector<T, Policy, Allocator>::insert_with(const_iterator position, size_type n,
                                                       Fill fill) {
  const auto index = static_cast<size_type>(position - begin_);
  if (n == 0) return begin_ + index;
  if (index == size()) {
    append_with(n, growth_cause::insert, fill);
    return begin_ + index;
  }
  if (n <= this->spare_ready()) {
    fill_gap(begin_ + index, n, fill);
    return begin_ + index;
  }
  attempt grown(*this, checked_size(n), growth_cause::insert, true);
  if (grown.in_place()) {
    fill_gap(begin_ + index, n, fill);
    return begin_ + index;
  }
  T* const at = grown.begin() + index;
  detail::under_construction<T, Allocator> made(allocator_, at);
  made.built(static_cast<size_type>(fill(at) - at));
  detail::under_construction<T, Allocator> before(allocator_, grown.begin());
  const auto head = detail::transfer(allocator_, begin_, begin_ + index, grown.begin());
  if (!detail::by_bytes_now<T, Allocator>())
    before.built(static_cast<size_type>(head - grown.begin()));
  T* const end = detail::transfer(allocator_, begin_ + index, end_, at + n);
  before.keep();
  made.keep();
  grown.adopt(end, size());
  return begin_ + index;
}

template <class T, growth_policy Policy, class Allocator>
template <class... Args>
constexpr T* vector<T, Policy, Allocator>::emplace(const_iterator position, Args&&... args) {
  const auto index = static_cast<size_type>(position - begin_);
  if (index == size()) {
    emplace_back(std::forward<Args>(args)...);
    return begin_ + index;
  }
  // Built aside first: args may refer to elements that are about to move.
  detail::element_aside<T, Allocator> built(allocator_, std::forward<Args>(args)...);
  return insert_with(position, 1, [&](T* at) {
    traits::construct(allocator_, at, std::move(built.value));
    return at + 1;
  });
}

template <class T, growth_policy Policy, class Allocator>
constexpr T* vector<T, Policy, Allocator>::insert(const_iterator position, size_type n,
                                                  const T& value) {
  const auto index = static_cast<size_type>(position - begin_);
  if (n == 0) return begin_ + index;
  // `value` may be one of the elements that move.
  const detail::element_aside<T, Allocator> copy(allocator_, value);
  return insert_with(position, n, [&](T* at) {
    detail::under_construction<T, Allocator> made(allocator_, at);
    for (size_type i = 0; i < n; ++i) made.add(copy.value);
    return made.keep();
  });
}

template <class T, growth_policy Policy, class Allocator>
template <detail::reads It>
constexpr T* vector<T, Policy, Allocator>::insert(const_iterator position, It first, It last) {
  if constexpr (detail::reads_again<It>) {
    return insert_with(position, distance_if_known(first, last), [&](T* at) {
      detail::under_construction<T, Allocator> made(allocator_, at);
      for (It it = first; it != last; ++it) made.add(*it);
      return made.keep();
    });
  } else {
    const auto index = static_cast<size_type>(position - begin_);
    vector all(no_room{}, site_, allocator_);
    all.append_range_as(first, last, growth_cause::insert);
    insert(begin_ + index, std::make_move_iterator(all.begin_), std::make_move_iterator(all.end_));
    return begin_ + index;
  }
}

template <class T, growth_policy Policy, class Allocator>
constexpr T* vector<T, Policy, Allocator>::erase(const_iterator first, const_iterator last) {
  T* const from = begin_ + (first - begin_);
  if (first == last) return from;
  T* const behind = begin_ + (last - begin_);
  this->note_peak();
  if (detail::by_bytes_now<T, Allocator>()) {
    detail::destroy_range(allocator_, from, behind);
    detail::copy_bytes(from, behind, static_cast<size_type>(end_ - behind));
    end_ -= behind - from;
  } else {
    T* const end = std::move(behind, end_, from);
    detail::destroy_range(allocator_, end, end_);
    end_ = end;
  }
  return from;
}

}  // namespace ullage

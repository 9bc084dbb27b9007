// SPDX-License-Identifier: Apache-2.0
//
// The bodies of slice's members that cut, append and leave.
#pragma once

#include <ullage/slice.h>

namespace ullage {

template <class T, growth_policy Policy, class Allocator>
growth_event slice<T, Policy, Allocator>::event_of(growth_kind kind,
                                                   growth_cause cause) const noexcept {
  growth_event event;
  event.kind = kind;
  event.cause = cause;
  event.container = this;
  event.type = "slice";
  event.bytes_before = event.bytes_after = retained_bytes();
  event.capacity_before = event.capacity_after = capacity_;
  event.elements = size_;
  event.element_bytes = static_cast<std::uint32_t>(sizeof(T));
  return event;
}

// Memory for `wanted` elements, or `least` where the budget wants that. False: denied.
template <class T, growth_policy Policy, class Allocator>
bool slice<T, Policy, Allocator>::obtain(fresh& into, growth_site* site, size_type wanted,
                                         size_type least, growth_kind& kind, growth_cause cause,
                                         bool throws) const {
  if (least > array::count_max()) {
    throw std::length_error("ullage::slice: more elements than can be");
  }
  wanted = std::clamp(wanted, least, array::count_max());
  if (site != nullptr) {
    growth_request request;
    request.kind = kind;
    request.cause = cause;
    request.site = site;
    request.container = this;
    request.type = "slice";
    request.bytes_wanted = request.bytes_at_peak = array::bytes_for(wanted);
    request.elements = size_;
    const growth_answer answer = ask_growth(site, request);
    if (answer == growth_answer::deny) {
      report_growth(site, event_of(growth_kind::denied, cause), 0);
      if (throws) throw growth_denied();
      return false;
    }
    if (answer == growth_answer::degrade && wanted != least) {
      adjust_growth(site, static_cast<std::int64_t>(array::bytes_for(least)) -
                              static_cast<std::int64_t>(array::bytes_for(wanted)));
      wanted = least;
      kind = growth_kind::degraded;
    }
  }
  into.site = site;
  into.bytes = array::bytes_for(wanted);
  struct undo {
    fresh& f;
    ~undo() {
      if (f.memory == nullptr) adjust_growth(f.site, -static_cast<std::int64_t>(f.bytes));
    }
  } const later{into};
  into.memory = array::make(wanted, site);
  return true;
}

// Shows all of the new array, which has `size` elements, and leaves the old one.
template <class T, growth_policy Policy, class Allocator>
void slice<T, Policy, Allocator>::adopt(fresh& from, size_type size) noexcept {
  from.memory->filled(size);
  leave();
  array_ = std::exchange(from.memory, nullptr);
  data_ = array_->elements();
  size_ = size;
  capacity_ = array_->capacity();
}

// The elements, in room for `advised` of them if that can be had: without it, it grows.
template <class T, growth_policy Policy, class Allocator>
template <class It>
void slice<T, Policy, Allocator>::start(growth_site* site, size_type advised, It first, It last) {
  const auto count = static_cast<size_type>(std::distance(first, last));
  if (count == 0 && site == nullptr) return;
  const std::uint64_t started = growth_start_ns(site);
  growth_kind kind = growth_kind::first;
  fresh got;
  bool as_advised = false;
  if (advised > count) {
    try {
      as_advised = obtain(got, site, advised, count, kind, growth_cause::construct, false);
    } catch (const std::bad_alloc&) {
    }
  }
  if (!as_advised) obtain(got, site, count, count, kind, growth_cause::construct, true);
  Allocator allocator;
  detail::under_construction<T, Allocator> made(allocator, got.memory->elements());
  for (; first != last; ++first) made.add(*first);
  made.keep();
  adopt_first(got, count, kind, started);
}

// The first array of a slice, with what is in it.
template <class T, growth_policy Policy, class Allocator>
void slice<T, Policy, Allocator>::adopt_first(fresh& from, size_type size, growth_kind kind,
                                              std::uint64_t started) noexcept {
  growth_site* const site = from.site;
  adopt(from, size);
  growth_event event = event_of(kind, growth_cause::construct);
  event.bytes_before = event.capacity_before = 0;
  report_growth(site, event, started);
}

template <class T, growth_policy Policy, class Allocator>
slice<T, Policy, Allocator>::slice(growth_site& site) {
  const T* none = nullptr;
  start(&site, experience(site), none, none);
}

template <class T, growth_policy Policy, class Allocator>
slice<T, Policy, Allocator> slice<T, Policy, Allocator>::make(size_type length, size_type capacity,
                                                              growth_site* site) {
  if (capacity < length) throw std::out_of_range("ullage::slice::make: capacity below length");
  slice made;
  if (capacity != 0 || site != nullptr) {
    const std::uint64_t started = growth_start_ns(site);
    growth_kind kind = growth_kind::first;
    fresh got;
    made.obtain(got, site, capacity, capacity, kind, growth_cause::construct, true);
    made.adopt_first(got, 0, kind, started);
  }
  if (length != 0) {
    made.append_with(length, true, [&](T* at) {
      Allocator allocator;
      detail::under_construction<T, Allocator> elements(allocator, at);
      for (size_type i = 0; i < length; ++i) elements.add();
      elements.keep();
    });
  }
  return made;
}

template <class T, growth_policy Policy, class Allocator>
void slice<T, Policy, Allocator>::cut(size_type low, size_type high, size_type limit) {
  if (low > high || high > size_ || high > limit || limit > capacity_) {
    throw std::out_of_range(
        "ullage::slice::sub: needs low <= high <= size() and high <= limit "
        "<= capacity()");
  }
  const size_type hidden = size_ - (high - low);
  data_ += low;
  size_ = high - low;
  capacity_ = limit - low;
  if (array_ != nullptr && array_->hide(hidden)) {
    growth_event event = event_of(growth_kind::retained, growth_cause::slice);
    event.elements = array_->shown();
    report_growth(array_->site(), event, 0);
  }
}

// Shows nothing any more. The last one ends the elements; who leaves little behind says so.
template <class T, growth_policy Policy, class Allocator>
void slice<T, Policy, Allocator>::leave() noexcept {
  if (array_ == nullptr) return;
  growth_site* const site = array_->site();
  growth_event event;
  const bool retained = array_->hide(size_);
  if (retained) {
    event = event_of(growth_kind::retained, growth_cause::slice);
    event.elements = array_->shown();
  }
  array* const old = std::exchange(array_, nullptr);
  if (!old->leave()) {
    if (retained) report_growth(site, event, 0);
    return;
  }
  const std::size_t bytes = old->bytes();
  if (site != nullptr) site->remember(old->used());
  old->end_elements(0, 0);
  array::free(old);
  adjust_growth(site, -static_cast<std::int64_t>(bytes));
}

template <class T, growth_policy Policy, class Allocator>
slice<T, Policy, Allocator> slice<T, Policy, Allocator>::copy_as(growth_cause cause) const {
  slice copy;
  if (size_ == 0 && site() == nullptr) return copy;
  const std::uint64_t started = growth_start_ns(site());
  growth_kind kind = growth_kind::detached;
  fresh got;
  obtain(got, site(), size_, size_, kind, cause, true);
  Allocator allocator;
  detail::under_construction<T, Allocator> made(allocator, got.memory->elements());
  for (size_type i = 0; i < size_; ++i) made.add(std::as_const(data_[i]));
  made.keep();
  copy.adopt(got, size_);
  growth_event event = copy.event_of(kind, cause);
  event.bytes_before = retained_bytes();
  event.capacity_before = capacity_;
  event.moved = size_;
  report_growth(site(), event, started);
  return copy;
}

template <class T, growth_policy Policy, class Allocator>
bool slice<T, Policy, Allocator>::compact() {
  if (array_ == nullptr || array_->capacity() == size_) return false;
  copy_as(growth_cause::compact).swap(*this);
  return true;
}

template <class T, growth_policy Policy, class Allocator>
template <class Value>
slice_append slice<T, Policy, Allocator>::append_one(bool throws, Value&& value) {
  return append_with(1, throws, [&](T* at) {
    Allocator allocator;
    std::allocator_traits<Allocator>::construct(allocator, at, std::forward<Value>(value));
  });
}

template <class T, growth_policy Policy, class Allocator>
slice_append slice<T, Policy, Allocator>::append_many(bool throws, std::span<const T> values) {
  return append_with(values.size(), throws, [&](T* at) {
    Allocator allocator;
    detail::under_construction<T, Allocator> made(allocator, at);
    for (const T& value : values) made.add(value);
    made.keep();
  });
}

// `fill(at)` constructs n elements from `at` on, or none.
template <class T, growth_policy Policy, class Allocator>
template <class Fill>
slice_append slice<T, Policy, Allocator>::append_with(size_type n, bool throws, Fill fill) {
  if (n == 0) return slice_append::in_place;
  if (n > capacity_ - size_) return append_elsewhere(n, throws, fill);
  const size_type end = offset() + size_;
  if (!array_->claim(end, n)) return append_elsewhere(n, throws, fill);
  struct claimed {
    array* owner;
    size_type end;
    ~claimed() {
      if (owner != nullptr) owner->unclaim(end);
    }
  } undo{array_, end};
  fill(data_ + size_);
  undo.owner = nullptr;
  size_ += n;
  array_->show(n);
  return slice_append::in_place;
}

template <class T, growth_policy Policy, class Allocator>
template <class Fill>
slice_append slice<T, Policy, Allocator>::append_elsewhere(size_type n, bool throws, Fill fill) {
  growth_site* const site = this->site();
  const std::uint64_t started = growth_start_ns(site);
  if (n > array::count_max() - size_) {
    throw std::length_error("ullage::slice: more elements than can be");
  }
  const bool alone = array_ == nullptr || array_->owners() == 1;
  const bool first = array_ == nullptr || array_->capacity() == 0;
  growth_kind kind =
      first ? growth_kind::first : (alone ? growth_kind::moved : growth_kind::detached);
  const size_type needed = size_ + n;
  growth_event event = event_of(kind, growth_cause::append);
  fresh got;
  if (!obtain(got, site, Policy::next_capacity(capacity_, needed, sizeof(T)), needed, kind,
              growth_cause::append, throws)) {
    return slice_append::denied;
  }
  Allocator allocator;
  T* const to = got.memory->elements();
  detail::under_construction<T, Allocator> added(allocator, to + size_);
  fill(to + size_);
  added.built(n);
  event.moved = size_;
  if (alone && array_ != nullptr) {
    detail::transfer(allocator, data_, data_ + size_, to);
    added.keep();
    // Nobody sees the old array: it ends here, but for what has moved out by its bytes.
    array* const old = array_;
    const size_type from = offset();
    if constexpr (detail::relocates_by_bytes<T, Allocator>) {
      old->end_elements(from, from + size_);
    } else {
      old->end_elements(0, 0);
    }
    const std::size_t old_bytes = old->bytes();
    array::free(old);
    array_ = nullptr;
    adjust_growth(site, -static_cast<std::int64_t>(old_bytes));
  } else {
    detail::under_construction<T, Allocator> copied(allocator, to);
    for (size_type i = 0; i < size_; ++i) copied.add(std::as_const(data_[i]));
    copied.keep();
    added.keep();
  }
  adopt(got, needed);
  event.kind = kind;
  event.elements = size_;
  event.bytes_after = retained_bytes();
  event.capacity_after = capacity_;
  report_growth(site, event, started);
  return alone ? slice_append::grown : slice_append::detached;
}

}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
//
// slice: a view of a shared array, (pointer, length, capacity), as in Go; with the surprises taken
// out. Slices of slices share one array; an append writes into it only where nobody else is, and
// says what it did; what a slice keeps alive can be asked, and is reported when it is out of
// proportion.
//
//   ullage::slice<int> a{1, 2, 3, 4};
//   auto b = a.sub(1, 3);              // {2, 3}: the same elements, b[0] = 9 shows in a
//   b.append(7);                       // detached: a[3] is 4 still, b has an array of its own
//   a.append(5);                       // grown, or in_place
//   auto c = a.sub(0, 2, 2);           // Go's three-index slice: its next append can't be in place
//
// Promise      An append never changes what another slice shows. In Go it may (the array is shared
//              and has room); here room belongs to the slice at whose end it begins.
// Cost         sub, copy: one atomic increment; two for arrays of 64 KiB and more. append O(1)
//              amortised, see growth_policy.h (go_growth unless told otherwise); the slice's own
//              elements move or are copied, never the whole array. Any depth of slicing costs the
//              same and no stack: every slice knows the array, none knows a parent.
// Memory       32 bytes; the array has 64 bytes of its own in front.
// Validity     A reference is valid as long as some slice shows the element, and, for elements of
//              which this is the only slice, until its append says otherwise than in_place.
// Threads      Different slices of one array may be copied, cut, appended to and destroyed by
//              different threads at once; one slice by one thread at a time. Elements are shared
//              and unguarded: reading and writing the same one is the callers' business.
// Differences  from Go: a slice can't be extended over its length by slicing, as what is there may
//              be somebody else's. Elements between length and capacity do not exist.
// Reports      first, moved, detached, shrunk, denied; retained, when the slices left of an array
//              of at least 64 KiB show less than an eighth of it (once, until they show more).
// Limit        A budget that says no: append throws growth_denied, try_append returns denied.
#pragma once

#include <ullage/detail/iterators.h>
#include <ullage/detail/slice_array.h>
#include <ullage/growth_policy.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

namespace ullage {

/// What an append did.
enum class slice_append : std::uint8_t {
  in_place,  ///< written behind the slice; nothing moved
  grown,     ///< nobody else shares the array: the elements moved to a larger one
  detached,  ///< others share the array: the elements were copied to one of this slice's own
  denied,    ///< the budget said no; nothing changed
};

template <class T, growth_policy Policy = go_growth, class Allocator = std::allocator<T>>
class slice {
  static_assert(std::is_same_v<std::remove_cv_t<T>, T>,
                "elements can be neither const nor volatile");
  static_assert(std::allocator_traits<Allocator>::is_always_equal::value,
                "slices keep no allocator; it can have no state");
  using array = detail::slice_array<T, Allocator>;

 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using pointer = T*;
  using iterator = T*;
  using const_iterator = T*;

  // Elements of its own.
  constexpr slice() noexcept = default;
  slice(std::initializer_list<T> list) : slice(list.begin(), list.end()) {}
  template <detail::reads_again It>
  slice(It first, It last) {
    start(nullptr, 0, first, last);
  }
  explicit slice(std::span<const T> elements) : slice(elements.begin(), elements.end()) {}
  /// Grows in the name of `site`: begins with room for what earlier ones needed.
  explicit slice(growth_site& site);
  slice(growth_site& site, std::initializer_list<T> list) {
    start(&site, experience(site), list.begin(), list.end());
  }
  /// Go's make([]T, length, capacity): value-initialised elements.
  static slice make(size_type length, size_type capacity, growth_site* site = nullptr);
  static slice make(size_type length) { return make(length, length); }

  slice(const slice& other) noexcept
      : array_(other.array_), data_(other.data_), size_(other.size_), capacity_(other.capacity_) {
    if (array_ != nullptr) array_->join(size_);
  }
  slice(slice&& other) noexcept
      : array_(std::exchange(other.array_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  slice& operator=(const slice& other) noexcept {
    slice(other).swap(*this);
    return *this;
  }
  slice& operator=(slice&& other) noexcept {
    slice(std::move(other)).swap(*this);
    return *this;
  }
  ~slice() { leave(); }

  // The view. As with std::span, a const slice shows elements that can be written.
  size_type size() const noexcept { return size_; }
  size_type capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  T* data() const noexcept { return data_; }
  T* begin() const noexcept { return data_; }
  T* end() const noexcept { return data_ + size_; }
  T& operator[](size_type i) const { return data_[i]; }
  T& at(size_type i) const {
    if (i >= size_) throw std::out_of_range("ullage::slice::at: the index is not below size()");
    return data_[i];
  }
  T& front() const { return data_[0]; }
  T& back() const { return data_[size_ - 1]; }

  /// s[low:high] with low <= high <= size(); out_of_range otherwise. Its capacity reaches as far as
  /// this one's.
  slice sub(size_type low, size_type high) const& { return slice(*this).sub(low, high, capacity_); }
  slice sub(size_type low, size_type high) && {
    const size_type limit = capacity_;
    return std::move(*this).sub(low, high, limit);
  }
  /// s[low:high:limit] with high <= limit <= capacity(): the capacity ends at `limit`.
  slice sub(size_type low, size_type high, size_type limit) const& {
    return slice(*this).sub(low, high, limit);
  }
  slice sub(size_type low, size_type high, size_type limit) && {
    cut(low, high, limit);
    return std::move(*this);
  }
  slice from(size_type low) const { return sub(low, size_); }
  slice to(size_type high) const { return sub(0, high); }

  // Who else is there.
  /// True when both show the same array, whether or not the same elements.
  bool shares_with(const slice& other) const noexcept {
    return array_ != nullptr && array_ == other.array_;
  }
  /// True when some element is shown by both: writing through one shows in the other.
  bool overlaps(const slice& other) const noexcept {
    return shares_with(other) && data_ < other.data_ + other.size_ && other.data_ < data_ + size_;
  }
  /// True when the room behind this slice, if it has any, is its own: an append within capacity()
  /// would be in place. Other threads that append to the same array may change it at any time.
  bool owns_tail() const noexcept {
    return array_ == nullptr || array_->owns_tail(offset() + size_);
  }
  /// How many slices show this array.
  size_type use_count() const noexcept { return array_ == nullptr ? 0 : array_->owners(); }
  /// Bytes of the array that this slice keeps alive, and of the elements that it shows.
  size_type retained_bytes() const noexcept { return array_ == nullptr ? 0 : array_->bytes(); }
  size_type used_bytes() const noexcept { return size_ * sizeof(T); }
  growth_site* site() const noexcept { return array_ == nullptr ? nullptr : array_->site(); }

  // Growth. What is appended may be elements of this very slice. If a constructor throws, nothing
  // has happened.
  slice_append append(const T& value) { return append_one(true, value); }
  slice_append append(T&& value) { return append_one(true, std::move(value)); }
  slice_append append(std::span<const T> values) { return append_many(true, values); }
  slice_append append(std::initializer_list<T> values) {
    return append_many(true, {values.begin(), values.size()});
  }
  slice_append append(const slice& other) {
    const slice kept(other);  // it may be this one
    return append_many(true, {kept.data_, kept.size_});
  }
  [[nodiscard]] slice_append try_append(const T& value) { return append_one(false, value); }
  [[nodiscard]] slice_append try_append(T&& value) { return append_one(false, std::move(value)); }
  [[nodiscard]] slice_append try_append(std::span<const T> values) {
    return append_many(false, values);
  }

  /// The same elements in an array of their own, without room to spare.
  slice clone() const { return copy_as(growth_cause::construct); }
  /// Leaves the array for one that holds just this slice's elements. False: there is nothing to
  /// gain.
  bool compact();

  void swap(slice& other) noexcept {
    std::swap(array_, other.array_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  friend void swap(slice& a, slice& b) noexcept { a.swap(b); }
  friend bool operator==(const slice& a, const slice& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  // A new array until a slice takes it.
  struct fresh {
    array* memory = nullptr;
    growth_site* site = nullptr;
    std::size_t bytes = 0;
    fresh() = default;
    fresh(const fresh&) = delete;
    fresh& operator=(const fresh&) = delete;
    ~fresh() {
      if (memory == nullptr) return;
      array::free(memory);
      adjust_growth(site, -static_cast<std::int64_t>(bytes));
    }
  };
  enum class verdict : std::uint8_t { done, denied };

  size_type offset() const noexcept { return static_cast<size_type>(data_ - array_->elements()); }
  static size_type experience(const growth_site& site) noexcept {
    return static_cast<size_type>(std::min<std::uint64_t>(site.expected(), array::count_max()));
  }

  // The bodies are in detail/slice_growth.h.
  template <class It>
  void start(growth_site* site, size_type advised, It first, It last);
  void cut(size_type low, size_type high, size_type limit);
  void leave() noexcept;
  slice copy_as(growth_cause cause) const;
  growth_event event_of(growth_kind kind, growth_cause cause) const noexcept;
  bool obtain(fresh& into, growth_site* site, size_type wanted, size_type least, growth_kind& kind,
              growth_cause cause, bool throws) const;
  void adopt(fresh& from, size_type size) noexcept;
  void adopt_first(fresh& from, size_type size, growth_kind kind, std::uint64_t started) noexcept;
  template <class Value>
  slice_append append_one(bool throws, Value&& value);
  slice_append append_many(bool throws, std::span<const T> values);
  template <class Fill>
  slice_append append_with(size_type n, bool throws, Fill fill);
  template <class Fill>
  slice_append append_elsewhere(size_type n, bool throws, Fill fill);

  array* array_ = nullptr;
  T* data_ = nullptr;
  size_type size_ = 0;
  size_type capacity_ = 0;  // from data_
};

}  // namespace ullage

#include <ullage/detail/slice_growth.h>

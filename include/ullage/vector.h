// SPDX-License-Identifier: Apache-2.0
//
// vector: stands in for std::vector. Its growth has a policy, an owner and a bound: it can be told
// how to grow, it reports every growth, it asks a budget before it takes memory, it starts at the
// size that earlier runs needed, and, by default, it does not move a large array at all.
//
//   inline ullage::growth_site orders{"orders"};
//   ullage::vector<order> list{orders};              // room for what earlier ones held
//   list.push_back(o);                               // growth_denied when the budget says no
//   if (!list.try_push_back(o)) shed();              // the same without an exception
//   ullage::vector<int, ullage::half_more> small;    // see growth_policy.h
//
// Promise      With the policy in_place (the default), elements move at most once, when the array
//              outgrows 64 KiB; from then on they keep their addresses until clear, shrink_to_fit,
//              or 64 GiB ("exhausted"). Where no address space can be had, trivially relocatable
//              elements change addresses, by moving pages; others are moved as in std::vector.
// Cost         push_back O(1). in_place: no push_back moves more than max_moves_per_push_back()
//              elements, nor waits for more than 256 KiB of fresh memory. Other policies:
//              amortised, see growth_policy.h.
// Memory       40 bytes, and the elements; what growth costs on top: docs/containers/vector.md.
// Exceptions   As std::vector: push_back, emplace_back, reserve, try_* and insertions at the end
//              are all or nothing. So are other insertions of types that move without throwing.
// Validity     of references, pointers and iterators: as in std::vector; in_place keeps its promise
//              above. They are plain pointers.
// Threads      As std::vector: one writer or many readers.
// Differences  vector<bool> is an ordinary vector of bool. The allocator's pointers may be fancy,
//              but are kept as plain ones. In memory of its own, in_place does not use the
//              allocator (only std::allocator is replaced so).
#pragma once

#include <ullage/detail/iterators.h>
#include <ullage/detail/vector_storage.h>

#include <algorithm>
#include <compare>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace ullage {

namespace detail {
template <class T>
concept ordered = std::three_way_comparable<T> || requires(const T& a, const T& b) {
  { a < b } -> std::convertible_to<bool>;
};
}  // namespace detail

template <class T, growth_policy Policy = in_place<>, class Allocator = std::allocator<T>>
class vector : private detail::vector_storage<T, Policy, Allocator> {
  static_assert(std::is_same_v<std::remove_cv_t<T>, T>,
                "elements can be neither const nor volatile");
  static_assert(std::is_same_v<typename std::allocator_traits<Allocator>::value_type, T>);

  using storage = detail::vector_storage<T, Policy, Allocator>;
  using attempt = typename storage::attempt;
  using traits = std::allocator_traits<Allocator>;
  using storage::allocator_;
  using storage::begin_;
  using storage::end_;
  using storage::limit_;
  using storage::site_;

 public:
  using value_type = T;
  using allocator_type = Allocator;
  using policy_type = Policy;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using pointer = T*;
  using const_pointer = const T*;
  using iterator = T*;
  using const_iterator = const T*;
  using reverse_iterator = std::reverse_iterator<iterator>;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;

  /// Elements that one push_back moves at most, whatever the size: counted in vector_work_test.cpp.
  /// 0: there is no such bound (every policy but in_place).
  static constexpr size_type max_moves_per_push_back() noexcept {
    if constexpr (storage::may_map()) return Policy::options.heap_bytes_max / sizeof(T);
    return 0;
  }
  /// True when large arrays grow where they are.
  static constexpr bool grows_in_place() noexcept { return storage::may_map(); }

  // Construction. With a site, the vector grows in its name, starts with room for site.expected()
  // elements (or without, when that is denied), and adds its largest size to site.sizes() in the
  // end.
  constexpr vector() noexcept(std::is_nothrow_default_constructible_v<Allocator>)
      : storage(Allocator(), nullptr) {}
  explicit constexpr vector(const Allocator& allocator) noexcept : storage(allocator, nullptr) {}
  explicit constexpr vector(size_type n, const Allocator& allocator = Allocator())
      : vector(allocator) {
    start_with(n);
  }
  constexpr vector(size_type n, const T& value, const Allocator& allocator = Allocator())
      : vector(allocator) {
    start_with(n, value);
  }
  template <detail::reads It>
  constexpr vector(It first, It last, const Allocator& allocator = Allocator())
      : vector(allocator) {
    start_with_range(first, last);
  }
  constexpr vector(std::initializer_list<T> list, const Allocator& allocator = Allocator())
      : vector(list.begin(), list.end(), allocator) {}

  explicit constexpr vector(growth_site& site, const Allocator& allocator = Allocator())
      : storage(allocator, &site) {
    start_with_experience(0);
  }
  constexpr vector(growth_site& site, size_type n, const Allocator& allocator = Allocator())
      : vector(with_site{}, site, n, allocator) {
    start_with(n);
  }
  constexpr vector(growth_site& site, size_type n, const T& value,
                   const Allocator& allocator = Allocator())
      : vector(with_site{}, site, n, allocator) {
    start_with(n, value);
  }
  template <detail::reads It>
  constexpr vector(growth_site& site, It first, It last, const Allocator& allocator = Allocator())
      : vector(with_site{}, site, distance_if_known(first, last), allocator) {
    start_with_range(first, last);
  }
  constexpr vector(growth_site& site, std::initializer_list<T> list,
                   const Allocator& allocator = Allocator())
      : vector(site, list.begin(), list.end(), allocator) {}

  /// A copy grows in the name of the same site, with room for its elements only.
  constexpr vector(const vector& other)
      : vector(other, traits::select_on_container_copy_construction(other.allocator_)) {}
  constexpr vector(const vector& other, const std::type_identity_t<Allocator>& allocator)
      : vector(no_room{}, other.site_, allocator) {
    start_with_range(other.begin_, other.end_);
  }
  constexpr vector(vector&& other) noexcept : storage(std::move(other.allocator_), other.site_) {
    this->take_memory(other);
  }
  constexpr vector(vector&& other, const std::type_identity_t<Allocator>& allocator) noexcept(
      traits::is_always_equal::value)
      : vector(no_room{}, other.site_, allocator) {
    if (traits::is_always_equal::value || allocator_ == other.allocator_) {
      this->take_memory(other);
    } else {
      start_with_range(std::make_move_iterator(other.begin_), std::make_move_iterator(other.end_));
    }
  }
  constexpr ~vector() {
    this->remember();
    drop();
  }

  // Assignment. A vector keeps its site; memory that moves in is added to what its budget knows.
  constexpr vector& operator=(const vector& other);
  constexpr vector& operator=(vector&& other) noexcept(
      traits::propagate_on_container_move_assignment::value || traits::is_always_equal::value);
  constexpr vector& operator=(std::initializer_list<T> list) {
    assign(list.begin(), list.end());
    return *this;
  }
  constexpr void assign(size_type n, const T& value);
  template <detail::reads It>
  constexpr void assign(It first, It last);
  constexpr void assign(std::initializer_list<T> list) { assign(list.begin(), list.end()); }

  constexpr allocator_type get_allocator() const noexcept { return allocator_; }
  constexpr growth_site* site() const noexcept { return site_; }

  constexpr iterator begin() noexcept { return begin_; }
  constexpr const_iterator begin() const noexcept { return begin_; }
  constexpr const_iterator cbegin() const noexcept { return begin_; }
  constexpr iterator end() noexcept { return end_; }
  constexpr const_iterator end() const noexcept { return end_; }
  constexpr const_iterator cend() const noexcept { return end_; }
  constexpr reverse_iterator rbegin() noexcept { return reverse_iterator(end_); }
  constexpr const_reverse_iterator rbegin() const noexcept { return const_reverse_iterator(end_); }
  constexpr const_reverse_iterator crbegin() const noexcept { return const_reverse_iterator(end_); }
  constexpr reverse_iterator rend() noexcept { return reverse_iterator(begin_); }
  constexpr const_reverse_iterator rend() const noexcept { return const_reverse_iterator(begin_); }
  constexpr const_reverse_iterator crend() const noexcept { return const_reverse_iterator(begin_); }

  [[nodiscard]] constexpr bool empty() const noexcept { return begin_ == end_; }
  constexpr size_type size() const noexcept { return this->count(); }
  constexpr size_type max_size() const noexcept { return this->count_max(); }
  constexpr size_type capacity() const noexcept { return this->room(); }
  /// Bytes that it holds for its elements, used or not.
  constexpr size_type memory_bytes() const noexcept { return this->bytes_held(); }
  /// True while the array is in memory of its own, and grows there.
  constexpr bool is_in_place() const noexcept { return this->mapped_; }
  /// How many elements fit before addresses change: capacity(), or all that address space is
  /// reserved for.
  constexpr size_type capacity_in_place() const noexcept {
    if constexpr (storage::may_map()) {
      if (this->mapped_ && this->region()->stays()) {
        return (this->region()->reserved_bytes() - this->region()->data_offset()) / sizeof(T);
      }
    }
    return capacity();
  }

  constexpr void reserve(size_type n) { make_room(n, growth_cause::reserve, true); }
  /// False instead of growth_denied; nothing changed then.
  constexpr bool try_reserve(size_type n) { return make_room(n, growth_cause::reserve, false); }
  constexpr void resize(size_type n) { resize_as(n); }
  constexpr void resize(size_type n, const T& value) { resize_as(n, value); }
  /// Gives memory back: to the size on the heap, to the page in place (there nothing moves).
  constexpr void shrink_to_fit();

  constexpr reference operator[](size_type i) { return begin_[i]; }
  constexpr const_reference operator[](size_type i) const { return begin_[i]; }
  constexpr reference at(size_type i) { return begin_[checked_index(i)]; }
  constexpr const_reference at(size_type i) const { return begin_[checked_index(i)]; }
  constexpr reference front() { return *begin_; }
  constexpr const_reference front() const { return *begin_; }
  constexpr reference back() { return end_[-1]; }
  constexpr const_reference back() const { return end_[-1]; }
  constexpr T* data() noexcept { return begin_; }
  constexpr const T* data() const noexcept { return begin_; }

  constexpr void push_back(const T& value) { emplace_back(value); }
  constexpr void push_back(T&& value) { emplace_back(std::move(value)); }
  template <class... Args>
  constexpr reference emplace_back(Args&&... args) {
    if (end_ == limit_) {
      emplace_slow(true, std::forward<Args>(args)...);
    } else {
      traits::construct(allocator_, end_, std::forward<Args>(args)...);
      ++end_;
    }
    return end_[-1];
  }
  /// False when the budget said no; the vector is as it was, and `value` was not moved from. What
  /// else can go wrong throws as in push_back.
  [[nodiscard]] constexpr bool try_push_back(const T& value) { return try_emplace_back(value); }
  [[nodiscard]] constexpr bool try_push_back(T&& value) {
    return try_emplace_back(std::move(value));
  }
  template <class... Args>
  [[nodiscard]] constexpr bool try_emplace_back(Args&&... args) {
    if (end_ == limit_) return emplace_slow(false, std::forward<Args>(args)...);
    traits::construct(allocator_, end_, std::forward<Args>(args)...);
    ++end_;
    return true;
  }
  constexpr void pop_back() {
    this->note_peak();
    --end_;
    traits::destroy(allocator_, end_);
  }

  template <class... Args>
  constexpr iterator emplace(const_iterator at, Args&&... args);
  constexpr iterator insert(const_iterator at, const T& value) { return emplace(at, value); }
  constexpr iterator insert(const_iterator at, T&& value) { return emplace(at, std::move(value)); }
  constexpr iterator insert(const_iterator at, size_type n, const T& value);
  template <detail::reads It>
  constexpr iterator insert(const_iterator at, It first, It last);
  constexpr iterator insert(const_iterator at, std::initializer_list<T> list) {
    return insert(at, list.begin(), list.end());
  }
  constexpr iterator erase(const_iterator at) { return erase(at, at + 1); }
  constexpr iterator erase(const_iterator first, const_iterator last);
  /// The capacity stays. In place, pages beyond in_place_options::kept_on_clear_bytes go back to
  /// the system. With a site, this ends one life of the vector: its largest size is remembered.
  constexpr void clear() noexcept;
  constexpr void swap(vector& other) noexcept(traits::propagate_on_container_swap::value ||
                                              traits::is_always_equal::value) {
    if constexpr (traits::propagate_on_container_swap::value) {
      using std::swap;
      swap(allocator_, other.allocator_);
    }
    this->swap_memory(other);
  }

  friend constexpr void swap(vector& a, vector& b) noexcept(noexcept(a.swap(b))) { a.swap(b); }
  friend constexpr bool operator==(const vector& a, const vector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }
  friend constexpr auto operator<=>(const vector& a, const vector& b) requires detail::ordered<T> {
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end(),
                                                  [](const T& x, const T& y) {
                                                    if constexpr (std::three_way_comparable<T>) {
                                                      return x <=> y;
                                                    } else {
                                                      if (x < y) return std::weak_ordering::less;
                                                      if (y < x) return std::weak_ordering::greater;
                                                      return std::weak_ordering::equivalent;
                                                    }
                                                  });
  }

 private:
  struct with_site {};
  struct no_room {};

  constexpr vector(no_room, growth_site* site, const Allocator& allocator) noexcept
      : storage(allocator, site) {}
  constexpr vector(with_site, growth_site& site, size_type n, const Allocator& allocator)
      : storage(allocator, &site) {
    start_with_experience(n);
  }
  template <class It>
  static constexpr size_type distance_if_known(It first, It last) {
    if constexpr (detail::reads_again<It>) {
      return static_cast<size_type>(std::distance(first, last));
    } else {
      return 0;
    }
  }
  constexpr size_type checked_index(size_type i) const {
    if (i >= size()) throw std::out_of_range("ullage::vector::at: the index is not below size()");
    return i;
  }
  // size() + more, if there can be as many.
  constexpr size_type checked_size(size_type more) const {
    if (more > max_size() - size()) {
      throw std::length_error("ullage::vector: more elements than max_size()");
    }
    return size() + more;
  }

  // The bodies are in detail/vector_edit.h and detail/vector_insert.h.
  constexpr void drop() noexcept;
  constexpr void truncate(T* at) noexcept;
  constexpr void start_with_experience(size_type n);
  template <class Fill>
  constexpr void start_from(size_type n, Fill fill);
  template <class... Value>
  constexpr void start_with(size_type n, const Value&... value);
  template <class It>
  constexpr void start_with_range(It first, It last);
  template <class... Value>
  constexpr void resize_as(size_type n, const Value&... value);
  constexpr bool make_room(size_type n, growth_cause cause, bool throws);
  template <class... Args>
  [[gnu::cold]] constexpr bool emplace_slow(bool throws, Args&&... args);
  template <class Fill>
  constexpr void append_with(size_type n, growth_cause cause, Fill fill);
  template <class It>
  constexpr void append_range_as(It first, It last, growth_cause cause);
  template <class Fill>
  constexpr iterator insert_with(const_iterator at, size_type n, Fill fill);
  template <class Fill>
  constexpr void fill_gap(T* at, size_type n, Fill fill);
};

template <detail::reads It,
          class Allocator = std::allocator<typename std::iterator_traits<It>::value_type>>
vector(It, It, Allocator = Allocator())
    -> vector<typename std::iterator_traits<It>::value_type, in_place<>, Allocator>;
template <detail::reads It,
          class Allocator = std::allocator<typename std::iterator_traits<It>::value_type>>
vector(growth_site&, It, It, Allocator = Allocator())
    -> vector<typename std::iterator_traits<It>::value_type, in_place<>, Allocator>;

/// Its own address is in none of its members, and its memory does not know it.
template <class T, class Policy, class Allocator>
struct is_trivially_relocatable<vector<T, Policy, Allocator>>
    : is_trivially_relocatable<Allocator> {};
template <class T>
struct is_trivially_relocatable<std::allocator<T>> : std::true_type {};

template <class T, class Policy, class Allocator, class U>
constexpr std::size_t erase(vector<T, Policy, Allocator>& v, const U& value) {
  const auto first = std::remove(v.begin(), v.end(), value);
  const auto erased = static_cast<std::size_t>(v.end() - first);
  v.erase(first, v.end());
  return erased;
}
template <class T, class Policy, class Allocator, class Predicate>
constexpr std::size_t erase_if(vector<T, Policy, Allocator>& v, Predicate predicate) {
  const auto first = std::remove_if(v.begin(), v.end(), predicate);
  const auto erased = static_cast<std::size_t>(v.end() - first);
  v.erase(first, v.end());
  return erased;
}

namespace pmr {
template <class T, growth_policy Policy = doubling>
using vector = ullage::vector<T, Policy, std::pmr::polymorphic_allocator<T>>;
}  // namespace pmr

}  // namespace ullage

#include <ullage/detail/vector_edit.h>
#include <ullage/detail/vector_insert.h>

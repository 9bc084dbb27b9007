// SPDX-License-Identifier: Apache-2.0
//
// relocate: moving elements from one piece of memory to another. By bytes where their type allows
// it and the allocator does not want to hear of it, else by move_if_noexcept, so that an exception
// leaves the source whole.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

namespace ullage {

/// True for types whose objects may be moved by copying their bytes and forgetting the source.
/// Trivially copyable types are; specialise it for your own (a type that holds a pointer into
/// itself is not; GNU's std::string is one of those).
template <class T>
struct is_trivially_relocatable : std::is_trivially_copyable<T> {};
template <class T>
struct is_trivially_relocatable<const T> : is_trivially_relocatable<T> {};
template <class T>
struct is_trivially_relocatable<std::unique_ptr<T>> : std::true_type {};
template <class T>
struct is_trivially_relocatable<std::shared_ptr<T>> : std::true_type {};
template <class T>
struct is_trivially_relocatable<std::weak_ptr<T>> : std::true_type {};
template <class A, class B>
struct is_trivially_relocatable<std::pair<A, B>>
    : std::bool_constant<is_trivially_relocatable<A>::value && is_trivially_relocatable<B>::value> {
};
template <class T, std::size_t N>
struct is_trivially_relocatable<std::array<T, N>> : is_trivially_relocatable<T> {};

template <class T>
inline constexpr bool is_trivially_relocatable_v = is_trivially_relocatable<T>::value;

namespace detail {

template <class Allocator, class T>
concept wants_to_construct = requires(Allocator& a, T* p) {
  a.construct(p, std::declval<T&&>());
}
|| requires(Allocator& a, T* p) { a.construct(p, std::declval<const T&>()); };
template <class Allocator, class T>
concept wants_to_destroy = requires(Allocator& a, T* p) {
  a.destroy(p);
};

// pmr's construct only passes itself on to elements that take an allocator; one that is trivially
// relocatable keeps it when its bytes move. Still left to the general path: simpler to be sure of.
template <class T, class Allocator>
inline constexpr bool relocates_by_bytes =
    is_trivially_relocatable_v<T> && !wants_to_construct<Allocator, T> &&
    !wants_to_destroy<Allocator, T>;

// To be asked in an if: the initializer of a constant would be evaluated at compile time, where the
// answer is always no.
template <class T, class Allocator>
constexpr bool by_bytes_now() noexcept {
  if constexpr (relocates_by_bytes<T, Allocator>) {
    return !std::is_constant_evaluated();
  } else {
    return false;
  }
}

template <class T>
inline void copy_bytes(T* to, const T* from, std::size_t count) noexcept {
  if (count != 0) {
    std::memmove(static_cast<void*>(to), static_cast<const void*>(from), count * sizeof(T));
  }
}

template <class T, class Allocator>
constexpr void destroy_range(Allocator& allocator, T* first, T* last) noexcept {
  if constexpr (std::is_trivially_destructible_v<T> && !wants_to_destroy<Allocator, T>) {
    if (!std::is_constant_evaluated()) return;
  }
  for (; first != last; ++first) {
    std::allocator_traits<Allocator>::destroy(allocator, first);
  }
}

// Elements being constructed one after the other: destroys them again unless they are kept.
template <class T, class Allocator>
class under_construction {
 public:
  constexpr under_construction(Allocator& allocator, T* first) noexcept
      : allocator_(allocator), first_(first), next_(first) {}
  under_construction(const under_construction&) = delete;
  under_construction& operator=(const under_construction&) = delete;
  constexpr ~under_construction() { destroy_range(allocator_, first_, next_); }

  template <class... Args>
  constexpr void add(Args&&... args) {
    std::allocator_traits<Allocator>::construct(allocator_, next_, std::forward<Args>(args)...);
    ++next_;
  }
  // Says that `count` more are there.
  constexpr void built(std::size_t count) noexcept { next_ += count; }
  constexpr T* keep() noexcept {
    first_ = next_;
    return next_;
  }

 private:
  Allocator& allocator_;
  T* first_;
  T* next_;
};

// One element built before there is a place for it. Ends it unless its bytes have moved on.
template <class T, class Allocator>
class element_aside {
 public:
  template <class... Args>
  constexpr explicit element_aside(Allocator& allocator, Args&&... args) : allocator_(allocator) {
    std::allocator_traits<Allocator>::construct(allocator_, std::addressof(value),
                                                std::forward<Args>(args)...);
  }
  element_aside(const element_aside&) = delete;
  element_aside& operator=(const element_aside&) = delete;
  constexpr ~element_aside() {
    if (here_) std::allocator_traits<Allocator>::destroy(allocator_, std::addressof(value));
  }
  void move_bytes_to(T* place) noexcept {
    copy_bytes(place, std::addressof(value), 1);
    here_ = false;
  }
  union {
    T value;
  };

 private:
  Allocator& allocator_;
  bool here_ = true;
};

// The new elements at `to` after [first, last) was transferred there. The old ones are still to be
// forgotten: forget_range(). When a constructor throws, nothing is left at `to`.
template <class T, class Allocator>
constexpr T* transfer(Allocator& allocator, T* first, T* last, T* to) {
  if (by_bytes_now<T, Allocator>()) {
    const std::size_t count = static_cast<std::size_t>(last - first);
    copy_bytes(to, first, count);
    return to + count;
  }
  under_construction<T, Allocator> made(allocator, to);
  for (; first != last; ++first) made.add(std::move_if_noexcept(*first));
  return made.keep();
}

// Ends the elements that transfer() left behind: where bytes were moved, there is nothing to end.
template <class T, class Allocator>
constexpr void forget_range(Allocator& allocator, T* first, T* last) noexcept {
  if (!by_bytes_now<T, Allocator>()) destroy_range(allocator, first, last);
}

}  // namespace detail
}  // namespace ullage

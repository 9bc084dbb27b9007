// SPDX-License-Identifier: Apache-2.0
//
// vector_testing: what the tests of arrays share: elements that know whether they are alive, faults
// that strike at the n-th chance, allocators that can fail and that count, and the families of
// vectors that must all behave alike, std::vector among them.
#pragma once

#include <ullage/vector.h>

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace ullage::testing {

struct injected {};

// Every chance to fail calls point(); the one that finds `left` at 0 throws. Below 0: none does.
struct faults {
  static inline long left = -1;
  template <class Error>
  static void point() {
    if (left < 0) return;
    if (left-- == 0) throw Error();
  }
};

enum class moves { freely, throwing, by_bytes };

// An int that counts itself and, unless it may be moved by its bytes, knows its address.
template <moves How>
class tracked {
 public:
  static inline long alive = 0;
  static inline long copied = 0;
  static inline long moved = 0;
  static void reset() { alive = copied = moved = 0; }

  tracked() : tracked(0) {}
  tracked(int value) : value_(value) {  // NOLINT: converts on purpose
    faults::point<injected>();
    born();
  }
  tracked(const tracked& other) : value_(other.checked()) {
    faults::point<injected>();
    ++copied;
    born();
  }
  tracked(tracked&& other) noexcept(How != moves::throwing) : value_(other.checked()) {
    if (How == moves::throwing) faults::point<injected>();
    ++moved;
    other.value_ = -1;
    born();
  }
  tracked& operator=(const tracked& other) {
    checked();
    faults::point<injected>();
    ++copied;
    value_ = other.checked();
    return *this;
  }
  tracked& operator=(tracked&& other) noexcept(How != moves::throwing) {
    checked();
    if (How == moves::throwing) faults::point<injected>();
    ++moved;
    value_ = other.checked();
    if (this != &other) other.value_ = -1;
    return *this;
  }
  ~tracked() {
    checked();
    self_ = nullptr;
    --alive;
  }
  int value() const { return checked(); }
  friend bool operator==(const tracked& a, const tracked& b) { return a.value() == b.value(); }
  friend auto operator<=>(const tracked& a, const tracked& b) { return a.value() <=> b.value(); }

 private:
  void born() {
    self_ = How == moves::by_bytes ? mark() : this;
    ++alive;
  }
  static const void* mark() { return &alive; }
  int checked() const {
    if (self_ != (How == moves::by_bytes ? mark() : this)) std::abort();  // not an element here
    return value_;
  }
  const void* self_ = nullptr;
  int value_;
};

// What all allocators of one state have handed out.
struct allocator_state {
  long blocks = 0;
  long calls = 0;
};

template <class T, bool Propagates = true, bool Equal = false>
struct counting_allocator {
  using value_type = T;
  using propagate_on_container_copy_assignment = std::bool_constant<Propagates>;
  using propagate_on_container_move_assignment = std::bool_constant<Propagates>;
  using propagate_on_container_swap = std::bool_constant<Propagates>;
  using is_always_equal = std::bool_constant<Equal>;
  template <class U>
  struct rebind {
    using other = counting_allocator<U, Propagates, Equal>;
  };

  static inline allocator_state shared;
  allocator_state* state = &shared;

  counting_allocator() = default;
  explicit counting_allocator(allocator_state& of) : state(&of) {}
  template <class U>
  counting_allocator(const counting_allocator<U, Propagates, Equal>& other) : state(other.state) {}

  T* allocate(std::size_t n) {
    faults::point<std::bad_alloc>();
    ++state->blocks;
    ++state->calls;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) {
    --state->blocks;
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const counting_allocator& a, const counting_allocator& b) {
    return Equal || a.state == b.state;
  }
};

// Reaches the reservation after 64 bytes and its end after 1 MiB.
inline constexpr in_place_options kTinyInPlace{.heap_bytes_max = 64,
                                               .reserve_bytes = std::size_t{1} << 20,
                                               .ready_bytes_step = 8192,
                                               .kept_on_clear_bytes = 16384};

// `many`: elements that a test may append one by one without waiting for O(n^2).
struct std_family {
  static constexpr int many = 300000;
  template <class T, class Allocator = std::allocator<T>>
  using of = std::vector<T, Allocator>;
};
template <class Policy>
struct family {
  static constexpr int many = Policy::moves_per_element_max == 0 ? 3000 : 300000;
  template <class T, class Allocator = std::allocator<T>>
  using of = vector<T, Policy, Allocator>;
};

}  // namespace ullage::testing

namespace ullage {
template <>
struct is_trivially_relocatable<testing::tracked<testing::moves::by_bytes>> : std::true_type {};
}  // namespace ullage

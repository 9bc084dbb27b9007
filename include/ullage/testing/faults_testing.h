// SPDX-License-Identifier: Apache-2.0
//
// faults: elements, hashes and equalities that count what a map does with them and throw where they
// are told to. Tests only; not installed.
//
//   for (std::uint64_t k = 1;; ++k) {          // every point at which it can fail, in turn
//     const fault_scope fault(kEverything, k);
//     try { operation(); } catch (const injected_fault&) { check what the map promised; continue; }
//     break;                                   // k was beyond the last step
//   }
//
// Promise   With nothing armed nothing throws. One scope throws at most once.
// Threads   One: the counters are plain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

namespace ullage::testing {

// What can fail. A bit each.
inline constexpr unsigned kCopy = 1;
inline constexpr unsigned kMove = 2;
inline constexpr unsigned kHash = 4;
inline constexpr unsigned kEqual = 8;
inline constexpr unsigned kAllocate = 16;
inline constexpr unsigned kEverything = kCopy | kMove | kHash | kEqual | kAllocate;

/// Thrown by whatever is armed: also what a failing allocation throws.
class injected_fault : public std::bad_alloc {
 public:
  const char* what() const noexcept override { return "injected fault"; }
};

struct step_counts {
  std::uint64_t copies = 0, moves = 0, hashes = 0, equals = 0, allocations = 0, bytes = 0;
};

struct fault_state {
  unsigned armed = 0;
  std::uint64_t left = 0;  // steps of an armed kind until the throw
  bool thrown = false;
  step_counts counts;
  std::int64_t live = 0;  // tracked elements that exist
};
inline fault_state g_faults;

inline void fault_step(unsigned kind) {
  if ((g_faults.armed & kind) == 0) return;
  if (--g_faults.left > 0) return;
  g_faults.armed = 0;
  g_faults.thrown = true;
  throw injected_fault();
}

/// Arms the k-th step (from 1) of the kinds in `mask`; disarms at its end.
class fault_scope {
 public:
  fault_scope(unsigned mask, std::uint64_t k) {
    g_faults.armed = mask;
    g_faults.left = k;
    g_faults.thrown = false;
  }
  ~fault_scope() { g_faults.armed = 0; }
  fault_scope(const fault_scope&) = delete;
  fault_scope& operator=(const fault_scope&) = delete;
};

enum class moving { nothrow, throwing };

/// A value that knows where it lives (memcpy is noticed), counts, and throws when armed. A
/// moved-from one holds kMovedFrom.
template <moving Moving>
class tracked {
 public:
  static constexpr int kMovedFrom = std::numeric_limits<int>::min();

  tracked() : tracked(0) {}
  tracked(int v) : value_(v), self_(this) { ++g_faults.live; }  // NOLINT: keys are written as ints
  tracked(const tracked& other) : value_((fault_step(kCopy), other.checked())), self_(this) {
    ++g_faults.counts.copies;
    ++g_faults.live;
  }
  tracked(tracked&& other) noexcept(Moving == moving::nothrow)
      : value_((may_throw(), other.checked())), self_(this) {
    other.value_ = kMovedFrom;
    ++g_faults.counts.moves;
    ++g_faults.live;
  }
  tracked& operator=(const tracked& other) {
    fault_step(kCopy);
    value_ = other.checked();
    ++g_faults.counts.copies;
    return *this;
  }
  tracked& operator=(tracked&& other) noexcept(Moving == moving::nothrow) {
    may_throw();
    const int taken = other.checked();
    other.value_ = kMovedFrom;
    value_ = taken;
    ++g_faults.counts.moves;
    return *this;
  }
  ~tracked() {
    checked();
    self_ = nullptr;
    --g_faults.live;
  }

  int value() const noexcept { return checked(); }

  friend bool operator==(const tracked& a, const tracked& b) { return a.value() == b.value(); }

 private:
  // A tracked object that was copied as bytes, or is used after its end, stops the test run here.
  int checked() const noexcept {
    if (self_ != this) __builtin_trap();
    return value_;
  }
  static void may_throw() noexcept(Moving == moving::nothrow) {
    if constexpr (Moving == moving::throwing) fault_step(kMove);
  }

  int value_;
  const tracked* self_;
};

using tracked_value = tracked<moving::nothrow>;
using brittle_value = tracked<moving::throwing>;

// How a hash may let its table down. `good` is what the comparisons use, too.
enum class hashing { good, identity, constant, low_bits_equal, high_bits_equal, few };

constexpr std::uint64_t spread(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

template <hashing Hashing>
constexpr std::uint64_t hash_of(std::uint64_t x) noexcept {
  switch (Hashing) {
    case hashing::good:
      return spread(x);
    case hashing::identity:
      return x;
    case hashing::constant:
      return 42;
    case hashing::low_bits_equal:
      return x << 40;
    case hashing::high_bits_equal:
      return x & 0xFFFF;
    case hashing::few:
      return spread(x % 7);
  }
  return 0;
}

template <class T>
constexpr std::uint64_t number_of(const T& key) noexcept {
  if constexpr (requires { key.value(); }) {
    return static_cast<std::uint64_t>(key.value());
  } else {
    return static_cast<std::uint64_t>(key);
  }
}

/// Hashes whatever number_of understands; counted, and throws when armed.
template <hashing Hashing = hashing::good>
struct counted_hash {
  template <class T>
  std::size_t operator()(const T& key) const {
    fault_step(kHash);
    ++g_faults.counts.hashes;
    return static_cast<std::size_t>(hash_of<Hashing>(number_of(key)));
  }
};

struct counted_equal {
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    fault_step(kEqual);
    ++g_faults.counts.equals;
    return number_of(a) == number_of(b);
  }
};

/// For strings and views of them, both ways.
struct text_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>()(text);
  }
};
struct text_equal {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept { return a == b; }
};

}  // namespace ullage::testing

// SPDX-License-Identifier: Apache-2.0
//
// slice_array: the array behind slices: how many slices show it, how much of it is alive, and how
// much of it they show together.
//
// Invariants (1) [0, used) are elements, [used, capacity) is empty. (2) `owners` slices point here;
// the last one to leave ends the elements and gives the memory back. (3) While watched, `shown` is
// the sum of their lengths.
#pragma once

#include <ullage/detail/relocate.h>
#include <ullage/growth.h>

#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>

namespace ullage {

/// Slices that together show less than one in so many elements of their array are a retention ...
inline constexpr std::size_t kRetainedShareMax = 8;
/// ... if the array holds at least this. Smaller arrays are not watched, and cost one count less.
inline constexpr std::size_t kRetainedBytesMin = std::size_t{64} << 10;

namespace detail {

template <class T, class Allocator>
class slice_array {
 public:
  static constexpr std::size_t header_bytes = (64 + alignof(T) - 1) / alignof(T) * alignof(T);

  static constexpr std::size_t count_max() noexcept {
    return (static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) -
            2 * header_bytes) /
           sizeof(T);
  }
  static constexpr std::size_t bytes_for(std::size_t capacity) noexcept {
    return units_for(capacity) * sizeof(unit);
  }

  // An array of no elements yet, and one owner that shows none of it. Asks nobody.
  static slice_array* make(std::size_t capacity, growth_site* site) {
    unit_allocator allocator;
    unit* memory = std::to_address(
        std::allocator_traits<unit_allocator>::allocate(allocator, units_for(capacity)));
    return ::new (static_cast<void*>(memory)) slice_array(capacity, site);
  }
  // Gives the memory back; the elements have been ended.
  static void free(slice_array* array) noexcept {
    unit_allocator allocator;
    const std::size_t units = units_for(array->capacity_);
    array->~slice_array();
    std::allocator_traits<unit_allocator>::deallocate(allocator, reinterpret_cast<unit*>(array),
                                                      units);
  }

  T* elements() noexcept {
    return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + header_bytes);
  }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t bytes() const noexcept { return bytes_for(capacity_); }
  growth_site* site() const noexcept { return site_; }
  std::size_t used() const noexcept { return used_.load(std::memory_order_acquire); }
  std::size_t owners() const noexcept { return owners_.load(std::memory_order_acquire); }

  void join(std::size_t showing) noexcept {
    owners_.fetch_add(1, std::memory_order_relaxed);
    show(showing);
  }
  // One owner shows `more` elements than before.
  void show(std::size_t more) noexcept {
    if (!watched() || more == 0) return;
    const std::size_t shown = shown_.fetch_add(more, std::memory_order_relaxed) + more;
    if (!is_retention(shown) && reported_.load(std::memory_order_relaxed)) {
      reported_.store(false, std::memory_order_relaxed);
    }
  }
  // One owner shows `less` elements than before. True when what is shown has become so little that
  // somebody should hear of it: once until more is shown again.
  bool hide(std::size_t less) noexcept {
    if (!watched() || less == 0) return false;
    const std::size_t shown = shown_.fetch_sub(less, std::memory_order_relaxed) - less;
    return is_retention(shown) && !reported_.exchange(true, std::memory_order_relaxed);
  }
  std::size_t shown() const noexcept { return shown_.load(std::memory_order_relaxed); }
  // True for the last owner, who has to end what is left.
  bool leave() noexcept { return owners_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  // Makes [end, end + more) the caller's to construct in: `end` is where its view ends. False when
  // other slices have, or may see, elements there.
  bool claim(std::size_t end, std::size_t more) noexcept {
    if (owners() == 1) {  // what is beyond, nobody can see any more
      const std::size_t used_now = used();
      Allocator allocator;
      destroy_range(allocator, elements() + end, elements() + used_now);
      used_.store(end + more, std::memory_order_relaxed);
      return true;
    }
    return used_.compare_exchange_strong(end, end + more, std::memory_order_acq_rel);
  }
  void unclaim(std::size_t end) noexcept { used_.store(end, std::memory_order_release); }
  bool owns_tail(std::size_t end) const noexcept { return owners() == 1 || used() == end; }

  // For a new array: its elements are there.
  void filled(std::size_t count) noexcept {
    used_.store(count, std::memory_order_relaxed);
    show(count);
  }
  // Ends what is in [0, used) but not in [gone, gone_end), where elements have moved out.
  void end_elements(std::size_t gone, std::size_t gone_end) noexcept {
    Allocator allocator;
    destroy_range(allocator, elements(), elements() + gone);
    destroy_range(allocator, elements() + gone_end, elements() + used());
  }

 private:
  struct alignas(alignof(T) > 16 ? alignof(T) : 16) unit {
    std::byte bytes[alignof(T) > 16 ? alignof(T) : 16];
  };
  using unit_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<unit>;

  slice_array(std::size_t capacity, growth_site* site) noexcept : capacity_(capacity), site_(site) {
    static_assert(sizeof(slice_array) <= header_bytes, "elements begin behind the header");
  }
  ~slice_array() = default;

  static constexpr std::size_t units_for(std::size_t capacity) noexcept {
    return (header_bytes + capacity * sizeof(T) + sizeof(unit) - 1) / sizeof(unit);
  }
  bool watched() const noexcept { return capacity_ >= kRetainedBytesMin / sizeof(T); }
  bool is_retention(std::size_t shown) const noexcept {
    return shown < capacity_ / kRetainedShareMax;
  }

  std::atomic<std::size_t> owners_{1};
  std::atomic<std::size_t> used_{0};
  std::atomic<std::size_t> shown_{0};
  std::atomic<bool> reported_{false};
  const std::size_t capacity_;
  growth_site* const site_;
};

}  // namespace detail
}  // namespace ullage

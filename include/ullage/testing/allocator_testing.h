// SPDX-License-Identifier: Apache-2.0
//
// allocator: allocators with an identity, that count, fail when armed, and notice memory that is
// given back to the wrong one or with the wrong size. Tests only; not installed.
//
// A pool is the identity. Two allocators are equal when their pools are the same; what a container
// took from a pool must be back before the pool ends (balanced()).
#pragma once

#include <ullage/testing/faults_testing.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <type_traits>

namespace ullage::testing {

class pool {
 public:
  explicit pool(int id) : id_(id) {}
  int id() const { return id_; }
  std::uint64_t allocations() const { return allocations_; }
  std::uint64_t bytes_live() const { return bytes_live_; }
  bool balanced() const { return blocks_.empty() && !wrong_; }
  /// Something was returned that was never taken here, or as another size.
  bool wrong() const { return wrong_; }

  void* take(std::size_t bytes, std::size_t alignment) {
    fault_step(kAllocate);
    void* block = ::operator new(bytes, std::align_val_t(alignment));
    ++allocations_;
    ++g_faults.counts.allocations;
    g_faults.counts.bytes += bytes;
    bytes_live_ += bytes;
    blocks_[block] = bytes;
    return block;
  }

  void give_back(void* block, std::size_t bytes, std::size_t alignment) noexcept {
    const auto found = blocks_.find(block);
    if (found == blocks_.end() || found->second != bytes) {
      wrong_ = true;
      return;
    }
    blocks_.erase(found);
    bytes_live_ -= bytes;
    ::operator delete(block, std::align_val_t(alignment));
  }

 private:
  int id_;
  std::uint64_t allocations_ = 0;
  std::uint64_t bytes_live_ = 0;
  bool wrong_ = false;
  std::map<void*, std::size_t> blocks_;  // its own allocations are nobody's business
};

inline pool g_default_pool{0};

// What propagates, as in std::allocator_traits: P travels, S stays.
enum class travel : bool { stays, travels };

template <class T, travel Copy, travel Move, travel Swap>
class pool_allocator {
 public:
  using value_type = T;
  using propagate_on_container_copy_assignment = std::bool_constant<Copy == travel::travels>;
  using propagate_on_container_move_assignment = std::bool_constant<Move == travel::travels>;
  using propagate_on_container_swap = std::bool_constant<Swap == travel::travels>;
  using is_always_equal = std::false_type;
  template <class U>
  struct rebind {
    using other = pool_allocator<U, Copy, Move, Swap>;
  };

  pool_allocator() noexcept : pool_(&g_default_pool) {}
  pool_allocator(pool& from) noexcept : pool_(&from) {}  // NOLINT: pools stand for allocators
  template <class U>
  pool_allocator(const pool_allocator<U, Copy, Move, Swap>& other) noexcept : pool_(other.home()) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(pool_->take(count * sizeof(T), alignof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept {
    pool_->give_back(block, count * sizeof(T), alignof(T));
  }
  pool* home() const noexcept { return pool_; }

  template <class U>
  friend bool operator==(const pool_allocator& a,
                         const pool_allocator<U, Copy, Move, Swap>& b) noexcept {
    return a.home() == b.home();
  }

 private:
  pool* pool_;
};

template <class T>
using staying_allocator = pool_allocator<T, travel::stays, travel::stays, travel::stays>;
template <class T>
using travelling_allocator = pool_allocator<T, travel::travels, travel::travels, travel::travels>;

/// Counts calls and bytes and nothing else: cheap enough for millions of operations. Stateless.
struct traffic_counts {
  std::uint64_t allocations = 0, deallocations = 0, bytes_live = 0, bytes_peak = 0;
};
inline traffic_counts g_traffic;

template <class T>
class traffic_allocator {
 public:
  using value_type = T;
  traffic_allocator() noexcept = default;
  template <class U>
  traffic_allocator(const traffic_allocator<U>&) noexcept {}  // NOLINT: rebinding is implicit

  T* allocate(std::size_t count) {
    T* block = static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(alignof(T))));
    ++g_traffic.allocations;
    g_traffic.bytes_live += count * sizeof(T);
    if (g_traffic.bytes_live > g_traffic.bytes_peak) g_traffic.bytes_peak = g_traffic.bytes_live;
    return block;
  }
  void deallocate(T* block, std::size_t count) noexcept {
    ++g_traffic.deallocations;
    g_traffic.bytes_live -= count * sizeof(T);
    ::operator delete(block, std::align_val_t(alignof(T)));
  }
  template <class U>
  friend bool operator==(const traffic_allocator&, const traffic_allocator<U>&) noexcept {
    return true;
  }
};

}  // namespace ullage::testing

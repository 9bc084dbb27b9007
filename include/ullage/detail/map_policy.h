// SPDX-License-Identifier: Apache-2.0
//
// map_policy: how map_core handles the entries of a map and of a set.
#pragma once

#include <ullage/detail/map_memory.h>

#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

namespace ullage::detail {

template <class T>
inline constexpr bool kPlainAllocator = false;
template <class T>
inline constexpr bool kPlainAllocator<std::allocator<T>> = true;
template <class T>
inline constexpr bool kPlainAllocator<arena_allocator<T>> = true;

template <class Key, class Value, class Hash, class Eq, class Alloc>
struct map_policy {
  using key_type = Key;
  using value_type = Value;
  using hasher = Hash;
  using key_equal = Eq;
  using allocator_type = Alloc;
  using traits = std::allocator_traits<Alloc>;
  // The same with entries that are complete.
  using stand_in = map_policy<int, int, Hash, Eq, typename traits::template rebind_alloc<int>>;
  static constexpr bool kIsMap = !std::is_same_v<Key, Value>;
  static constexpr const char* kType = kIsMap ? "hash_map" : "hash_set";

  template <class V>
  struct parts {
    static constexpr bool kSafe = std::is_nothrow_move_constructible_v<V>;
    static constexpr bool kTrivial = std::is_trivially_copyable_v<V>;
    static constexpr bool kCopies = std::is_copy_constructible_v<V>;
  };
  template <class A, class B>
  struct parts<std::pair<const A, B>> {
    static constexpr bool kSafe =
        std::is_nothrow_move_constructible_v<A> && std::is_nothrow_move_constructible_v<B>;
    static constexpr bool kTrivial =
        std::is_trivially_copyable_v<A> && std::is_trivially_copyable_v<B>;
    static constexpr bool kCopies =
        std::is_copy_constructible_v<A> && std::is_copy_constructible_v<B>;
  };
  static constexpr bool kMovesSafely = parts<Value>::kSafe;
  static constexpr bool kTrivialMove = parts<Value>::kTrivial && kPlainAllocator<Alloc>;
  static constexpr bool kTrivialDestroy =
      std::is_trivially_destructible_v<Value> && kPlainAllocator<Alloc>;

  static const Key& key(const Value& value) noexcept {
    if constexpr (kIsMap) {
      return value.first;
    } else {
      return value;
    }
  }
  template <class... Args>
  static void construct(Alloc& alloc, void* at, Args&&... args) {
    traits::construct(alloc, static_cast<Value*>(at), std::forward<Args>(args)...);
  }
  static void destroy(Alloc& alloc, Value* at) noexcept { traits::destroy(alloc, at); }

  /// Constructs at `to` by moving from `from`, key included, which stays to be destroyed.
  static void move(Alloc& alloc, void* to, Value* from) {
    if constexpr (kIsMap) {
      // The entry is on its way out: nobody looks at its key again.
      construct(alloc, to, std::move(const_cast<Key&>(from->first)), std::move(from->second));
    } else {
      construct(alloc, to, std::move(*from));
    }
  }
  static void copy_or_move(Alloc& alloc, void* to, Value* from) {
    if constexpr (parts<Value>::kCopies) {
      construct(alloc, to, *static_cast<const Value*>(from));
    } else if constexpr (kIsMap && std::is_copy_constructible_v<Key>) {
      // The value can only be moved: if that throws, at least the key is still there.
      construct(alloc, to, std::as_const(from->first), std::move(from->second));
    } else {
      move(alloc, to, from);
    }
  }
  /// Moves where that can't fail, so that the entry is here or there; else copies, if it can.
  static void take(Alloc& alloc, void* to, Value* from) {
    if constexpr (kMovesSafely) {
      move(alloc, to, from);
    } else {
      copy_or_move(alloc, to, from);
    }
  }
  static void relocate(Alloc& alloc, void* to, Value* from) noexcept {
    if constexpr (kTrivialMove) {
      std::memcpy(to, static_cast<const void*>(from), sizeof(Value));
    } else {
      move(alloc, to, from);
      destroy(alloc, from);
    }
  }
};

}  // namespace ullage::detail

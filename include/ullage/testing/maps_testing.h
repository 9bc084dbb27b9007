// SPDX-License-Identifier: Apache-2.0
//
// maps: the list of maps, each with its set, that keep the map contract. A new map joins by adding
// a family here, and its name to map_families. Tests only; not installed.
//
// Our rivals are on the list to prove the suite: what all of them fail is a fault of the suite.
// What one of them does not promise is said in its family, with the source of that knowledge.
#pragma once

#include <gtest/gtest.h>
#include <ullage/testing/faults_testing.h>

#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#if __has_include(<absl/container/flat_hash_map.h>) && !defined(ULLAGE_NO_ABSL)
#define ULLAGE_TEST_ABSL 1
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#endif
#if __has_include(<boost/unordered/unordered_flat_map.hpp>)
#define ULLAGE_TEST_BOOST 1
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#endif
#if __has_include(<tsl/robin_map.h>)
#define ULLAGE_TEST_TSL 1
#include <tsl/robin_map.h>
#include <tsl/robin_set.h>
#endif
#if __has_include(<ullage/hash_map.h>)
#define ULLAGE_TEST_OURS 1
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>
#endif

namespace ullage::testing {

/// What a family may say no to. The contract's tests skip what is false here.
struct promises {
  // Keys that move and don't copy, also in a pair that is not of standard layout.
  static constexpr bool has_move_only_keys = true;
  // extract() and insert(node)
  static constexpr bool has_nodes = true;
  static constexpr bool has_merge = true;
  // count, contains and erase by another type than Key (find has it everywhere)
  static constexpr bool has_transparent_erase = true;
  // try_emplace and insert_or_assign by another type than Key
  static constexpr bool has_transparent_insert = true;
  static constexpr bool has_erase_if = true;
  // m.try_emplace(k, m.at(other)): the argument is read before, or lives through, a growth
  static constexpr bool arguments_may_be_own_elements = true;
  // A throwing hash, equality or copy leaves a map that works: the container requirements' basic
  // guarantee. And one insertion that throws leaves what was there, if moves don't throw.
  static constexpr bool survives_exceptions = true;
  static constexpr bool inserts_all_or_nothing = true;
  // The basic guarantee for copy assignment, range insertion, reserve and their like.
  static constexpr bool survives_exceptions_in_bulk = true;
  // The kinds of throws for which one insertion is all or nothing.
  static constexpr unsigned all_or_nothing_for = kEverything;
  // A merge that throws has lost no element.
  static constexpr bool merge_loses_nothing = true;
  // The basic guarantee, when moving elements can throw.
  static constexpr bool survives_throwing_moves = true;
  // Copies and moves into another allocator.
  static constexpr bool has_extended_constructors = true;
  // Allocators that stay or travel do so as std::allocator_traits says.
  static constexpr bool propagates_allocators = true;
  // Thousands of keys of one hash are slow, not wrong.
  static constexpr bool bears_equal_hashes = true;
};

struct std_unordered_map : promises {
  static constexpr const char* name = "std_unordered_map";
  template <class K, class V, class H, class E, template <class> class A = std::allocator>
  using map = std::unordered_map<K, V, H, E, A<std::pair<const K, V>>>;
  template <class K, class H, class E, template <class> class A = std::allocator>
  using set = std::unordered_set<K, H, E, A<K>>;
  // libstdc++ takes the node out of the source before the bucket array grows, which may fail.
  static constexpr bool merge_loses_nothing = false;
  // Both came with C++23.
  static constexpr bool has_transparent_erase = false;
  static constexpr bool has_transparent_insert = false;
};

#ifdef ULLAGE_TEST_ABSL
struct absl_flat_hash_map : promises {
  static constexpr const char* name = "absl_flat_hash_map";
  template <class K, class V, class H, class E, template <class> class A = std::allocator>
  using map = absl::flat_hash_map<K, V, H, E, A<std::pair<const K, V>>>;
  template <class K, class H, class E, template <class> class A = std::allocator>
  using set = absl::flat_hash_set<K, H, E, A<K>>;
  // raw_hash_set.h marks the slot full before it constructs the element, and moves the arguments'
  // home away before it reads them. Abseil is built without exceptions at home.
  static constexpr bool has_move_only_keys = false;  // container_memory.h, kMutableKeys
  static constexpr bool arguments_may_be_own_elements = false;
  static constexpr bool survives_exceptions = false;
  static constexpr bool survives_exceptions_in_bulk = false;
  static constexpr bool merge_loses_nothing = false;
  static constexpr bool inserts_all_or_nothing = false;
  static constexpr bool survives_throwing_moves = false;
};
#endif

#ifdef ULLAGE_TEST_BOOST
struct boost_unordered_flat_map : promises {
  static constexpr const char* name = "boost_unordered_flat_map";
  template <class K, class V, class H, class E, template <class> class A = std::allocator>
  using map = boost::unordered_flat_map<K, V, H, E, A<std::pair<const K, V>>>;
  template <class K, class H, class E, template <class> class A = std::allocator>
  using set = boost::unordered_flat_set<K, H, E, A<K>>;
  static constexpr bool has_nodes = false;
  static constexpr bool has_transparent_insert = false;  // came with 1.82
  // A hash that throws while it rehashes costs elements: foa/table.hpp, unchecked_rehash.
  static constexpr unsigned all_or_nothing_for = kEverything & ~kHash;
  static constexpr bool merge_loses_nothing = false;
};
#endif

#ifdef ULLAGE_TEST_TSL
struct tsl_robin_map : promises {
  static constexpr bool has_extended_constructors = false;
  static constexpr const char* name = "tsl_robin_map";
  template <class K, class V, class H, class E, template <class> class A = std::allocator>
  using map = tsl::robin_map<K, V, H, E, A<std::pair<K, V>>>;
  template <class K, class H, class E, template <class> class A = std::allocator>
  using set = tsl::robin_set<K, H, E, A<K>>;
  static constexpr bool has_nodes = false;
  static constexpr bool has_merge = false;
  static constexpr bool has_transparent_insert = false;
  static constexpr bool has_erase_if = false;
  static constexpr bool arguments_may_be_own_elements = false;  // it grows before it reads them
  // A copy assignment that throws leaves it pointing into the vector it had.
  static constexpr bool survives_exceptions_in_bulk = false;
  // Its robin hood swaps lose what a throwing move leaves half done.
  static constexpr bool survives_throwing_moves = false;
  // Move assignment and swap exchange vectors whose allocators differ.
  static constexpr bool propagates_allocators = false;
  // Beyond a probe distance of 8192 it doubles, whatever the load.
  static constexpr bool bears_equal_hashes = false;
};
#endif

#ifdef ULLAGE_TEST_OURS
// Everything from the given allocator; std::allocator by default.
struct ullage_hash_map : promises {
  static constexpr const char* name = "ullage_hash_map";
  template <class K, class V, class H, class E, template <class> class A = std::allocator>
  using map = ullage::hash_map<K, V, H, E, A<std::pair<const K, V>>>;
  template <class K, class H, class E, template <class> class A = std::allocator>
  using set = ullage::hash_set<K, H, E, A<K>>;
};
// What users get: segments from the process's arena. Where a test brings its own allocator, that
// one.
struct ullage_hash_map_in_arena : promises {
  static constexpr const char* name = "ullage_hash_map_in_arena";
  template <class T, template <class> class A>
  using allocator =
      std::conditional_t<std::is_same_v<A<T>, std::allocator<T>>, ullage::arena_allocator<T>, A<T>>;
  template <class K, class V, class H, class E, template <class> class A = std::allocator>
  using map = ullage::hash_map<K, V, H, E, allocator<std::pair<const K, V>, A>>;
  template <class K, class H, class E, template <class> class A = std::allocator>
  using set = ullage::hash_set<K, H, E, allocator<K, A>>;
};
#endif

using map_families = ::testing::Types<std_unordered_map
#ifdef ULLAGE_TEST_ABSL
                                      ,
                                      absl_flat_hash_map
#endif
#ifdef ULLAGE_TEST_BOOST
                                      ,
                                      boost_unordered_flat_map
#endif
#ifdef ULLAGE_TEST_TSL
                                      ,
                                      tsl_robin_map
#endif
#ifdef ULLAGE_TEST_OURS
                                      ,
                                      ullage_hash_map, ullage_hash_map_in_arena
#endif
                                      >;

struct family_names {
  template <class Family>
  static std::string GetName(int) {
    return Family::name;
  }
};

/// The mapped value of what an iterator points to, to be written to.
template <class Iterator>
auto& value_at(Iterator it) {
  if constexpr (requires { it.value(); }) {
    return it.value();  // tsl's pairs are const both ways
  } else {
    return it->second;
  }
}

/// Erases at `it` and returns what follows, also where erase(iterator) returns nothing.
template <class Map>
typename Map::iterator erase_at(Map& map, typename Map::iterator it) {
  if constexpr (std::is_void_v<decltype(map.erase(it))>) {
    map.erase(it++);
    return it;
  } else {
    return map.erase(it);
  }
}

}  // namespace ullage::testing

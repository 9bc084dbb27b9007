// SPDX-License-Identifier: Apache-2.0
//
// What code written for the standard maps relies on, and once did not get from ours. Each of these
// was found by running the suites of other maps (docs/containers/peers.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>
#include <ullage/testing/allocator_testing.h>

#include <cctype>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ullage {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// A tree, as documents and directories are: the map's size can't depend on its values'.
struct node {
  hash_map<std::string, node> children;
  hash_map<std::string, node>::iterator chosen;
  int leaves = 0;
};
struct group {
  struct hash {
    std::size_t operator()(const group& g) const noexcept { return g.members.size(); }
  };
  hash_set<group, hash, std::equal_to<>> members;
  friend bool operator==(const group& a, const group& b) { return a.members == b.members; }
};

TEST(HashMapStandard, ATypeMayHoldAMapOfItself) {
  node root;
  root.children["usr"].children["bin"].leaves = 3;
  for (int i = 0; i < 3000; ++i) root.children[std::to_string(i)].leaves = i;
  const node copy = root;
  EXPECT_EQ(copy.children.at("usr").children.at("bin").leaves, 3);
  EXPECT_EQ(copy.children.at("2999").leaves, 2999);
  group outer;
  EXPECT_TRUE(outer.members.insert(group{}).second);
  EXPECT_FALSE(outer.members.insert(group{}).second);
}

TEST(HashMapStandard, AHintedInsertOfANodeWhoseKeyIsThereKeepsTheNode) {
  hash_map<int, std::string> map{{1, "one"}};
  hash_map<int, std::string> other{{1, "uno"}, {2, "due"}};
  auto held = other.extract(1);
  EXPECT_EQ(map.insert(map.end(), std::move(held))->second, "one");
  ASSERT_TRUE(held);  // it was thrown away with the answer that nobody looked at
  EXPECT_EQ(held.mapped(), "uno");
  held.key() = 3;
  EXPECT_EQ(map.insert(map.begin(), std::move(held))->second, "uno");
  EXPECT_TRUE(held.empty());

  hash_set<std::string> set{"a"};
  hash_set<std::string> more{"a", "b"};
  auto key = more.extract("a");
  set.insert(set.end(), std::move(key));
  ASSERT_TRUE(key);
  EXPECT_EQ(key.value(), "a");
}

TEST(HashSetStandard, AMovedNodeIsEmpty) {
  hash_set<int> set{1, 2};
  auto held = set.extract(1);
  auto taken = std::move(held);
  EXPECT_TRUE(held.empty());  // it held on to what it no longer had: for an int, a second 1
  EXPECT_EQ(taken.value(), 1);
  EXPECT_EQ(taken.get_allocator(), set.get_allocator());
  hash_set<int> other{9};
  swap(held, taken);
  EXPECT_TRUE(other.insert(std::move(held)).inserted);
  EXPECT_TRUE(held.empty());
  EXPECT_THAT(other, UnorderedElementsAre(1, 9));
}

TEST(HashMapStandard, WhatEraseReturnsServesAnyIteratorAndCanBeLookedThrough) {
  hash_map<int, int> map;
  for (int i = 0; i < 100; ++i) map[i] = i;
  for (auto at = map.cbegin(); at != map.cend();) at = map.erase(at);
  EXPECT_TRUE(map.empty());
  map = {{1, 10}, {2, 20}};
  const auto next = map.erase(map.begin());
  EXPECT_EQ(next->second, (*next).first * 10);
  EXPECT_EQ(next, map.begin());
}

TEST(HashMapStandard, RehashGivesAtLeastTheSlotsItIsAskedFor) {
  for (std::size_t n = 1; n < 3000; n = n * 5 / 4 + 1) {
    hash_map<int, int> map;
    map.rehash(n);
    EXPECT_GE(map.bucket_count(), n);  // small numbers lost an eighth, rounded up
    hash_set<std::string> set(n);
    EXPECT_GE(set.bucket_count(), n);
  }
}

// Trivially copyable, as all its copying that there is is trivial.
struct handle {
  explicit handle(int n) : number(n) {}
  handle(handle&&) = default;
  handle& operator=(handle&&) = default;
  friend bool operator==(const handle& a, const handle& b) = default;
  int number;
};
struct handle_hash {
  std::size_t operator()(const handle& h) const noexcept {
    return static_cast<std::size_t>(h.number);
  }
};

TEST(HashMapStandard, AKeyThatOnlyMovesMayBeSmallAndTrivial) {
  static_assert(std::is_trivially_copyable_v<handle> && !std::is_copy_constructible_v<handle>);
  hash_map<handle, int, handle_hash, std::equal_to<handle>> map;
  for (int i = 0; i < 3000; ++i) map.try_emplace(handle(i), i);
  EXPECT_EQ(map.at(handle(2999)), 2999);
  EXPECT_EQ(map.erase(handle(5)), 1U);
}

TEST(HashMapStandard, EqualityAsksTheKeysThemselves) {
  struct folded {
    using is_transparent = void;
    std::size_t operator()(const std::string& s) const noexcept { return s.size(); }
    bool operator()(const std::string& a, const std::string& b) const noexcept {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                        [](char x, char y) { return std::tolower(x) == std::tolower(y); });
    }
  };
  using headers = hash_map<std::string, int, folded, folded>;
  EXPECT_TRUE((headers{{"Host", 1}}.contains("HOST")));
  EXPECT_FALSE((headers{{"Host", 1}} == headers{{"HOST", 1}}));
  EXPECT_TRUE((headers{{"Host", 1}} == headers{{"Host", 1}}));
  using names = hash_set<std::string, folded, folded>;
  EXPECT_FALSE((names{"Host"} == names{"HOST"}));
}

struct touchy_hash {
  touchy_hash() = default;
  touchy_hash(const touchy_hash&) {}  // NOLINT: not noexcept, and that is the point
  touchy_hash& operator=(const touchy_hash&) { return *this; }  // NOLINT
  std::size_t operator()(int key) const { return static_cast<std::size_t>(key); }
};

TEST(HashMapStandard, MovesAndSwapsSayWhetherTheyCanThrow) {
  using plain = hash_map<int, int>;
  static_assert(std::is_nothrow_move_constructible_v<plain>);
  static_assert(std::is_nothrow_move_assignable_v<plain>);  // it did not say so
  static_assert(std::is_nothrow_move_assignable_v<hash_set<std::string>>);
  static_assert(std::is_nothrow_swappable_v<plain>);
  static_assert(!std::is_nothrow_move_assignable_v<pmr::hash_map<int, int>>);
  using touchy = hash_map<int, int, touchy_hash>;
  static_assert(!std::is_nothrow_move_assignable_v<touchy>);
  static_assert(!std::is_nothrow_swappable_v<touchy>);
  touchy a{{1, 2}};
  touchy b;
  b = std::move(a);
  swap(a, b);
  EXPECT_EQ(a.at(1), 2);
}

template <class T>
struct small_allocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = small_allocator<U>;
  };
  small_allocator() = default;
  template <class U>
  small_allocator(const small_allocator<U>&) {}
  std::size_t max_size() const noexcept { return 10; }
};

TEST(HashMapStandard, MaxSizeIsNoMoreThanTheAllocatorHas) {
  const hash_set<int, hash<int>, std::equal_to<int>, small_allocator<int>> set;
  EXPECT_EQ(set.max_size(), 10U);
  const hash_map<int, int> map;
  EXPECT_GT(map.max_size(), std::size_t{1} << 40);
}

template <class Map, class Value>
void has_every_constructor(const Value& one, const Value& two) {
  using testing::pool;
  pool home(1);
  {
    const typename Map::allocator_type alloc(home);
    const typename Map::hasher hash{};
    const std::vector<Value> values{one, two, one};
    const auto first = values.begin();
    const auto last = values.end();
    const Map all[] = {Map(first, last, alloc),          Map(first, last, 9, alloc),
                       Map(first, last, 9, hash, alloc), Map({one, two, one}, alloc),
                       Map({one, two, one}, 9, alloc),   Map({one, two, one}, 9, hash, alloc)};
    for (const Map& map : all) {
      EXPECT_THAT(map, UnorderedElementsAre(one, two));
      EXPECT_EQ(map.get_allocator().home(), &home);
    }
    EXPECT_GE(Map(9, alloc).bucket_count(), 9U);
    EXPECT_GE(Map(9, hash, alloc).bucket_count(), 9U);
  }
  EXPECT_TRUE(home.balanced());
}

TEST(HashMapStandard, HasEveryConstructor) {
  using value = std::pair<const int, int>;
  has_every_constructor<
      hash_map<int, int, hash<int>, equal_to<int>, testing::staying_allocator<value>>>(value(1, 2),
                                                                                       value(3, 4));
  has_every_constructor<hash_set<int, hash<int>, equal_to<int>, testing::staying_allocator<int>>>(
      5, 6);
}

template <class Expected, class Deduced>
void is(const Deduced& deduced) {
  static_assert(std::is_same_v<Expected, Deduced>);
  EXPECT_EQ(deduced.size(), 2U);
}

TEST(HashMapStandard, DeducesWhateverItIsNotTold) {
  using value = std::pair<const int, char>;
  using alloc = std::allocator<value>;
  using other = std::hash<long>;
  const std::vector<std::pair<int, char>> v{{1, 'a'}, {2, 'b'}};
  const std::pair<int, char> x{1, 'a'}, y{2, 'b'};
  const auto b = v.begin(), e = v.end();
  is<hash_map<int, char>>(hash_map(b, e));
  is<hash_map<int, char>>(hash_map(b, e, 9));
  is<hash_map<int, char, other>>(hash_map(b, e, 9, other()));
  is<hash_map<int, char, other, std::equal_to<>>>(hash_map(b, e, 9, other(), std::equal_to<>()));
  is<hash_map<int, char, other, std::equal_to<>, alloc>>(
      hash_map(b, e, 9, other(), std::equal_to<>(), alloc()));
  is<hash_map<int, char, hash<int>, equal_to<int>, alloc>>(hash_map(b, e, alloc()));
  is<hash_map<int, char, hash<int>, equal_to<int>, alloc>>(hash_map(b, e, 9, alloc()));
  is<hash_map<int, char, other, equal_to<int>, alloc>>(hash_map(b, e, 9, other(), alloc()));
  is<hash_map<int, char>>(hash_map{x, y});
  is<hash_map<int, char, other>>(hash_map({x, y}, 9, other()));
  is<hash_map<int, char, hash<int>, equal_to<int>, alloc>>(hash_map({x, y}, alloc()));
  is<hash_map<int, char, hash<int>, equal_to<int>, alloc>>(hash_map({x, y}, 9, alloc()));
  is<hash_map<int, char, other, equal_to<int>, alloc>>(hash_map({x, y}, 9, other(), alloc()));

  const std::vector<int> w{1, 2};
  using set_alloc = std::allocator<int>;
  is<hash_set<int>>(hash_set(w.begin(), w.end()));
  is<hash_set<int, other>>(hash_set(w.begin(), w.end(), 9, other()));
  is<hash_set<int, hash<int>, equal_to<int>, set_alloc>>(hash_set(w.begin(), w.end(), set_alloc()));
  is<hash_set<int>>(hash_set{1, 2});
  is<hash_set<int, other, equal_to<int>, set_alloc>>(hash_set({1, 2}, 9, other(), set_alloc()));
  is<hash_set<int, hash<int>, equal_to<int>, set_alloc>>(hash_set({1, 2}, set_alloc()));
}

// Says its category and not what C++20 wants to hear.
struct old_iterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = std::pair<int, int>;
  using difference_type = void;
  using pointer = const value_type*;
  using reference = value_type;
  int at;
  value_type operator*() const { return {at, at * at}; }
  old_iterator& operator++() {
    ++at;
    return *this;
  }
  old_iterator operator++(int) { return {at++}; }
  friend bool operator==(old_iterator a, old_iterator b) { return a.at == b.at; }
};

TEST(HashMapStandard, TakesRangesOfIteratorsThatAreOlderThanConcepts) {
  static_assert(!std::input_iterator<old_iterator>);
  hash_map<int, int> map(old_iterator{1}, old_iterator{4});
  map.insert(old_iterator{3}, old_iterator{5});
  EXPECT_THAT(map, UnorderedElementsAre(Pair(1, 1), Pair(2, 4), Pair(3, 9), Pair(4, 16)));
}

TEST(HashMapStandard, AHintMayComeWithAKeyOfAnotherType) {
  hash_map<std::string, int> map;
  const std::string_view key = "seen from afar";
  EXPECT_EQ(map.try_emplace(map.end(), key, 1)->second, 1);
  EXPECT_EQ(map.try_emplace(map.begin(), key, 2)->second, 1);
  EXPECT_EQ(map.insert_or_assign(map.begin(), key, 3)->second, 3);
  EXPECT_EQ(map.extract(key).mapped(), 3);
  EXPECT_TRUE(map.empty());
}

struct row {  // becomes an entry when asked
  int id;
  operator std::pair<const int, std::string>() const { return {id, "row"}; }  // NOLINT
};

TEST(HashMapStandard, TakesWhatBecomesAnEntry) {
  hash_map<int, std::string> map;
  EXPECT_TRUE(map.emplace(row{1}).second);
  EXPECT_TRUE(map.insert(row{2}).second);
  const std::vector<row> rows{{2}, {3}};
  map.insert(rows.begin(), rows.end());
  EXPECT_EQ(map, (hash_map<int, std::string>{{1, "row"}, {2, "row"}, {3, "row"}}));
}

TEST(HashMapStandard, TakesRanges) {
  const std::vector<std::pair<int, std::string>> pairs{{1, "one"}, {2, "two"}, {1, "again"}};
  hash_map<int, std::string> map;
  map.insert_range(pairs);
  EXPECT_EQ(map, (hash_map<int, std::string>{{1, "one"}, {2, "two"}}));
  hash_set<int> keys;
  const std::vector<int> numbers{1, 2, 1};
  keys.insert_range(std::span<const int>(numbers));
  EXPECT_EQ(keys, (hash_set<int>{1, 2}));
}

TEST(HashMapStandard, LooksForMemoryAheadOfASearchAndChangesNothing) {
  hash_map<std::string, int> map{{"here", 1}};
  map.prefetch("here");
  map.prefetch(std::string("not here"));
  hash_map<int, int>().prefetch(1);
  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(map.at("here"), 1);
  hash_set<std::string> names;
  EXPECT_EQ(*names.insert(names.end(), std::string_view("by a view, with a hint")),
            "by a view, with a hint");
}

struct hides_its_address {
  int value = 0;
  void operator&() const = delete;
  bool operator==(const hides_its_address&) const = default;
};
struct hash_of_value {
  std::size_t operator()(const hides_its_address& key) const {
    return static_cast<std::size_t>(key.value);
  }
};

TEST(HashMapStandard, AsksNoKeyForItsAddress) {
  hash_set<hides_its_address, hash_of_value> set, other;
  hash_map<hides_its_address, int, hash_of_value> map, more;
  for (int i = 0; i < 2000; ++i) {  // both have grown by then
    (i % 2 == 0 ? set : other).insert({i});
    (i % 2 == 0 ? map : more).try_emplace({i}, i);
  }
  set.merge(other);
  map.merge(more);
  EXPECT_EQ(set.size(), 2000u);
  EXPECT_EQ(map.size(), 2000u);
  EXPECT_TRUE(set.extract({7}));
  EXPECT_EQ(map.at({1999}), 1999);
}

TEST(HashMapStandard, TakesMemoryFromAMemoryResource) {
  std::pmr::monotonic_buffer_resource pool;
  pmr::hash_map<std::pmr::string, int> map(&pool);
  for (int i = 0; i < 2000; ++i) {
    map.try_emplace(std::pmr::string("a key that does not fit into itself ") + char('a' + i % 26),
                    i);
  }
  EXPECT_EQ(map.begin()->first.get_allocator().resource(), &pool);
  pmr::hash_set<int> set(&pool);
  set.insert(1);
  EXPECT_EQ(set.get_allocator().resource(), &pool);
}

}  // namespace
}  // namespace ullage

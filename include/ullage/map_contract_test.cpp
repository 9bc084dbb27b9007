// SPDX-License-Identifier: Apache-2.0
//
// The contract of every map: lookup, insertion, erasure, iteration, equality. Memory and allocators
// are in map_contract_memory_test.cpp, failures in map_contract_faults_test.cpp, long random
// sequences in map_model_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ullage/testing/faults_testing.h>
#include <ullage/testing/maps_testing.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ullage::testing {
namespace {

template <class Family>
class MapContract : public ::testing::Test {
 public:
  using Numbers = typename Family::template map<int, int, counted_hash<>, counted_equal>;
  using Texts = typename Family::template map<std::string, int, text_hash, text_equal>;

  static Numbers squares(int count) {
    Numbers map;
    for (int i = 0; i < count; ++i) map.try_emplace(i, i * i);
    return map;
  }

  template <class Map>
  static std::map<int, int> sorted(const Map& map) {
    std::map<int, int> result;
    for (const auto& [key, value] : map) {
      EXPECT_TRUE(result.emplace(key, value).second) << key << " was visited twice";
    }
    EXPECT_EQ(result.size(), map.size());
    return result;
  }
};
TYPED_TEST_SUITE(MapContract, map_families, family_names);

// Sizes around which something changes: groups, powers of two, segments.
const std::vector<int> kSizes = {0,   1,   2,   7,   8,   14,   15,   16,   17,   28,   56,   100,
                                 127, 256, 448, 840, 900, 1000, 1700, 2049, 4000, 9000, 30000};

TEST(MapPeers, AbsentOnesAreNamedWithTheirPackage) {
  std::string absent;
#ifndef ULLAGE_TEST_ABSL
  absent += " absl::flat_hash_map (libabsl-dev)";
#endif
#ifndef ULLAGE_TEST_BOOST
  absent += " boost::unordered_flat_map (libboost1.81-dev)";
#endif
#ifndef ULLAGE_TEST_TSL
  absent += " tsl::robin_map (robin-map-dev)";
#endif
  if (!absent.empty()) GTEST_SKIP() << "the contract was not held against:" << absent;
}

TYPED_TEST(MapContract, StartsEmptyAndFindsNothing) {
  typename TestFixture::Numbers map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(map.begin(), map.end());
  EXPECT_EQ(map.cbegin(), map.cend());
  EXPECT_EQ(map.find(1), map.end());
  EXPECT_FALSE(map.contains(1));
  EXPECT_EQ(map.erase(1), 0U);
  map.clear();
  EXPECT_TRUE(map.empty());
}

TYPED_TEST(MapContract, FindsEveryKeyItHoldsAndNoOther) {
  for (const int size : kSizes) {
    const auto map = TestFixture::squares(size);
    ASSERT_EQ(map.size(), static_cast<std::size_t>(size));
    for (int i = 0; i < size; ++i) {
      const auto found = map.find(i);
      ASSERT_NE(found, map.end()) << i << " of " << size;
      ASSERT_EQ(found->first, i);
      ASSERT_EQ(found->second, i * i);
      ASSERT_EQ(map.count(i), 1U);
      ASSERT_EQ(map.at(i), i * i);
    }
    for (int i = size; i < 2 * size + 10; ++i) {
      ASSERT_EQ(map.find(i), map.end()) << i << " of " << size;
      ASSERT_FALSE(map.contains(i));
      ASSERT_EQ(map.count(i), 0U);
    }
  }
}

TYPED_TEST(MapContract, IterationVisitsEveryElementOnceAtEverySize) {
  typename TestFixture::Numbers map;
  std::map<int, int> model;
  int next = 0;
  for (const int size : kSizes) {
    for (; next < size; ++next) {
      map.try_emplace(next, next * 3);
      model.emplace(next, next * 3);
    }
    ASSERT_EQ(TestFixture::sorted(map), model) << size;
  }
}

TYPED_TEST(MapContract, IterationInTheSameStateVisitsTheSameOrder) {
  const auto map = TestFixture::squares(3000);
  std::vector<int> first, second;
  for (const auto& entry : map) first.push_back(entry.first);
  for (const auto& entry : map) second.push_back(entry.first);
  EXPECT_EQ(first, second);
}

TYPED_TEST(MapContract, AtThrowsForAKeyItDoesNotHold) {
  auto map = TestFixture::squares(5);
  EXPECT_EQ(map.at(3), 9);
  map.at(3) = 10;
  EXPECT_EQ(std::as_const(map).at(3), 10);
  EXPECT_THROW(map.at(5), std::out_of_range);
  EXPECT_THROW(std::as_const(map).at(-1), std::out_of_range);
}

TYPED_TEST(MapContract, EqualRangeIsTheElementOrNothing) {
  auto map = TestFixture::squares(100);
  auto [first, last] = map.equal_range(7);
  ASSERT_NE(first, last);
  EXPECT_EQ(first->second, 49);
  EXPECT_EQ(++first, last);
  const auto [none, end] = std::as_const(map).equal_range(100);
  EXPECT_EQ(none, end);
}

TYPED_TEST(MapContract, TakesARangeAndAnInitializerListAndKeepsTheFirstOfEqualKeys) {
  using Map = typename TestFixture::Numbers;
  const Map listed = {{1, 10}, {2, 20}, {1, 11}};
  EXPECT_EQ(TestFixture::sorted(listed), (std::map<int, int>{{1, 10}, {2, 20}}));
  const std::vector<std::pair<int, int>> pairs = {{3, 30}, {4, 40}, {3, 31}};
  Map ranged(pairs.begin(), pairs.end());
  EXPECT_EQ(TestFixture::sorted(ranged), (std::map<int, int>{{3, 30}, {4, 40}}));
  ranged.insert({{4, 41}, {5, 50}});
  ranged.insert(pairs.begin(), pairs.end());
  EXPECT_EQ(TestFixture::sorted(ranged), (std::map<int, int>{{3, 30}, {4, 40}, {5, 50}}));
  ranged = {{6, 60}};
  EXPECT_EQ(TestFixture::sorted(ranged), (std::map<int, int>{{6, 60}}));
}

TYPED_TEST(MapContract, InsertAndEmplaceKeepWhatIsThereAndSayWhere) {
  typename TestFixture::Numbers map;
  const auto [first, fresh] = map.insert({1, 10});
  EXPECT_TRUE(fresh);
  EXPECT_EQ(first->second, 10);
  const auto [again, fresh_again] = map.insert({1, 11});
  EXPECT_FALSE(fresh_again);
  EXPECT_EQ(again->second, 10);
  const std::pair<const int, int> value{2, 20};
  EXPECT_TRUE(map.insert(value).second);
  EXPECT_FALSE(map.emplace(2, 21).second);
  EXPECT_TRUE(map.emplace(3, 30).second);
  EXPECT_TRUE(map.emplace(std::pair<int, int>(4, 40)).second);
  EXPECT_TRUE(
      map.emplace(std::piecewise_construct, std::forward_as_tuple(5), std::forward_as_tuple(50))
          .second);
  EXPECT_EQ(map.insert(map.begin(), {6, 60})->second, 60);
  EXPECT_EQ(map.emplace_hint(map.end(), 7, 70)->second, 70);
  EXPECT_EQ(map.emplace_hint(map.end(), 7, 71)->second, 70);
  EXPECT_EQ(TestFixture::sorted(map),
            (std::map<int, int>{{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 50}, {6, 60}, {7, 70}}));
}

TYPED_TEST(MapContract, InsertOrAssignReplacesTheValueAndSaysWhetherItWasNew) {
  typename TestFixture::Texts map;
  EXPECT_TRUE(map.insert_or_assign("a", 1).second);
  const auto [where, fresh] = map.insert_or_assign("a", 2);
  EXPECT_FALSE(fresh);
  EXPECT_EQ(where->second, 2);
  const std::string key = "a";
  EXPECT_FALSE(map.insert_or_assign(key, 3).second);
  EXPECT_EQ(map.insert_or_assign(map.begin(), key, 4)->second, 4);
  EXPECT_EQ(map.at("a"), 4);
  EXPECT_EQ(map.size(), 1U);
}

TYPED_TEST(MapContract, SubscriptMakesAZeroAndFindsItAgain) {
  typename TestFixture::Texts map;
  EXPECT_EQ(map["new"], 0);
  ++map["new"];
  const std::string key = "new";
  ++map[key];
  EXPECT_EQ(map.at(key), 2);
  EXPECT_EQ(map.size(), 1U);
}

TYPED_TEST(MapContract, TryEmplaceLeavesItsArgumentsAloneWhenTheKeyIsThere) {
  using Map =
      typename TypeParam::template map<int, std::unique_ptr<int>, counted_hash<>, counted_equal>;
  Map map;
  auto value = std::make_unique<int>(1);
  EXPECT_TRUE(map.try_emplace(1, std::move(value)).second);
  EXPECT_EQ(value, nullptr);
  auto refused = std::make_unique<int>(2);
  EXPECT_FALSE(map.try_emplace(1, std::move(refused)).second);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(*refused, 2);
  EXPECT_EQ(**&value_at(map.find(1)), 1);
}

struct MoveOnlyKey {
  explicit MoveOnlyKey(int n) : number(n) {}
  MoveOnlyKey(MoveOnlyKey&& other) noexcept : number(std::exchange(other.number, -1)) {}
  MoveOnlyKey& operator=(MoveOnlyKey&&) = default;
  ~MoveOnlyKey() = default;
  int value() const { return number; }
  int number;
};

TYPED_TEST(MapContract, MovesMoveOnlyKeysAndValuesThroughEveryGrowth) {
  if constexpr (TypeParam::has_move_only_keys) {
    using Map = typename TypeParam::template map<MoveOnlyKey, std::unique_ptr<int>, counted_hash<>,
                                                 counted_equal>;
    Map map;
    for (int i = 0; i < 3000; ++i) {
      ASSERT_TRUE(map.try_emplace(MoveOnlyKey(i), std::make_unique<int>(-i)).second);
    }
    Map moved(std::move(map));
    for (int i = 0; i < 3000; ++i) {
      const auto found = moved.find(MoveOnlyKey(i));
      ASSERT_NE(found, moved.end());
      ASSERT_EQ(*found->second, -i);
    }
    EXPECT_EQ(moved.erase(MoveOnlyKey(5)), 1U);
    EXPECT_EQ(moved.find(MoveOnlyKey(5)), moved.end());
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

TYPED_TEST(MapContract, HoldsValuesThatCannotBeMadeFromNothingAndOverAlignedOnes) {
  struct NoDefault {
    explicit NoDefault(int v) : value(v) {}
    int value;
  };
  typename TypeParam::template map<int, NoDefault, counted_hash<>, counted_equal> plain;
  for (int i = 0; i < 2000; ++i) plain.try_emplace(i, i);
  EXPECT_EQ(plain.at(77).value, 77);

  struct alignas(64) Line {
    int value;
  };
  typename TypeParam::template map<int, Line, counted_hash<>, counted_equal> lines;
  for (int i = 0; i < 2000; ++i) lines.try_emplace(i, Line{i});
  for (const auto& [key, line] : lines) {
    ASSERT_EQ(line.value, key);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(&line) % 64, 0U);
  }
}

TYPED_TEST(MapContract, HoldsLargeValuesThroughEveryGrowth) {
  struct Large {
    int values[300];
  };
  typename TypeParam::template map<int, Large, counted_hash<>, counted_equal> map;
  for (int i = 0; i < 3000; ++i) map[i].values[i % 300] = i;
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(map.at(i).values[i % 300], i);
  for (int i = 0; i < 3000; i += 2) ASSERT_EQ(map.erase(i), 1U);
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(map.contains(i), i % 2 == 1);
}

TYPED_TEST(MapContract, LooksUpByAViewWithoutMakingAKey) {
  typename TestFixture::Texts map;
  for (int i = 0; i < 2000; ++i)
    map.try_emplace("a key too long to be kept inside " + std::to_string(i), i);
  const std::string_view there = "a key too long to be kept inside 1234";
  EXPECT_EQ(map.find(there)->second, 1234);
  EXPECT_EQ(std::as_const(map).find(there)->second, 1234);
  EXPECT_TRUE(map.contains(there));
  EXPECT_EQ(map.count(there), 1U);
  EXPECT_EQ(map.count(std::string_view("absent")), 0U);
  const auto [first, last] = map.equal_range(there);
  EXPECT_NE(first, last);
  if constexpr (TypeParam::has_transparent_erase) {
    EXPECT_EQ(map.erase(there), 1U);
    EXPECT_EQ(map.erase(there), 0U);
    EXPECT_EQ(map.size(), 1999U);
  }
}

TYPED_TEST(MapContract, InsertsByAViewAndMakesTheKeyOnlyWhenItIsNew) {
  if constexpr (TypeParam::has_transparent_insert) {
    typename TestFixture::Texts map;
    const std::string_view key = "seen from afar";
    EXPECT_TRUE(map.try_emplace(key, 1).second);
    EXPECT_FALSE(map.try_emplace(key, 2).second);
    EXPECT_FALSE(map.insert_or_assign(key, 3).second);
    EXPECT_EQ(map[key], 3);
    EXPECT_EQ(map.size(), 1U);
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

TYPED_TEST(MapContract, AnArgumentMayBeAnElementOfTheMap) {
  if constexpr (TypeParam::arguments_may_be_own_elements) {
    using Map = typename TypeParam::template map<int, std::string, counted_hash<>, counted_equal>;
    const std::string text = "long enough to live on the heap, so that a stale one shows";
    Map map;
    map.try_emplace(0, text);
    for (int i = 1; i < 5000; ++i) {
      ASSERT_TRUE(map.try_emplace(i, map.at(i / 2)).second);
      ASSERT_EQ(map.at(i), text);
    }
    for (int i = 5000; i < 9000; ++i) map.insert({i, map.find(i - 1)->second});
    for (int i = 9000; i < 12000; ++i) map.insert_or_assign(i, map.at(i - 1));
    for (const auto& entry : map) ASSERT_EQ(entry.second, text);
    EXPECT_EQ(map.size(), 12000U);
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

// A moved-from element says so, and one that is gone ends the run (tracked): what is read too late
// can't pass for what it was.
template <class Map>
void expect_arguments_from_inside(int count) {
  Map map;
  map.try_emplace(0, -7);
  for (int i = 1; i < count; ++i) {
    switch (i % 6) {
      case 0:
        map.try_emplace(i, map.at(i / 2));
        break;
      case 1:
        map.insert({i, map.find(i - 1)->second});
        break;
      case 2:
        map.insert_or_assign(i, map.at(i - 1));
        break;
      case 3:
        map.emplace(i, map.at(i - 1));
        break;
      case 4:
        map.emplace(std::piecewise_construct, std::forward_as_tuple(i),
                    std::forward_as_tuple(map.at(i - 1)));
        break;
      default: {
        // The key from inside, too: the value of the entry that was changed before.
        value_at(map.find(i - 1)) = tracked_value(i);
        map.try_emplace(map.at(i - 1), map.at(i - 2));
        value_at(map.find(i - 1)) = tracked_value(-7);
      }
    }
    ASSERT_EQ(map.size(), static_cast<std::size_t>(i + 1));
    ASSERT_EQ(map.at(i).value(), -7) << i;
  }
  // What was erased is looked after in place when it comes again: that moves entries, too.
  for (int i = 0; i + 2 < count; i += 3) map.erase(map.find(i));
  for (int i = 0; i + 2 < count; i += 3) map.try_emplace(i, map.at(i + 1));
  for (int i = 0; i < count; ++i) ASSERT_EQ(map.at(i).value(), -7) << i;
}

TYPED_TEST(MapContract, AnArgumentIsReadBeforeItsElementMoves) {
  if constexpr (TypeParam::arguments_may_be_own_elements) {
    using T = tracked_value;
    using Good = typename TypeParam::template map<T, T, counted_hash<>, counted_equal>;
    using Few = typename TypeParam::template map<T, T, counted_hash<hashing::few>, counted_equal>;
    using Same =
        typename TypeParam::template map<T, T, counted_hash<hashing::constant>, counted_equal>;
    using Low = typename TypeParam::template map<T, T, counted_hash<hashing::low_bits_equal>,
                                                 counted_equal>;
    expect_arguments_from_inside<Good>(20000);
    expect_arguments_from_inside<Few>(3000);
    expect_arguments_from_inside<Same>(2500);
    expect_arguments_from_inside<Low>(5000);
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

TYPED_TEST(MapContract, EraseTakesAKeyThatLivesInTheErasedElement) {
  typename TestFixture::Texts map;
  for (int i = 0; i < 500; ++i)
    map.try_emplace("long enough to live on the heap " + std::to_string(i), i);
  for (int left = 500; left > 0; --left) {
    ASSERT_EQ(map.erase(map.begin()->first), 1U);
    ASSERT_EQ(map.size(), static_cast<std::size_t>(left - 1));
  }
}

TYPED_TEST(MapContract, EraseRemovesWhatItIsToldAndNothingElse) {
  for (const int size : kSizes) {
    auto map = TestFixture::squares(size);
    for (int i = 0; i < size; i += 3) ASSERT_EQ(map.erase(i), 1U);
    for (int i = 0; i < size; i += 3) ASSERT_EQ(map.erase(i), 0U);
    for (int i = 0; i < size; ++i) ASSERT_EQ(map.contains(i), i % 3 != 0) << i << " of " << size;
    for (int i = 0; i < size; i += 3) ASSERT_TRUE(map.try_emplace(i, i * i).second);
    ASSERT_EQ(map, TestFixture::squares(size));
  }
}

TYPED_TEST(MapContract, EraseWhileIteratingVisitsEveryElementOnce) {
  for (const int size : kSizes) {
    auto map = TestFixture::squares(size);
    std::vector<int> seen(static_cast<std::size_t>(size), 0);
    for (auto it = map.begin(); it != map.end();) {
      ++seen[static_cast<std::size_t>(it->first)];
      if (it->first % 2 == 0) {
        it = erase_at(map, it);
      } else {
        ++it;
      }
    }
    ASSERT_EQ(std::count(seen.begin(), seen.end(), 1), size) << size;
    ASSERT_EQ(map.size(), static_cast<std::size_t>(size / 2));
    for (int i = 0; i < size; ++i) ASSERT_EQ(map.contains(i), i % 2 != 0);
    while (!map.empty()) erase_at(map, map.begin());
    ASSERT_EQ(map.begin(), map.end());
  }
}

TYPED_TEST(MapContract, EraseTakesAConstIteratorAndARange) {
  auto map = TestFixture::squares(2000);
  const int first = map.cbegin()->first;
  map.erase(map.cbegin());
  EXPECT_FALSE(map.contains(first));
  auto middle = map.begin();
  std::vector<int> before;
  for (int i = 0; i < 700; ++i, ++middle) before.push_back(middle->first);
  const auto after = map.erase(middle, map.end());
  EXPECT_EQ(after, map.end());
  EXPECT_EQ(map.size(), 700U);
  for (const int key : before) ASSERT_TRUE(map.contains(key));
  map.erase(map.begin(), map.begin());
  EXPECT_EQ(map.size(), 700U);
  map.erase(map.begin(), map.end());
  EXPECT_TRUE(map.empty());
  EXPECT_TRUE(map.try_emplace(1, 1).second);
}

TYPED_TEST(MapContract, EraseIfRemovesWhatThePredicateNamesAndCountsIt) {
  if constexpr (TypeParam::has_erase_if) {
    auto map = TestFixture::squares(5000);
    EXPECT_EQ(erase_if(map, [](const auto& entry) { return entry.first % 5 != 0; }), 4000U);
    EXPECT_EQ(map.size(), 1000U);
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(map.contains(i), i % 5 == 0);
    EXPECT_EQ(erase_if(map, [](const auto&) { return false; }), 0U);
    EXPECT_EQ(erase_if(map, [](const auto&) { return true; }), 1000U);
    EXPECT_TRUE(map.empty());
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

TYPED_TEST(MapContract, ClearEmptiesAndTheMapGrowsAgain) {
  for (const int size : kSizes) {
    auto map = TestFixture::squares(size);
    map.clear();
    ASSERT_EQ(map.begin(), map.end());
    for (int i = 0; i < size; ++i) ASSERT_FALSE(map.contains(i));
    for (int i = 0; i < size; ++i) ASSERT_TRUE(map.try_emplace(i, i * i).second);
    ASSERT_EQ(map, TestFixture::squares(size));
  }
}

TYPED_TEST(MapContract, ValuesMayBeChangedThroughIterators) {
  auto map = TestFixture::squares(3000);
  for (auto it = map.begin(); it != map.end(); ++it) value_at(it) = -it->first;
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(map.at(i), -i);
  typename TestFixture::Numbers::const_iterator constant = map.begin();
  EXPECT_TRUE(constant == map.begin());
}

TYPED_TEST(MapContract, EqualityAsksForTheSameElementsWhateverTheHistory) {
  for (const int size : {0, 1, 20, 500, 3000}) {
    const auto forward = TestFixture::squares(size);
    typename TestFixture::Numbers backward;
    for (int i = 2 * size; i-- > 0;) backward.try_emplace(i, i * i);
    for (int i = size; i < 2 * size; ++i) backward.erase(i);
    EXPECT_EQ(forward, backward);
    if (size == 0) continue;
    value_at(backward.find(size / 2)) += 1;
    EXPECT_NE(forward, backward) << "a value differs";
    value_at(backward.find(size / 2)) -= 1;
    backward.erase(0);
    EXPECT_NE(forward, backward) << "one is missing";
    backward.try_emplace(-1, 0);
    EXPECT_NE(forward, backward) << "another key";
  }
}

}  // namespace
}  // namespace ullage::testing

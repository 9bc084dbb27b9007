// SPDX-License-Identifier: Apache-2.0
//
// The contract of every map, second part: copies, moves, swaps, allocators, reserve, nodes.
#include <gtest/gtest.h>
#include <ullage/testing/allocator_testing.h>
#include <ullage/testing/faults_testing.h>
#include <ullage/testing/maps_testing.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ullage::testing {
namespace {

template <class Family>
class MapMemory : public ::testing::Test {
 public:
  using Numbers = typename Family::template map<int, int, counted_hash<>, counted_equal>;
  template <template <class> class Allocator>
  using Pooled =
      typename Family::template map<int, tracked_value, counted_hash<>, counted_equal, Allocator>;

  template <class Map>
  static void fill(Map& map, int count) {
    for (int i = 0; i < count; ++i) map.try_emplace(i, i * i);
  }
  template <class Map>
  static bool holds_squares(const Map& map, int count) {
    if (map.size() != static_cast<std::size_t>(count)) return false;
    for (int i = 0; i < count; ++i) {
      const auto found = map.find(i);
      if (found == map.end() || number_of(found->second) != static_cast<std::uint64_t>(i * i)) {
        return false;
      }
    }
    return true;
  }

 protected:
  void TearDown() override {
    EXPECT_EQ(g_faults.live, 0) << "elements were leaked, or destroyed twice";
    EXPECT_FALSE(g_default_pool.wrong());
  }
};
TYPED_TEST_SUITE(MapMemory, map_families, family_names);

const std::vector<int> kSizes = {0, 1, 5, 30, 200, 1000, 5000};

TYPED_TEST(MapMemory, CopiesAreEqualAndIndependent) {
  for (const int size : kSizes) {
    typename TestFixture::Numbers map;
    this->fill(map, size);
    typename TestFixture::Numbers copy(map);
    EXPECT_TRUE(this->holds_squares(copy, size));
    copy.try_emplace(-1, 1);
    EXPECT_FALSE(map.contains(-1));
    map.clear();
    copy.erase(-1);
    EXPECT_TRUE(this->holds_squares(copy, size));
    map = copy;
    EXPECT_EQ(map, copy);
    map.try_emplace(-2, 2);
    EXPECT_NE(map, copy);
  }
}

TYPED_TEST(MapMemory, MovesTakeEverythingAndLeaveAMapThatCanBeUsedAgain) {
  for (const int size : kSizes) {
    typename TestFixture::Numbers map;
    this->fill(map, size);
    typename TestFixture::Numbers taken(std::move(map));
    EXPECT_TRUE(this->holds_squares(taken, size));
    map.clear();  // NOLINT: a moved-from map is valid
    EXPECT_TRUE(map.empty());
    EXPECT_FALSE(map.contains(0));
    this->fill(map, 100);
    EXPECT_TRUE(this->holds_squares(map, 100));
    map = std::move(taken);
    EXPECT_TRUE(this->holds_squares(map, size));
    taken.clear();  // NOLINT
    this->fill(taken, size + 3);
    EXPECT_TRUE(this->holds_squares(taken, size + 3));
  }
}

TYPED_TEST(MapMemory, ElementsStayWhereTheyAreWhenTheMapMoves) {
  for (const int size : {100, 5000}) {
    typename TestFixture::Numbers map;
    this->fill(map, size);
    const int* before = &map.find(77)->second;
    typename TestFixture::Numbers taken(std::move(map));
    EXPECT_EQ(&taken.find(77)->second, before);
    typename TestFixture::Numbers other;
    swap(other, taken);
    EXPECT_EQ(&other.find(77)->second, before);
  }
}

TYPED_TEST(MapMemory, AssignmentToItselfChangesNothing) {
  for (const int size : kSizes) {
    typename TestFixture::template Pooled<staying_allocator> map;
    this->fill(map, size);
    auto& same = map;
    map = same;
    EXPECT_TRUE(this->holds_squares(map, size));
    map.swap(same);
    EXPECT_TRUE(this->holds_squares(map, size));
  }
}

TYPED_TEST(MapMemory, SwapExchangesEverySizeWithEveryOther) {
  for (const int left : kSizes) {
    for (const int right : kSizes) {
      typename TestFixture::Numbers a, b;
      this->fill(a, left);
      this->fill(b, right);
      a.swap(b);
      ASSERT_TRUE(this->holds_squares(a, right));
      ASSERT_TRUE(this->holds_squares(b, left));
      swap(a, b);
      ASSERT_TRUE(this->holds_squares(a, left));
      a.try_emplace(-1, 1);
      ASSERT_FALSE(b.contains(-1));
    }
  }
}

TYPED_TEST(MapMemory, EverythingTakenFromAnAllocatorGoesBackToItInTheSameSize) {
  using Map = typename TestFixture::template Pooled<staying_allocator>;
  pool home(1);
  {
    Map map{typename Map::allocator_type(home)};
    EXPECT_EQ(map.get_allocator().home(), &home);
    this->fill(map, 5000);
    for (int i = 0; i < 4990; ++i) map.erase(i);
    map.clear();
    this->fill(map, 2000);
    Map copy(map);
    copy.reserve(10000);
    Map moved(std::move(copy));
    map = moved;
    map.rehash(0);
  }
  EXPECT_TRUE(home.balanced());
  EXPECT_GT(home.allocations(), 0U);
}

TYPED_TEST(MapMemory, AnEmptyMapAllocatesNothing) {
  using Map = typename TestFixture::template Pooled<staying_allocator>;
  pool home(1);
  {
    Map map{typename Map::allocator_type(home)};
    EXPECT_FALSE(map.contains(3));
    map.erase(3);
    map.clear();
    const Map copy(map);
    EXPECT_EQ(copy.size(), 0U);
  }
  EXPECT_EQ(home.allocations(), 0U);
}

TYPED_TEST(MapMemory, AllocatorExtendedConstructorsUseTheAllocatorTheyAreGiven) {
  if constexpr (TypeParam::has_extended_constructors) {
    using Map = typename TestFixture::template Pooled<staying_allocator>;
    pool here(1), there(2);
    {
      Map map{typename Map::allocator_type(here)};
      this->fill(map, 1500);
      const Map copy(map, typename Map::allocator_type(there));
      EXPECT_EQ(copy.get_allocator().home(), &there);
      EXPECT_TRUE(this->holds_squares(copy, 1500));
      Map same(std::move(map), typename Map::allocator_type(here));
      EXPECT_TRUE(this->holds_squares(same, 1500));
      Map other(std::move(same), typename Map::allocator_type(there));
      EXPECT_EQ(other.get_allocator().home(), &there);
      EXPECT_TRUE(this->holds_squares(other, 1500));
    }
    EXPECT_TRUE(here.balanced());
    EXPECT_TRUE(there.balanced());
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

TYPED_TEST(MapMemory, AnAllocatorThatStaysIsKeptByAssignments) {
  if (!TypeParam::propagates_allocators) {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
  using Map = typename TestFixture::template Pooled<staying_allocator>;
  for (const int size : kSizes) {
    pool here(1), there(2);
    {
      Map from{typename Map::allocator_type(here)};
      Map to{typename Map::allocator_type(there)};
      this->fill(from, size);
      this->fill(to, 700);
      to = from;
      EXPECT_EQ(to.get_allocator().home(), &there);
      EXPECT_TRUE(this->holds_squares(to, size));
      this->fill(to, 700);
      to = std::move(from);
      EXPECT_EQ(to.get_allocator().home(), &there);
      EXPECT_TRUE(this->holds_squares(to, size));
    }
    EXPECT_TRUE(here.balanced());
    EXPECT_TRUE(there.balanced());
  }
}

TYPED_TEST(MapMemory, AnAllocatorThatTravelsComesAlong) {
  if (!TypeParam::propagates_allocators) {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
  using Map = typename TestFixture::template Pooled<travelling_allocator>;
  for (const int size : kSizes) {
    pool here(1), there(2);
    {
      Map from{typename Map::allocator_type(here)};
      Map to{typename Map::allocator_type(there)};
      this->fill(from, size);
      this->fill(to, 700);
      to = from;
      EXPECT_EQ(to.get_allocator().home(), &here);
      EXPECT_TRUE(this->holds_squares(to, size));
      Map third{typename Map::allocator_type(there)};
      this->fill(third, 30);
      third = std::move(to);
      EXPECT_EQ(third.get_allocator().home(), &here);
      EXPECT_TRUE(this->holds_squares(third, size));
      Map fourth{typename Map::allocator_type(there)};
      this->fill(fourth, 60);
      fourth.swap(third);
      EXPECT_EQ(fourth.get_allocator().home(), &here);
      EXPECT_EQ(third.get_allocator().home(), &there);
      EXPECT_TRUE(this->holds_squares(fourth, size));
      EXPECT_TRUE(this->holds_squares(third, 60));
    }
    EXPECT_TRUE(here.balanced());
    EXPECT_TRUE(there.balanced());
  }
}

TYPED_TEST(MapMemory, MoveAssignmentBetweenUnequalAllocatorsMovesMoveOnlyElements) {
  if (!TypeParam::propagates_allocators) {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
  using Map = typename TypeParam::template map<int, std::unique_ptr<int>, counted_hash<>,
                                               counted_equal, staying_allocator>;
  pool here(1), there(2);
  {
    Map from{typename Map::allocator_type(here)};
    for (int i = 0; i < 2000; ++i) from.try_emplace(i, std::make_unique<int>(i));
    Map to{typename Map::allocator_type(there)};
    to = std::move(from);
    ASSERT_EQ(to.size(), 2000U);
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(*to.at(i), i);
  }
  EXPECT_TRUE(here.balanced());
  EXPECT_TRUE(there.balanced());
}

TYPED_TEST(MapMemory, HashAndEqualityTravelWithTheMap) {
  struct Hash {
    int id = 0;
    std::size_t operator()(int x) const { return spread(static_cast<std::uint64_t>(x + id)); }
  };
  struct Equal {
    int id = 0;
    bool operator()(int a, int b) const { return a == b; }
  };
  using Map = typename TypeParam::template map<int, int, Hash, Equal>;
  Map map(10, Hash{5}, Equal{6});
  this->fill(map, 3000);
  EXPECT_EQ(map.hash_function().id, 5);
  EXPECT_EQ(map.key_eq().id, 6);
  const Map copy(map);
  EXPECT_EQ(copy.hash_function().id, 5);
  Map other(10, Hash{7}, Equal{8});
  this->fill(other, 20);
  swap(map, other);
  EXPECT_EQ(map.hash_function().id, 7);
  EXPECT_EQ(other.key_eq().id, 6);
  EXPECT_TRUE(this->holds_squares(other, 3000));
  map = copy;
  EXPECT_EQ(map.hash_function().id, 5);
  EXPECT_TRUE(this->holds_squares(map, 3000));
}

TYPED_TEST(MapMemory, ReserveAndRehashChangeNothingThatCanBeSeen) {
  for (const int size : kSizes) {
    typename TestFixture::Numbers map;
    map.reserve(static_cast<std::size_t>(size));
    EXPECT_TRUE(map.empty());
    this->fill(map, size);
    EXPECT_TRUE(this->holds_squares(map, size));
    map.reserve(static_cast<std::size_t>(4 * size));
    EXPECT_TRUE(this->holds_squares(map, size));
    map.reserve(0);
    map.rehash(0);
    EXPECT_TRUE(this->holds_squares(map, size));
    for (int i = 10; i < size; ++i) map.erase(i);
    map.rehash(0);
    EXPECT_TRUE(this->holds_squares(map, std::min(size, 10)));
    EXPECT_LE(map.load_factor(), map.max_load_factor());
    EXPECT_GE(map.max_size(), map.size());
  }
}

TYPED_TEST(MapMemory, EveryElementIsDestroyedOnce) {
  using Map =
      typename TypeParam::template map<tracked_value, tracked_value, counted_hash<>, counted_equal>;
  {
    Map map;
    for (int i = 0; i < 4000; ++i) map.try_emplace(i, i);
    for (int i = 0; i < 4000; i += 2) map.erase(i);
    EXPECT_EQ(g_faults.live, 4000);
    Map copy(map);
    EXPECT_EQ(g_faults.live, 8000);
    copy.clear();
    EXPECT_EQ(g_faults.live, 4000);
    Map moved(std::move(map));
    moved[5] = 7;
    EXPECT_EQ(moved.at(5).value(), 7);
  }
  EXPECT_EQ(g_faults.live, 0);
}

TYPED_TEST(MapMemory, ExtractedNodesCarryTheirElementAndMayChangeTheirKey) {
  if constexpr (TypeParam::has_nodes) {
    using Map = typename TestFixture::template Pooled<staying_allocator>;
    Map map;
    this->fill(map, 1000);
    auto node = map.extract(30);
    ASSERT_FALSE(node.empty());
    EXPECT_EQ(node.key(), 30);
    EXPECT_EQ(node.mapped().value(), 900);
    EXPECT_EQ(map.size(), 999U);
    EXPECT_TRUE(map.extract(30).empty());
    Map other;
    const auto inserted = other.insert(std::move(node));
    EXPECT_TRUE(inserted.inserted);
    EXPECT_TRUE(inserted.node.empty());
    EXPECT_EQ(inserted.position->second.value(), 900);
    auto refused = other.insert(map.extract(map.find(31)));
    EXPECT_TRUE(refused.inserted);
    other.try_emplace(32, 0);
    auto third = other.insert(map.extract(32));
    EXPECT_FALSE(third.inserted);
    EXPECT_EQ(third.node.mapped().value(), 32 * 32);
    EXPECT_EQ(third.position->second.value(), 0);
    EXPECT_FALSE(other.insert(typename Map::node_type()).inserted);
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

TYPED_TEST(MapMemory, MergeTakesWhatIsMissingAndLeavesTheRest) {
  if constexpr (TypeParam::has_merge) {
    using Map = typename TestFixture::template Pooled<staying_allocator>;
    Map a, b;
    for (int i = 0; i < 2000; ++i) a.try_emplace(i, 1);
    for (int i = 1000; i < 3000; ++i) b.try_emplace(i, 2);
    a.merge(b);
    EXPECT_EQ(a.size(), 3000U);
    EXPECT_EQ(b.size(), 1000U);
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(a.at(i).value(), i < 2000 ? 1 : 2);
    for (int i = 1000; i < 2000; ++i) ASSERT_EQ(b.at(i).value(), 2);
    a.merge(std::move(b));
    EXPECT_EQ(a.size(), 3000U);
    Map empty;
    empty.merge(a);
    EXPECT_EQ(empty.size(), 3000U);
    EXPECT_TRUE(a.empty());
  } else {
    GTEST_SKIP() << TypeParam::name << " does not promise it";
  }
}

}  // namespace
}  // namespace ullage::testing

// SPDX-License-Identifier: Apache-2.0
//
// The contract of every map, third part: what is left when something throws. Every operation is
// tried at sizes where the map grows and where it does not, with a throw at every single step: each
// copy, move, hash, comparison and allocation.
#include <gtest/gtest.h>
#include <ullage/testing/allocator_testing.h>
#include <ullage/testing/faults_testing.h>
#include <ullage/testing/maps_testing.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ullage::testing {
namespace {

// Beyond this many steps an operation is taken to fail for ever, which is a fault of the test.
constexpr std::uint64_t kStepsMax = 200'000;
// Elements of the largest map tried: past the first split of a segmented map.
constexpr int kElementsMax = 2600;

template <class Family>
class MapFaults : public ::testing::Test {
 public:
  template <class Value>
  using Map =
      typename Family::template map<Value, Value, counted_hash<>, counted_equal, staying_allocator>;
  using Solid = Map<tracked_value>;
  using Brittle = Map<brittle_value>;

  template <class M>
  static M squares(int count) {
    M map;
    for (int i = 0; i < count; ++i) map.try_emplace(i, i * 2);
    return map;
  }

  // Some sizes at which the next insertion moves or allocates, the sizes before and after, and some
  // at which nothing happens.
  static std::vector<int> interesting_sizes() {
    std::vector<int> growing;
    Map<tracked_value> map;
    for (int i = 0; i < kElementsMax; ++i) {
      const step_counts before = g_faults.counts;
      map.try_emplace(i, i);
      const std::uint64_t moved = g_faults.counts.moves - before.moves;
      if (moved > 3 || (!node_based() && g_faults.counts.allocations != before.allocations)) {
        growing.push_back(i);
      }
    }
    // The first six, which are small, and the last two, which are whole segments or tables.
    if (growing.size() > 8) growing.erase(growing.begin() + 6, growing.end() - 2);
    std::set<int> sizes = {0, 1, 3, 100, 1300};
    for (const int size : growing) sizes.insert({std::max(size - 1, 0), size, size + 1});
    return {sizes.begin(), sizes.end()};
  }
  static constexpr bool node_based() { return std::is_same_v<Family, std_unordered_map>; }

  // What every map must be after a throw: its size is its elements, each is found, none is foreign.
  template <class M>
  static void expect_sane(const M& map, const std::string& where) {
    std::size_t visited = 0;
    for (const auto& [key, value] : map) {
      ++visited;
      const auto found = map.find(key);
      ASSERT_NE(found, map.end()) << where << ": key " << key.value() << " is not found";
      ASSERT_EQ(found->second.value(), value.value()) << where;
    }
    ASSERT_EQ(visited, map.size()) << where;
  }

  // Every element of `expected` is there as it was. Extras are counted by the caller.
  template <class M>
  static void expect_same(const M& map, const M& expected, const std::string& where) {
    ASSERT_EQ(map.size(), expected.size()) << where;
    for (const auto& [key, value] : expected) {
      const auto found = map.find(key);
      ASSERT_NE(found, map.end()) << where << ": key " << key.value() << " was lost";
      ASSERT_EQ(found->second.value(), value.value()) << where;
    }
    expect_sane(map, where);
  }

  // Runs `operation(map)` on a map of `size` with a throw at step 1, 2, ... until none is thrown.
  // After each throw `check(map, before, where)`; the map is then used and destroyed.
  template <class M, class Operation, class Check>
  static void at_every_step(int size, unsigned mask, const std::string& name, Operation operation,
                            Check check) {
    const std::int64_t live = g_faults.live;
    {
      const M before = squares<M>(size);
      // Steps that only repeat the one before (the middle of a long move) are thinned out.
      for (std::uint64_t k = 1; k < kStepsMax; k += 1 + k / 24) {
        const std::string where =
            name + " at " + std::to_string(size) + ", step " + std::to_string(k);
        M map = squares<M>(size);
        bool thrown = false;
        try {
          const fault_scope fault(mask, k);
          operation(map);
        } catch (const std::bad_alloc&) {  // the fault, or what a map makes of it
          thrown = true;
        }
        if (thrown) check(std::as_const(map), before, where);
        if (::testing::Test::HasFatalFailure()) return;
        for (int i = 0; i < 20; ++i) map[1'000'000 + i] = i;
        for (int i = 0; i < 20; ++i) ASSERT_EQ(map.at(1'000'000 + i).value(), i) << where;
        // Thrown, but not to us: a map may do without what failed (not shrinking, say).
        if (!g_faults.thrown) break;
        ASSERT_LT(k + 1 + k / 24, kStepsMax) << where << " still throws";
      }
    }
    ASSERT_EQ(g_faults.live, live) << name << " at " << size << ": elements leaked";
    ASSERT_FALSE(g_default_pool.wrong());
  }

 protected:
  void TearDown() override {
    EXPECT_EQ(g_faults.live, 0);
    EXPECT_TRUE(g_default_pool.balanced());
  }
};
TYPED_TEST_SUITE(MapFaults, map_families, family_names);

#define SKIP_UNLESS(promise) \
  if (!TypeParam::promise) GTEST_SKIP() << TypeParam::name << " does not promise it: " << #promise

TYPED_TEST(MapFaults, AnInsertionThatThrowsLeavesTheMapAsItWas) {
  SKIP_UNLESS(inserts_all_or_nothing);
  using M = typename TestFixture::Solid;
  const auto same = [](const M& map, const M& before, const std::string& where) {
    TestFixture::expect_same(map, before, where);
  };
  const tracked_value key(-5), value(7);
  const std::pair<const tracked_value, tracked_value> pair(key, value);
  for (const int size : TestFixture::interesting_sizes()) {
    auto run = [&](const char* name, auto operation) {
      TestFixture::template at_every_step<M>(size, TypeParam::all_or_nothing_for, name, operation,
                                             same);
    };
    run("try_emplace", [&](M& map) { map.try_emplace(key, value); });
    run("insert", [&](M& map) { map.insert(pair); });
    run("emplace", [&](M& map) { map.emplace(key, value); });
    run("operator[]", [&](M& map) { map[key]; });
    run("insert_or_assign", [&](M& map) { map.insert_or_assign(key, value); });
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, AnInsertionWhoseMovesThrowLeavesAMapThatWorks) {
  SKIP_UNLESS(survives_throwing_moves);
  using M = typename TestFixture::Brittle;
  for (const int size : TestFixture::interesting_sizes()) {
    TestFixture::template at_every_step<M>(
        size, kEverything, "try_emplace", [](M& map) { map.try_emplace(-5, 7); },
        [](const M& map, const M&, const std::string& where) {
          TestFixture::expect_sane(map, where);
        });
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, LookupsAndErasuresThatThrowChangeNothing) {
  SKIP_UNLESS(survives_exceptions);
  using M = typename TestFixture::Solid;
  const auto same = [](const M& map, const M& before, const std::string& where) {
    TestFixture::expect_same(map, before, where);
  };
  for (const int size : {1, 14, 100, 1300}) {
    const tracked_value there(size / 2), absent(-1);
    auto run = [&](const char* name, auto operation) {
      TestFixture::template at_every_step<M>(size, kEverything, name, operation, same);
    };
    run("find", [&](M& map) { EXPECT_NE(map.find(there), map.end()); });
    run("find absent", [&](M& map) { EXPECT_EQ(map.find(absent), map.end()); });
    run("erase absent", [&](M& map) { map.erase(absent); });
    run("erase", [&](M& map) { map.erase(there); });
    run("equality", [&](M& map) { EXPECT_EQ(map, std::as_const(map)); });
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, OperationsOnManyElementsThatThrowLeaveAMapThatWorks) {
  SKIP_UNLESS(survives_exceptions_in_bulk);
  using M = typename TestFixture::Solid;
  const auto sane = [](const M& map, const M&, const std::string& where) {
    TestFixture::expect_sane(map, where);
  };
  const M other = TestFixture::template squares<M>(300);
  std::vector<std::pair<tracked_value, tracked_value>> news;
  for (int i = 0; i < 50; ++i) news.emplace_back(-i - 1, i);
  for (const int size : {0, 1, 13, 100, 900}) {
    auto run = [&](const char* name, auto operation) {
      TestFixture::template at_every_step<M>(size, kEverything, name, operation, sane);
    };
    run("copy assignment", [&](M& map) { map = other; });
    run("insert range", [&](M& map) { map.insert(news.begin(), news.end()); });
    run("reserve", [&](M& map) { map.reserve(static_cast<std::size_t>(4 * size + 100)); });
    run("rehash", [&](M& map) { map.rehash(0); });
    run("clear", [&](M& map) { map.clear(); });
    if constexpr (TypeParam::has_erase_if) {
      run("erase_if", [&](M& map) {
        erase_if(map, [](const auto& entry) {
          fault_step(kCopy);
          return entry.first.value() % 2 == 0;
        });
      });
    }
    if constexpr (TypeParam::has_nodes) {
      run("extract and insert", [&](M& map) {
        auto node = map.extract(tracked_value(0));
        if (!node.empty()) map.insert(std::move(node));
      });
    }
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, ReserveThatThrowsLeavesEveryElement) {
  SKIP_UNLESS(inserts_all_or_nothing);
  using M = typename TestFixture::Solid;
  for (const int size : {0, 1, 13, 100, 900, 2000}) {
    TestFixture::template at_every_step<M>(
        size, kEverything & ~kHash, "reserve",
        [&](M& map) { map.reserve(static_cast<std::size_t>(4 * size + 100)); },
        [](const M& map, const M& before, const std::string& where) {
          TestFixture::expect_same(map, before, where);
        });
    if (this->HasFatalFailure()) return;
  }
}

// Elements are copied then, because moves may throw: what was copied must not be there twice.
TYPED_TEST(MapFaults, ReserveWhoseCopiesThrowLeavesEveryElementOnce) {
  SKIP_UNLESS(survives_throwing_moves);
  using M = typename TestFixture::Brittle;
  for (const int size : {3, 100, 900, 2000}) {
    const auto same = [](const M& map, const M& before, const std::string& where) {
      TestFixture::expect_same(map, before, where);
    };
    auto run = [&](const char* name, auto operation) {
      TestFixture::template at_every_step<M>(size, TypeParam::all_or_nothing_for, name, operation,
                                             same);
    };
    run("reserve", [&](M& map) { map.reserve(static_cast<std::size_t>(4 * size + 100)); });
    run("rehash", [](M& map) { map.rehash(0); });
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, ACopyThatThrowsLeaksNothingAndLeavesItsSource) {
  SKIP_UNLESS(survives_exceptions);
  using M = typename TestFixture::Solid;
  for (const int size : {1, 13, 100, 900, 2000}) {
    TestFixture::template at_every_step<M>(
        size, kEverything, "copy", [&](M& map) { const M copy(std::as_const(map)); },
        [](const M& map, const M& before, const std::string& where) {
          TestFixture::expect_same(map, before, where);
        });
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, MergeThatThrowsLosesNothing) {
  SKIP_UNLESS(has_merge);
  SKIP_UNLESS(merge_loses_nothing);
  if constexpr (TypeParam::has_merge) {
    using M = typename TestFixture::Solid;
    for (const int size : {0, 13, 100, 900}) {
      std::optional<M> source;
      TestFixture::template at_every_step<M>(
          size, kEverything, "merge",
          [&](M& map) {
            const unsigned armed = std::exchange(g_faults.armed, 0U);
            source.emplace();
            for (int i = 0; i < 40; ++i) source->try_emplace(i - 20, 0);
            g_faults.armed = armed;
            map.merge(*source);
            source.reset();
          },
          [&](const M& map, const M& before, const std::string& where) {
            TestFixture::expect_sane(map, where);
            TestFixture::expect_sane(*source, where);
            const std::size_t doubles = std::min<std::size_t>(before.size(), 20);
            ASSERT_GE(map.size() + source->size(), before.size() + 40) << where;
            ASSERT_GE(source->size(), doubles) << where;
          });
      if (this->HasFatalFailure()) return;
    }
  }
}

// Keys and values whose moves may throw, both, and one of the two.
template <class Family, class Key, class Value>
void nodes_lose_nothing() {
  using fixture = MapFaults<Family>;
  using M =
      typename Family::template map<Key, Value, counted_hash<>, counted_equal, staying_allocator>;
  const auto same = [](const M& map, const M& before, const std::string& where) {
    fixture::expect_same(map, before, where);
  };
  for (const int size : {1, 3, 13, 900}) {
    fixture::template at_every_step<M>(
        size, kEverything, "extract", [](M& map) { map.extract(map.begin()); }, same);
    fixture::template at_every_step<M>(
        size, kEverything, "extract and insert",
        [](M& map) {
          const unsigned armed = std::exchange(g_faults.armed, 0U);
          auto node = map.extract(map.begin());
          const int key = node.key().value(), value = node.mapped().value();
          g_faults.armed = armed;
          try {
            map.insert(map.begin(), std::move(node));
          } catch (...) {
            const unsigned left = std::exchange(g_faults.armed, 0U);
            ASSERT_FALSE(node.empty());
            ASSERT_EQ(node.key().value(), key);
            ASSERT_EQ(node.mapped().value(), value);
            map.insert(map.begin(), std::move(node));
            g_faults.armed = left;
            throw;
          }
        },
        same);
    fixture::template at_every_step<M>(
        size, kEverything, "a node that is passed on",
        [](M& map) {
          const unsigned armed = std::exchange(g_faults.armed, 0U);
          auto node = map.extract(map.begin());
          g_faults.armed = armed;
          try {
            auto other = std::move(node);
            node = std::move(other);
          } catch (...) {
            const unsigned left = std::exchange(g_faults.armed, 0U);
            if (!node.empty()) map.insert(map.begin(), std::move(node));
            g_faults.armed = left;
            throw;
          }
          g_faults.armed = 0;
          map.insert(map.begin(), std::move(node));
          g_faults.armed = armed;
        },
        [](const M& map, const M&, const std::string& where) { fixture::expect_sane(map, where); });
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TYPED_TEST(MapFaults, NodesLoseNothingWhenMovingThrows) {
  SKIP_UNLESS(survives_throwing_moves);
  if constexpr (TypeParam::has_nodes) {
    nodes_lose_nothing<TypeParam, brittle_value, brittle_value>();
    nodes_lose_nothing<TypeParam, tracked_value, brittle_value>();
    nodes_lose_nothing<TypeParam, brittle_value, tracked_value>();
    nodes_lose_nothing<TypeParam, tracked_value, tracked_value>();
  }
}

TYPED_TEST(MapFaults, EveryAllocationOfALongLifeMayFail) {
  SKIP_UNLESS(inserts_all_or_nothing);
  using M = typename TestFixture::Solid;
  for (std::uint64_t k = 1;; k += 1 + k / 40) {
    M map;
    std::map<int, int> model;
    bool thrown = false;
    {
      const fault_scope fault(kAllocate, k);
      for (int i = 0; i < 3000; ++i) {
        try {
          map.try_emplace(i, i);
        } catch (const std::bad_alloc&) {  // the fault, or what a map makes of it
          thrown = true;
          ASSERT_FALSE(map.contains(i)) << "allocation " << k;
          map.try_emplace(i, i);  // armed no longer: there is memory again
        }
        model.emplace(i, i);
        if (i % 3 == 0) model.erase(i / 3), map.erase(i / 3);
      }
    }
    ASSERT_EQ(map.size(), model.size()) << "allocation " << k;
    for (const auto& [key, value] : model) ASSERT_EQ(map.at(key).value(), value);
    if (!thrown) break;
  }
}

}  // namespace
}  // namespace ullage::testing

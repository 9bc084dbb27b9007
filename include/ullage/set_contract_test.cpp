// SPDX-License-Identifier: Apache-2.0
//
// The contract of every set: what map_contract*_test.cpp asks of maps, as far as sets have it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ullage/testing/allocator_testing.h>
#include <ullage/testing/faults_testing.h>
#include <ullage/testing/maps_testing.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ullage::testing {
namespace {

template <class Family>
class SetContract : public ::testing::Test {
 public:
  using Numbers = typename Family::template set<int, counted_hash<>, counted_equal>;
  using Texts = typename Family::template set<std::string, text_hash, text_equal>;
  template <template <class> class Allocator>
  using Pooled =
      typename Family::template set<tracked_value, counted_hash<>, counted_equal, Allocator>;

  static Numbers up_to(int count) {
    Numbers set;
    for (int i = 0; i < count; ++i) set.insert(i);
    return set;
  }
  template <class Set>
  static std::set<int> sorted(const Set& set) {
    std::set<int> result;
    for (const int key : set) EXPECT_TRUE(result.insert(key).second) << key << " was visited twice";
    EXPECT_EQ(result.size(), set.size());
    return result;
  }

 protected:
  void TearDown() override {
    EXPECT_EQ(g_faults.live, 0) << "elements were leaked, or destroyed twice";
    EXPECT_FALSE(g_default_pool.wrong());
  }
};
TYPED_TEST_SUITE(SetContract, map_families, family_names);

#define SKIP_UNLESS(promise) \
  if (!TypeParam::promise) GTEST_SKIP() << TypeParam::name << " does not promise it: " << #promise

const std::vector<int> kSizes = {0, 1, 7, 8, 14, 15, 100, 448, 900, 2049, 9000, 30000};

TYPED_TEST(SetContract, FindsEveryKeyItHoldsAndNoOther) {
  for (const int size : kSizes) {
    const auto set = TestFixture::up_to(size);
    ASSERT_EQ(set.size(), static_cast<std::size_t>(size));
    ASSERT_EQ(set.empty(), size == 0);
    for (int i = 0; i < 2 * size + 10; ++i) {
      ASSERT_EQ(set.contains(i), i < size) << i << " of " << size;
      ASSERT_EQ(set.count(i), i < size ? 1U : 0U);
      const auto at = set.find(i);
      ASSERT_EQ(at != set.end(), i < size);
      if (i < size) {
        ASSERT_EQ(*at, i);
      }
    }
    ASSERT_EQ(static_cast<int>(TestFixture::sorted(set).size()), size);
  }
}

TYPED_TEST(SetContract, TakesRangesListsAndDoublesOnce) {
  using Set = typename TestFixture::Numbers;
  const std::vector<int> numbers = {3, 4, 3};
  Set set(numbers.begin(), numbers.end());
  set.insert({4, 5});
  set.insert(numbers.begin(), numbers.end());
  EXPECT_EQ(TestFixture::sorted(set), (std::set<int>{3, 4, 5}));
  EXPECT_FALSE(set.insert(5).second);
  EXPECT_FALSE(set.emplace(5).second);
  EXPECT_EQ(*set.emplace(6).first, 6);
  EXPECT_EQ(*set.insert(set.begin(), 6), 6);
  EXPECT_EQ(*set.emplace_hint(set.end(), 7), 7);
  set = {9, 9};
  EXPECT_EQ(TestFixture::sorted(set), (std::set<int>{9}));
  EXPECT_EQ(set, (Set{9}));
  EXPECT_NE(set, (Set{8}));
}

TYPED_TEST(SetContract, LooksUpAndErasesByAView) {
  typename TestFixture::Texts set;
  for (int i = 0; i < 2000; ++i)
    set.insert("a key too long to be kept inside " + std::to_string(i));
  const std::string_view there = "a key too long to be kept inside 1234";
  EXPECT_EQ(*set.find(there), there);
  EXPECT_TRUE(set.contains(there));
  EXPECT_EQ(set.count(std::string_view("absent")), 0U);
  if constexpr (TypeParam::has_transparent_erase) {
    EXPECT_EQ(set.erase(there), 1U);
    EXPECT_EQ(set.size(), 1999U);
  }
  for (std::size_t left = set.size(); left > 0; --left) {
    ASSERT_EQ(set.erase(*set.begin()), 1U) << "the key lives in the erased element";
  }
}

TYPED_TEST(SetContract, ErasesWhileIteratingByRangeAndByPredicate) {
  for (const int size : kSizes) {
    auto set = TestFixture::up_to(size);
    int seen = 0;
    for (auto at = set.begin(); at != set.end(); ++seen) {
      if (*at % 2 == 0) {
        at = erase_at(set, at);
      } else {
        ++at;
      }
    }
    ASSERT_EQ(seen, size);
    for (int i = 0; i < size; ++i) ASSERT_EQ(set.contains(i), i % 2 != 0);
    if constexpr (TypeParam::has_erase_if) {
      const auto third = static_cast<std::size_t>(size / 2);
      ASSERT_LE(erase_if(set, [](int key) { return key % 3 == 0; }), third);
      for (int i = 0; i < size; ++i) ASSERT_EQ(set.contains(i), i % 2 != 0 && i % 3 != 0);
    }
    set.erase(set.begin(), set.end());
    ASSERT_TRUE(set.empty());
    set.clear();
    ASSERT_TRUE(set.insert(1).second);
  }
}

TYPED_TEST(SetContract, AgreesWithAnOrderedSetOverALongRandomLife) {
  typename TestFixture::Numbers set;
  std::set<int> model;
  std::mt19937 random(11);
  for (int i = 0; i < 60000; ++i) {
    const int key = static_cast<int>(random() % 5000);
    if (random() % 100 < (i % 20000 < 12000 ? 70U : 20U)) {
      ASSERT_EQ(set.insert(key).second, model.insert(key).second);
    } else {
      ASSERT_EQ(set.erase(key), model.erase(key));
    }
    if (i % 5000 == 0) {
      ASSERT_EQ(TestFixture::sorted(set), model);
      const auto copy = set;
      ASSERT_EQ(copy, set);
    }
  }
  EXPECT_EQ(TestFixture::sorted(set), model);
}

TYPED_TEST(SetContract, CopiesMovesAndSwaps) {
  for (const int size : kSizes) {
    auto set = TestFixture::up_to(size);
    auto copy = set;
    copy.insert(-1);
    EXPECT_FALSE(set.contains(-1));
    auto taken = std::move(set);
    EXPECT_EQ(taken.size(), static_cast<std::size_t>(size));
    set = TestFixture::up_to(3);  // what was moved from can be used again
    swap(set, taken);
    EXPECT_EQ(TestFixture::sorted(taken), (std::set<int>{0, 1, 2}));
    set.reserve(static_cast<std::size_t>(2 * size));
    set.rehash(0);
    EXPECT_EQ(static_cast<int>(set.size()), size);
    copy.erase(-1);
    EXPECT_EQ(set, copy);
  }
}

TYPED_TEST(SetContract, KeepsKeysThatOnlyMoveAndGivesThemBack) {
  SKIP_UNLESS(has_nodes);
  if constexpr (TypeParam::has_nodes) {
    using owned = std::unique_ptr<int>;
    using Set = typename TypeParam::template set<owned, std::hash<owned>, std::equal_to<owned>>;
    Set set;
    for (int i = 0; i < 2000; ++i) set.insert(std::make_unique<int>(i));
    Set other;
    int sum = 0;
    while (!set.empty()) {
      auto node = set.extract(set.begin());
      sum += *node.value();
      ASSERT_TRUE(other.insert(std::move(node)).inserted);
    }
    EXPECT_EQ(sum, 1999 * 1000);
    set.merge(other);
    EXPECT_EQ(set.size(), 2000U);
    EXPECT_TRUE(other.empty());
  }
}

TYPED_TEST(SetContract, MergeTakesWhatIsMissingAndLeavesTheRest) {
  SKIP_UNLESS(has_merge);
  if constexpr (TypeParam::has_merge) {
    typename TestFixture::template Pooled<staying_allocator> a, b;
    for (int i = 0; i < 2000; ++i) a.insert(i), b.insert(i + 1000);
    a.merge(b);
    EXPECT_EQ(a.size(), 3000U);
    EXPECT_EQ(b.size(), 1000U);
    for (int i = 1000; i < 2000; ++i) ASSERT_TRUE(b.contains(i));
  }
}

TYPED_TEST(SetContract, TakesItsAllocatorAlongAsTheAllocatorSays) {
  SKIP_UNLESS(propagates_allocators);
  pool here(1), there(2);
  {
    using Set = typename TestFixture::template Pooled<travelling_allocator>;
    Set from{typename Set::allocator_type(here)}, to{typename Set::allocator_type(there)};
    for (int i = 0; i < 3000; ++i) from.insert(i), to.insert(-i);
    to = from;
    EXPECT_EQ(to.get_allocator().home(), &here);
    EXPECT_EQ(to, from);
  }
  EXPECT_TRUE(here.balanced());
  EXPECT_TRUE(there.balanced());
  {
    using Set = typename TestFixture::template Pooled<staying_allocator>;
    Set from{typename Set::allocator_type(here)}, to{typename Set::allocator_type(there)};
    for (int i = 0; i < 3000; ++i) from.insert(i);
    to = std::move(from);
    EXPECT_EQ(to.get_allocator().home(), &there);
    EXPECT_EQ(to.size(), 3000U);
  }
  EXPECT_TRUE(here.balanced());
  EXPECT_TRUE(there.balanced());
}

// Sizes at which the next insertion grows something, as MapFaults finds them, are among these.
TYPED_TEST(SetContract, AnInsertionThatThrowsLeavesTheSetAsItWas) {
  SKIP_UNLESS(inserts_all_or_nothing);
  using Set = typename TestFixture::template Pooled<staying_allocator>;
  const tracked_value key(-5);
  for (const int size : {0, 1, 3, 6, 7, 13, 14, 26, 52, 78, 100, 525, 560, 836, 900}) {
    Set before;
    for (int i = 0; i < size; ++i) before.insert(i);
    for (std::uint64_t k = 1;; k += 1 + k / 24) {
      Set set = before;
      bool thrown = false;
      try {
        const fault_scope fault(TypeParam::all_or_nothing_for, k);
        set.insert(key);
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      ASSERT_EQ(set.size(), before.size() + (thrown ? 0U : 1U)) << size << ", step " << k;
      ASSERT_EQ(set.contains(key), !thrown);
      for (const auto& kept : before) ASSERT_TRUE(set.contains(kept)) << size << ", step " << k;
      if (!g_faults.thrown) break;
      ASSERT_LT(k, 100'000U) << "it still throws";
    }
  }
}

}  // namespace
}  // namespace ullage::testing

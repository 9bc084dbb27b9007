// SPDX-License-Identifier: Apache-2.0
//
// Whose budget is asked when a map changes as a whole, and what it is told.
#include <gtest/gtest.h>
#include <ullage/budget.h>
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>
#include <ullage/testing/allocator_testing.h>

#include <cstdint>
#include <utility>

namespace ullage {
namespace {

using numbers = hash_map<std::uint64_t, std::uint64_t>;

void fill(numbers& map, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) map.try_emplace(i, i);
}
template <class Map>
std::uint64_t held(const Map& map) {
  return map.memory_usage() - sizeof map;
}

TEST(HashMapBudget, AnAssignmentAsksTheBudgetOfTheMapThatIsAssignedTo) {
  growth_site site{"limited"};
  byte_budget budget{std::uint64_t{64} << 10};
  site.limit(&budget);
  numbers small(site), large;
  fill(large, 100'000);
  small[5] = 6;
  EXPECT_THROW(small = large, growth_denied);
  EXPECT_EQ(small.size(), 1u);
  EXPECT_EQ(small.at(5), 6u);
  EXPECT_EQ(budget.used(), held(small));
  EXPECT_EQ(budget.denied(), 1u);

  large.clear();
  fill(large, 1000);
  small = large;
  EXPECT_EQ(small, large);
  EXPECT_EQ(budget.used(), held(small));
}

TEST(HashMapBudget, AnAssignmentDoesNotAskTheBudgetOfWhatIsCopied) {
  growth_site site{"the source's"};
  byte_budget nothing{0};
  numbers source(site);
  fill(source, 1000);
  const std::uint64_t growths = site.growths();
  site.limit(&nothing);
  numbers copy;
  copy = source;
  EXPECT_EQ(copy, source);
  EXPECT_EQ(nothing.denied(), 0u);
  EXPECT_EQ(nothing.used(), 0u);
  EXPECT_EQ(site.growths(), growths);
}

TEST(HashMapBudget, AListIsAssignedWithinTheBudget) {
  growth_site site{"limited"};
  byte_budget budget{1024};
  site.limit(&budget);
  numbers map(site);
  map = {{1, 10}, {2, 20}, {1, 30}};
  EXPECT_EQ(map, (numbers{{1, 10}, {2, 20}}));
  EXPECT_EQ(budget.used(), held(map));
  const numbers before = map;
  byte_budget nothing{0};
  site.limit(&nothing);
  EXPECT_THROW((map = {{3, 30}}), growth_denied);
  EXPECT_EQ(map, before);
  site.limit(nullptr);

  hash_set<int> set(site);
  set = {1, 2, 2};
  EXPECT_EQ(set.size(), 2u);
}

TEST(HashMapBudget, ReservingWhatThereIsRoomForDoesNothing) {
  growth_site site{"reserved"};
  for (std::size_t n = 1; n < 100'000; n += 1 + n / 9) {
    numbers map(site);
    map.reserve(n);
    map[1] = 1;
    const auto* const entry = &*map.find(1);
    const std::uint64_t growths = site.growths();
    const std::size_t capacity = map.capacity();
    for (std::size_t again = 0; again <= n; again += 1 + n / 5) map.reserve(again);
    map.reserve(n);
    ASSERT_EQ(site.growths(), growths) << n;
    ASSERT_EQ(map.capacity(), capacity) << n;
    ASSERT_EQ(&*map.find(1), entry) << n;
  }
}

TEST(HashMapBudget, GivingMemoryBackIsNotDeniedAtTheLimit) {
  for (const std::uint64_t limit : {std::uint64_t{1} << 12, std::uint64_t{1} << 20}) {
    growth_site site{"at its limit"};
    byte_budget budget{limit};
    site.limit(&budget);
    numbers map(site);
    std::uint64_t count = 0;
    while (map.try_insert({count, count})) ++count;
    for (std::uint64_t i = count / 4; i < count; ++i) map.erase(map.find(i));
    const std::uint64_t before = budget.used(), denied = budget.denied();
    map.rehash(0);
    EXPECT_LE(budget.used(), before / 2);
    EXPECT_EQ(budget.used(), held(map));
    EXPECT_EQ(budget.denied(), denied);
    EXPECT_EQ(map.size(), count / 4);
    for (std::uint64_t i = 0; i < count / 4; ++i) ASSERT_TRUE(map.contains(i));
    EXPECT_THROW(map.reserve(10 * count), growth_denied);
    EXPECT_EQ(budget.used(), held(map));
  }
}

TEST(HashMapBudget, TheHistogramOfStallsIsMemoryOfTheMap) {
  growth_site site{"timed"};
  byte_budget budget{std::uint64_t{1} << 20};
  site.limit(&budget);
  {
    numbers map(site);
    fill(map, 2000);
    const std::size_t before = map.memory_usage();
    map.record_stalls(true);
    EXPECT_GE(map.memory_usage(), before + sizeof(stall_histogram));
    EXPECT_EQ(budget.used(), held(map));
    EXPECT_EQ(map.counters().memory_bytes, map.memory_usage());
    fill(map, 8000);
    EXPECT_EQ(budget.used(), held(map));
    numbers taken = std::move(map);
    EXPECT_NE(taken.stalls(), nullptr);
    EXPECT_EQ(budget.used(), held(taken) + held(map));
    taken.record_stalls(false);
    EXPECT_EQ(budget.used(), held(taken));
    map.record_stalls(true);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(HashMapBudget, TheHistogramOfStallsComesFromTheAllocatorAndGoesBackToIt) {
  using pooled = hash_map<int, int, hash<int>, equal_to<int>,
                          testing::travelling_allocator<std::pair<const int, int>>>;
  testing::pool first{1}, second{2};
  {
    pooled a{testing::travelling_allocator<std::pair<const int, int>>(first)};
    pooled b{testing::travelling_allocator<std::pair<const int, int>>(second)};
    a.record_stalls(true);
    EXPECT_FALSE(first.balanced());
    swap(a, b);  // the allocators travel, the histograms stay
    EXPECT_NE(a.stalls(), nullptr);
    b.record_stalls(true);
    b.record_stalls(false);
  }
  EXPECT_TRUE(first.balanced());
  EXPECT_TRUE(second.balanced());
}

TEST(HashMapBudget, AMoveTellsTheBudgetsOfBothSites) {
  growth_site here{"here"}, there{"there"};
  byte_budget ours{std::uint64_t{1} << 20}, theirs{std::uint64_t{1} << 20};
  here.limit(&ours);
  there.limit(&theirs);
  {
    numbers to(here), from(there);
    fill(to, 10);
    fill(from, 5000);
    const std::uint64_t moved = held(from);
    to = std::move(from);
    EXPECT_EQ(to.size(), 5000u);
    EXPECT_EQ(ours.used(), moved);
    EXPECT_EQ(theirs.used(), 0u);
  }
  EXPECT_EQ(ours.used(), 0u);
}

}  // namespace
}  // namespace ullage

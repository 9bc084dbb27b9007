// SPDX-License-Identifier: Apache-2.0
//
// What hash_map promises about growth, counted: moves, allocations, bytes, denials.
#include <gtest/gtest.h>
#include <ullage/budget.h>
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>

#include <algorithm>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace ullage {
namespace {

struct constant_hash {
  std::size_t operator()(std::uint64_t) const noexcept { return 7; }
};

struct ledger {
  std::size_t bytes = 0, calls = 0;
  std::size_t fail_at = ~std::size_t{0};
};
template <class T>
struct ledger_allocator {
  using value_type = T;
  ledger* book;
  explicit ledger_allocator(ledger& to) : book(&to) {}
  template <class U>
  ledger_allocator(const ledger_allocator<U>& other) : book(other.book) {}  // NOLINT
  T* allocate(std::size_t n) {
    if (++book->calls >= book->fail_at) throw std::bad_alloc();
    book->bytes += n * sizeof(T);
    return static_cast<T*>(::operator new(n * sizeof(T)));
  }
  void deallocate(T* at, std::size_t n) {
    book->bytes -= n * sizeof(T);
    ::operator delete(at);
  }
  bool operator==(const ledger_allocator&) const = default;
};
template <class Hash>
using ledger_map = hash_map<std::uint64_t, std::uint64_t, Hash, std::equal_to<std::uint64_t>,
                            ledger_allocator<std::pair<const std::uint64_t, std::uint64_t>>>;

struct moves_sink final : growth_sink {
  std::uint64_t moved = 0, events = 0, most = 0, poor = 0, denied = 0;
  void on_growth(const growth_event& event) noexcept override {
    ++events;
    moved += event.moved;
    most = std::max(most, event.moved);
    poor += event.kind == growth_kind::poor_hash;
    denied += event.kind == growth_kind::denied;
  }
};

template <class Hash>
void no_insert_works_more_than_it_says(std::uint64_t keys) {
  ledger book;
  moves_sink sink;
  growth_site site("hash_map_growth_test");
  site.listen(&sink);
  using map_type = ledger_map<Hash>;
  map_type map(site, Hash(), std::equal_to<std::uint64_t>(),
               typename map_type::allocator_type(book));
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::size_t calls = book.calls;
    const std::uint64_t moved = sink.moved;
    map.try_emplace(i * 977, i);
    ASSERT_LE(book.calls - calls, map_type::max_allocations_per_insert()) << i;
    ASSERT_LE(sink.moved - moved, map_type::max_moves_per_insert()) << i;
  }
  EXPECT_EQ(map.size(), keys);
  EXPECT_EQ(map.memory_usage(), sizeof(map) + book.bytes);
  for (std::uint64_t i = 0; i < keys; ++i) ASSERT_EQ(map.at(i * 977), i);
}

TEST(HashMapGrowth, NoInsertMovesMoreThanOneSegmentWhateverTheHash) {
  no_insert_works_more_than_it_says<ullage::hash<std::uint64_t>>(300000);
  no_insert_works_more_than_it_says<constant_hash>(4000);
  static_assert(ledger_map<constant_hash>::max_moves_per_insert() == 960);
  static_assert(hash_map<std::string, std::uint64_t>::max_moves_per_insert() == 960);
}

TEST(HashMapGrowth, TenThousandEqualHashesStayCorrectAndAreReported) {
  moves_sink sink;
  growth_site site("hash_map_growth_test");
  site.listen(&sink);
  hash_map<std::uint64_t, std::uint64_t, constant_hash> map(site);
  for (std::uint64_t i = 0; i < 10000; ++i) ASSERT_TRUE(map.try_emplace(i, i).second);
  EXPECT_GT(sink.poor, 0u);
  EXPECT_LT(map.memory_usage(), 10000u * 32);
  for (std::uint64_t i = 0; i < 10000; i += 7) ASSERT_EQ(map.at(i), i);
  EXPECT_FALSE(map.contains(10000));
  for (std::uint64_t i = 0; i < 10000; ++i) ASSERT_EQ(map.erase(i), 1u);
  EXPECT_TRUE(map.empty());
  EXPECT_LT(map.memory_usage(), 64u * 1024);
}

TEST(HashMapGrowth, HoldsLessThanTwentyFiveBytesForSixteenAtEverySize) {
  hash_map<std::uint64_t, std::uint64_t> map;
  double sum = 0, worst = 0;
  std::uint64_t counted = 0, next = 100000;
  for (std::uint64_t i = 0; i < 800000; ++i) {
    map.try_emplace(i * 0x9E3779B97F4A7C15u, i);
    if (i != next) continue;
    next += next / 50;
    const double per_entry =
        static_cast<double>(map.memory_usage()) / static_cast<double>(map.size());
    sum += per_entry;
    worst = std::max(worst, per_entry);
    ++counted;
  }
  EXPECT_LT(sum / static_cast<double>(counted), 23.0);
  EXPECT_LT(worst, 25.0);
}

TEST(HashMapGrowth, ChurnAtConstantSizeGrowsTheMapByLittle) {
  hash_map<std::uint64_t, std::uint64_t> map;
  constexpr std::uint64_t kSize = 60000;
  const auto key = [](std::uint64_t i) { return i * 0x9E3779B97F4A7C15u; };
  for (std::uint64_t i = 0; i < kSize; ++i) map.try_emplace(key(i), i);
  const std::size_t before = map.memory_usage();
  for (std::uint64_t i = 0; i < 10 * kSize; ++i) {
    ASSERT_EQ(map.erase(key(i)), 1u);
    map.try_emplace(key(kSize + i), i);
  }
  EXPECT_EQ(map.size(), kSize);
  EXPECT_LT(map.memory_usage(), before + before / 8);
}

TEST(HashMapGrowth, ShrinksStepByStepAsEntriesGo) {
  hash_map<std::uint64_t, std::uint64_t> map;
  for (std::uint64_t i = 0; i < 200000; ++i) map.try_emplace(i, i);
  const std::size_t full = map.memory_usage();
  for (std::uint64_t i = 0; i < 199000; ++i) map.erase(i);
  EXPECT_LT(map.memory_usage(), full / 8);
  while (map.compact(1000)) {
  }
  EXPECT_LT(map.memory_usage(), full / 32);
  for (std::uint64_t i = 199000; i < 200000; ++i) ASSERT_EQ(map.at(i), i);
}

struct bytes_budget final : growth_budget {
  std::int64_t used = 0;
  std::int64_t most;
  explicit bytes_budget(std::int64_t limit) : most(limit) {}
  growth_answer ask(const growth_request& request) noexcept override {
    const auto more = static_cast<std::int64_t>(request.bytes_wanted - request.bytes_now);
    if (used + more > most) return growth_answer::deny;
    used += more;
    return growth_answer::admit;
  }
  void adjust(std::int64_t bytes) noexcept override { used += bytes; }
};

TEST(HashMapGrowth, ADeniedInsertSaysSoAndKeepsEverything) {
  bytes_budget budget(200000);
  moves_sink sink;
  growth_site site("hash_map_growth_test");
  site.limit(&budget);
  site.listen(&sink);
  {
    hash_map<std::uint64_t, std::uint64_t> map(site);
    std::uint64_t i = 0;
    for (;; ++i) {
      const auto said = map.try_insert({i, i});
      if (said.denied()) break;
      ASSERT_TRUE(said.inserted());
      ASSERT_LT(i, 20000u);
    }
    EXPECT_GT(i, 8000u);
    EXPECT_EQ(map.size(), i);
    EXPECT_THROW(map.try_emplace(i, i), growth_denied);
    EXPECT_EQ(map.size(), i);
    for (std::uint64_t k = 0; k < i; ++k) ASSERT_EQ(map.at(k), k);
    EXPECT_GT(sink.denied, 0u);
    EXPECT_EQ(budget.used, static_cast<std::int64_t>(map.memory_usage() - sizeof(map)));
    budget.most = 400000;
    EXPECT_TRUE(map.try_insert({i, i}).inserted());
  }
  EXPECT_EQ(budget.used, 0);
}

TEST(HashMapGrowth, AnAllocatorThatFailsAnywhereLeavesTheMapAsItWas) {
  for (std::size_t fail_at = 1; fail_at < 60; ++fail_at) {
    ledger book;
    {
      using map_type = ledger_map<ullage::hash<std::uint64_t>>;
      map_type map(typename map_type::allocator_type{book});
      book.fail_at = fail_at;
      std::uint64_t i = 0;
      try {
        for (; i < 20000; ++i) map.try_emplace(i, i);
      } catch (const std::bad_alloc&) {
      }
      ASSERT_EQ(map.size(), i);
      for (std::uint64_t k = 0; k < i; ++k) ASSERT_EQ(map.at(k), k);
      ASSERT_FALSE(map.contains(i));
      book.fail_at = ~std::size_t{0};
      for (; i < 3000; ++i) map.try_emplace(i, i);
      for (std::uint64_t k = 0; k < i; ++k) ASSERT_EQ(map.at(k), k);
    }
    ASSERT_EQ(book.bytes, 0u);
  }
}

// Segments have unequal shares of the hashes. Once all were reserved alike, and one in twenty grew.
TEST(HashMapGrowth, AReservedMapGrowsButForASegmentInAThousand) {
  for (const std::size_t size : {900u, 3000u, 20'000u, 300'000u}) {
    hash_map<std::uint64_t, std::uint64_t> map;
    map.reserve(size);
    const std::size_t reserved = map.memory_usage();
    EXPECT_LE(reserved, size * 28);
    for (std::uint64_t i = 0; i < size; ++i) map.try_emplace(i, i);
    const map_counters told = map.counters();
    EXPECT_LE(told.splits + told.stretches, 1 + told.segments / 100) << size;
    EXPECT_LE(map.memory_usage(), reserved + reserved / 100 + 16'384) << size;
  }
}

TEST(HashMapGrowth, ASiteRemembersTheSizeAndTheNextMapStartsThere) {
  growth_site site("hash_map_growth_test");
  {
    hash_map<std::uint64_t, std::uint64_t> map(site);
    for (std::uint64_t i = 0; i < 5000; ++i) map.try_emplace(i, i);
  }
  EXPECT_EQ(site.sizes().max(), 5000u);
  EXPECT_GT(site.growths(), 10u);
  site.expect(5000);
  moves_sink sink;
  site.listen(&sink);
  hash_map<std::uint64_t, std::uint64_t> map(site);
  EXPECT_EQ(sink.events, 1u);
  for (std::uint64_t i = 0; i < 5000; ++i) map.try_emplace(i, i);
  EXPECT_LE(sink.moved, 2 * map.max_moves_per_insert());
}

// It was remembered at the other map's site.
TEST(HashMapGrowth, WhatAnAssignmentReplacesIsRememberedAtItsOwnSite) {
  using numbers = hash_map<std::uint64_t, std::uint64_t>;
  growth_site large("hash_map_growth_test.large"), small("hash_map_growth_test.small");
  byte_budget of_large(1 << 20), of_small(1 << 20);
  large.limit(&of_large);
  small.limit(&of_small);
  const auto expect_lives = [&](std::uint64_t lives_of_large, std::uint64_t lives_of_small) {
    EXPECT_EQ(large.sizes().count(), lives_of_large);
    EXPECT_EQ(small.sizes().count(), lives_of_small);
    EXPECT_LE(small.sizes().max(), 5u);
  };
  {
    numbers a(large), b(small);
    for (std::uint64_t i = 0; i < 2000; ++i) a.try_emplace(i, i);
    for (std::uint64_t i = 0; i < 5; ++i) b.try_emplace(i, i);
    a = b;
    expect_lives(1, 0);
    EXPECT_EQ(large.sizes().max(), 2000u);
    a = std::move(b);
    expect_lives(2, 0);
    EXPECT_EQ(of_large.used(), a.memory_usage() - sizeof a);
    EXPECT_EQ(of_small.used(), 0u);
    b = a;  // NOLINT: it was moved from, and is assigned to
    a = {{1, 1}};
    expect_lives(3, 0);
  }
  expect_lives(4, 1);
  EXPECT_EQ(of_large.used() + of_small.used(), 0u);
}

TEST(HashMapGrowth, ExperienceIsForgoneWhereTheBudgetWantsTheLeast) {
  growth_site site("hash_map_growth_test.least");
  byte_budget budget(std::size_t{64} << 20, 100);
  site.limit(&budget);
  for (const std::uint64_t expected : {100u, 5000u}) {
    site.expect(expected);
    hash_map<std::uint64_t, std::uint64_t> map(site);
    EXPECT_EQ(map.capacity(), 0u);
    EXPECT_EQ(budget.used(), 0u);
    map.reserve(expected);  // that is asked for
    EXPECT_GE(map.capacity(), expected);
  }
}

TEST(HashMapGrowth, StallsAreTimedOnlyWhenAsked) {
  hash_map<std::uint64_t, std::uint64_t> map;
  map.try_emplace(1, 1);
  EXPECT_EQ(map.stalls(), nullptr);
  map.record_stalls(true);
  for (std::uint64_t i = 0; i < 5000; ++i) map.try_emplace(i, i);
  ASSERT_NE(map.stalls(), nullptr);
  EXPECT_GT(map.stalls()->stalls(), 5u);
  EXPECT_NE(map.counters().to_json().find("\"bytes_per_entry\""), std::string::npos);
  map.record_stalls(false);
  EXPECT_EQ(map.stalls(), nullptr);
}

// The directory was taken without asking, and came on top.
template <class Map>
void expect_never_beyond(std::uint64_t limit) {
  growth_site site("hash_map_growth_test.limit");
  byte_budget budget(limit);
  site.limit(&budget);
  Map map(site);
  std::uint64_t i = 0;
  while (map.try_insert({i, i}).inserted()) ++i;
  EXPECT_LE(budget.high_water(), limit);
  EXPECT_EQ(budget.used(), map.memory_usage() - sizeof map) << limit;
  map.clear();
  EXPECT_EQ(budget.used(), map.memory_usage() - sizeof map) << limit;
  try {
    map.reserve(i * 2 + 1000);
    ADD_FAILURE() << "there is no room for so many in " << limit;
  } catch (const growth_denied&) {
  }
  EXPECT_LE(budget.high_water(), limit);
}

// Remembers a limit that is passed by a byte where the directory grows.
struct directory_sink final : growth_sink {
  std::vector<std::uint64_t> limits;
  unsigned depth = 0;
  void on_growth(const growth_event& event) noexcept override {
    if (event.depth <= depth) return;
    depth = event.depth;
    limits.push_back(event.bytes_after - 1);
  }
};

template <class Map>
void expect_never_beyond_any() {
  directory_sink sink;
  {
    growth_site site("hash_map_growth_test.limits");
    site.listen(&sink);
    Map map(site);
    // Until the directory has left its array, for reserved address space or for chunks.
    for (std::uint64_t i = 0; sink.depth <= 12; ++i) map.try_emplace(i, i);
  }
  for (std::uint64_t limit = 100; limit < 100'000; limit += limit / 7) {
    sink.limits.push_back(limit);
  }
  for (const std::uint64_t limit : sink.limits) expect_never_beyond<Map>(limit);
}

TEST(HashMapGrowth, HoldsNothingBeyondABudgetsHardLimit) {
  using entry = std::pair<const std::uint64_t, std::uint64_t>;
  expect_never_beyond_any<hash_map<std::uint64_t, std::uint64_t>>();
  expect_never_beyond_any<hash_map<std::uint64_t, std::uint64_t, ullage::hash<std::uint64_t>,
                                   std::equal_to<>, std::allocator<entry>>>();
}

}  // namespace
}  // namespace ullage

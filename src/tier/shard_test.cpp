// SPDX-License-Identifier: Apache-2.0
#include "tier/shard.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tier/heap.h"

namespace ullage::tier {
namespace {

using std::chrono::milliseconds;

std::string key_of(int i) { return "key:" + std::to_string(i); }

void fill(Shard& shard, int from, int to, std::size_t bytes = 100) {
  const std::string value(bytes, 'v');
  for (int i = from; i < to; ++i) ASSERT_EQ(shard.set({0, key_of(i)}, value), Status::kOk) << i;
}

void settle(Shard& shard) {
  for (int i = 0; i < 10000 && shard.step(milliseconds(5)); ++i) {
  }
}

struct Removals final : Listener {
  void on_removed(unsigned, std::string_view key, Removal why) noexcept override {
    (why == Removal::kExpired ? expired : evicted).emplace(key);
  }
  std::set<std::string> expired, evicted;
};

TEST(Shard, KeepsWhatItWasGiven) {
  Budget budget({});
  Shard shard({}, budget);
  EXPECT_EQ(shard.set({0, "k"}, "value"), Status::kOk);
  ASSERT_TRUE(shard.get({0, "k"}));
  EXPECT_EQ(shard.get({0, "k"})->value, "value");
  EXPECT_FALSE(shard.get({1, "k"}));
  EXPECT_EQ(shard.count(0), 1u);
  EXPECT_TRUE(shard.erase({0, "k"}));
  EXPECT_FALSE(shard.erase({0, "k"}));
  EXPECT_EQ(shard.count(0), 0u);
}

TEST(Shard, AnEntryWhoseTimeHasComeIsNotThere) {
  Budget budget({});
  Removals heard;
  Shard shard({.listener = &heard}, budget);
  shard.now(1000);
  ASSERT_EQ(shard.set({0, "k"}, "v", {.expires_ms = 1500}), Status::kOk);
  shard.now(1499);
  EXPECT_TRUE(shard.contains({0, "k"}));
  shard.now(1500);
  EXPECT_EQ(shard.count(0), 1u);
  EXPECT_FALSE(shard.contains({0, "k"}));
  EXPECT_EQ(shard.count(0), 0u);
  EXPECT_EQ(heard.expired, std::set<std::string>{"k"});
}

TEST(Shard, StepCollectsWhatHasExpiredAndNobodyAskedFor) {
  Budget budget({});
  Shard shard({}, budget);
  shard.now(1000);
  for (int i = 0; i < 5000; ++i) {
    const SetOptions options{.expires_ms = i % 2 == 0 ? 2000u : 0u};
    ASSERT_EQ(shard.set({0, key_of(i)}, "v", options), Status::kOk);
  }
  EXPECT_EQ(shard.count_with_expiry(0), 2500u);
  shard.now(3000);
  settle(shard);
  EXPECT_EQ(shard.count(0), 2500u);
  EXPECT_EQ(shard.count_with_expiry(0), 0u);
}

TEST(Shard, ExpiredEntriesGoBeforeASegmentGrows) {
  Budget budget({});
  Shard shard({}, budget);
  std::uint64_t now = 1000;
  for (int i = 0; i < 100000; ++i) {  // at any time 100 are alive
    shard.now(++now);
    ASSERT_EQ(shard.set({0, key_of(i)}, "v", {.expires_ms = now + 100}), Status::kOk);
  }
  EXPECT_LT(shard.count(0), 400u);
  EXPECT_EQ(shard.counters().splits.value(), 0u);
}

TEST(Shard, AnExpiryTakesNoMemory) {
  std::uint64_t live[2];
  for (const bool expiring : {false, true}) {
    Budget budget({});
    Shard shard({}, budget);
    for (int i = 0; i < 20000; ++i) {
      const SetOptions options{.expires_ms = expiring ? 1'000'000u : 0u};
      ASSERT_EQ(shard.set({0, key_of(100000 + i)}, "some value", options), Status::kOk);
    }
    live[expiring] = budget.granted_bytes();
  }
  EXPECT_EQ(live[0], live[1]);
}

TEST(Shard, TakesAtMost150BytesForAnEntryOf116) {
  Budget budget({});
  Shard shard({.eviction = Eviction::kNone}, budget);
  const std::string value(100, 'v');
  char key[24];
  for (int i = 1; i <= 600000; ++i) {
    std::snprintf(key, sizeof key, "key:%012d", i);
    ASSERT_EQ(shard.set({0, key}, value), Status::kOk);
    if (i % 1000 == 0) shard.step(milliseconds(1));
    if (i >= 300000 && i % 5000 == 0) {  // at every load of one doubling
      const double bytes = static_cast<double>(shard.memory().resident_bytes.value()) / i;
      ASSERT_LE(bytes, 150.0) << i;
    }
  }
  EXPECT_LE(budget.granted_bytes_max(), budget.granted_bytes() * 103 / 100);
}

TEST(Shard, NoOperationMovesMoreThanOneSegment) {
  Budget budget({});
  Shard shard({.eviction = Eviction::kNone}, budget);
  fill(shard, 0, 300000, 10);
  EXPECT_LE(shard.counters().operation_moves_max.value(), 1380u);
  EXPECT_GT(shard.counters().splits.value(), 100u);
}

TEST(Shard, WhatTheBudgetDeniesChangesNothing) {
  Budget budget({.limit_bytes = 2 << 20});
  Shard shard({.eviction = Eviction::kNone}, budget);
  const std::string value(1000, 'v');
  int stored = 0;
  while (shard.set({0, key_of(stored)}, value) == Status::kOk) ++stored;
  EXPECT_GT(stored, 1500);
  EXPECT_LE(budget.granted_bytes(), budget.limit_bytes());
  EXPECT_EQ(shard.append({0, key_of(0)}, std::string(100000, 'x')), Status::kDenied);
  EXPECT_EQ(shard.set({0, key_of(0)}, std::string(8 << 20, 'x')), Status::kDenied);
  for (int i = 0; i < stored; ++i) ASSERT_EQ(shard.peek({0, key_of(i)})->value, value) << i;
  EXPECT_EQ(shard.count(0), static_cast<std::uint64_t>(stored));
  EXPECT_GE(shard.counters().denied.value(), 3u);
  // Room again: writes go through again.
  for (int i = 0; i < 200; ++i) shard.erase({0, key_of(i)});
  EXPECT_EQ(shard.set({0, "new"}, value), Status::kOk);
}

TEST(Shard, EvictsInsteadWhenItMay) {
  Budget budget({.limit_bytes = 4 << 20});
  Removals heard;
  Shard shard({.listener = &heard}, budget);
  fill(shard, 0, 100000);
  EXPECT_LE(budget.granted_bytes_max(), budget.limit_bytes());
  EXPECT_GT(shard.count(0), 20000u);
  EXPECT_EQ(shard.count(0) + heard.evicted.size(), 100000u);
}

TEST(Shard, MakesRoomForWhatOthersNeed) {
  Budget budget({.limit_bytes = 8 << 20});
  Shard shard({}, budget);
  fill(shard, 0, 100000);
  const std::uint64_t needed = 2 << 20;
  EXPECT_FALSE(budget.take(Component::kClients, needed));
  EXPECT_TRUE(shard.make_room(needed));
  // 5120 for each slab of 64 KiB (docs/tiers/hot.md), and one slice beyond.
  EXPECT_LE(shard.counters().operation_moves_max.value(), (4 + needed / 65536) * 5120 + 128);
  EXPECT_TRUE(budget.take(Component::kClients, needed));
  budget.give_back(Component::kClients, needed);
  shard.eviction(Eviction::kNone);
  fill(shard, 0, 1000);
  EXPECT_FALSE(shard.make_room(8 << 20));
}

TEST(Shard, AScanThroughManyKeysLeavesThoseThatAreUsed) {
  Budget budget({.limit_bytes = 4 << 20});
  Shard shard({.window_percent = 1}, budget);
  fill(shard, 0, 5000);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 5000; ++i) shard.get({0, key_of(i)});
  }
  fill(shard, 1000000, 1100000);
  int left = 0;
  for (int i = 0; i < 5000; ++i) left += shard.contains({0, key_of(i)}) ? 1 : 0;
  EXPECT_GT(left, 4800);
}

TEST(Shard, EvictsOnlyWhatExpiresWhenToldSo) {
  Budget budget({.limit_bytes = 3 << 20});
  Removals heard;
  Shard shard({.eviction = Eviction::kVolatile, .listener = &heard}, budget);
  fill(shard, 0, 5000);
  const std::string value(100, 'v');
  for (int i = 0; i < 50000; ++i) {
    ASSERT_EQ(shard.set({1, key_of(i)}, value, {.expires_ms = 1000}), Status::kOk);
  }
  EXPECT_EQ(shard.count(0), 5000u);
  EXPECT_GT(heard.evicted.size(), 20000u);
}

TEST(Shard, StaysWithinItsBudgetWhileSizesDrift) {
  Budget budget({.limit_bytes = 16 << 20});
  Shard shard({}, budget);
  std::mt19937 random(1);
  const std::string value(400, 'v');
  for (const auto& [from, to] : {std::pair{100, 400}, {400, 64}}) {
    for (int i = 0; i < 150000; ++i) {
      const auto bytes = static_cast<std::size_t>(from + (to - from) * (i / 1000) / 150);
      ASSERT_EQ(shard.set({0, key_of(static_cast<int>(random() % 200000))}, {value.data(), bytes}),
                Status::kOk);
      if (i % 100 == 0) shard.step(std::chrono::microseconds(100));
      ASSERT_LE(shard.memory().resident_bytes.value(), (16u << 20) * 102 / 100);
    }
    // The pages of sizes that went came back: most of it is entries (a partly filled slab for each
    // of some 40 sizes is 8 % of so small a budget, the shadow caches 4 %).
    EXPECT_GT(shard.memory().live_bytes.value(), (16u << 20) * 7 / 10);
  }
}

// Each of 150 sizes has some free cells, none a slab of them: no size may starve, also without
// step().
TEST(Shard, NoSizeIsRefusedWhileEntriesOfOthersCanGo) {
  Budget budget({.limit_bytes = 8 << 20});
  Shard shard({}, budget);
  std::mt19937 random(1);
  const std::string value(12000, 'v');
  for (int i = 0; i < 60000; ++i) {
    const std::size_t bytes = random() % (i % 3 == 0 ? 12000 : 900);
    ASSERT_EQ(shard.set({0, key_of(static_cast<int>(random() % 50000))}, {value.data(), bytes}),
              Status::kOk)
        << i;
  }
  EXPECT_LE(budget.granted_bytes_max(), budget.limit_bytes());
  EXPECT_LE(shard.counters().operation_moves_max.value(), 1536u + 1380u);
}

TEST(Shard, MemoryComesBackWhenEntriesGo) {
  Budget budget({});
  Shard shard({.eviction = Eviction::kNone}, budget);
  fill(shard, 0, 200000);
  const std::uint64_t full = budget.granted_bytes();
  for (int i = 0; i < 200000; ++i) {
    if (i % 20 != 0) shard.erase({0, key_of(i)});  // one in twenty stays, everywhere
  }
  settle(shard);
  EXPECT_LT(budget.granted_bytes(), full / 8);
  EXPECT_GT(shard.counters().merges.value(), 0u);
  for (int i = 0; i < 200000; i += 20) ASSERT_TRUE(shard.contains({0, key_of(i)})) << i;
}

TEST(Shard, AFlushIsAtOnceAndItsMemoryComesBackInSteps) {
  Budget budget({});
  Shard shard({}, budget);
  fill(shard, 0, 50000);
  ASSERT_EQ(shard.set({1, "other"}, "stays"), Status::kOk);
  shard.flush(0);
  EXPECT_EQ(shard.count(0), 0u);
  EXPECT_FALSE(shard.contains({0, key_of(1)}));
  EXPECT_TRUE(shard.contains({1, "other"}));
  const std::uint64_t before = budget.granted_bytes();
  shard.step(std::chrono::nanoseconds(1));
  EXPECT_GT(budget.granted_bytes(), before / 2) << "one slice frees a part";
  settle(shard);
  EXPECT_LT(budget.granted_bytes(), 2u << 20);
  EXPECT_EQ(shard.peek({1, "other"})->value, "stays");
  shard.flush_all();
  settle(shard);
  EXPECT_EQ(shard.memory().entries.value(), 0u);
  EXPECT_EQ(budget.granted_bytes(), 0u);
}

TEST(Shard, ManyFlushesInARowAreAllEmpty) {
  Budget budget({});
  Shard shard({}, budget);
  ASSERT_EQ(shard.set({1, "other"}, "stays"), Status::kOk);
  for (int i = 0; i < 200; ++i) {
    fill(shard, 0, 50);
    shard.flush(0);
    ASSERT_EQ(shard.count(0), 0u);
  }
  EXPECT_TRUE(shard.contains({1, "other"}));
}

TEST(Shard, ALargeValueGrowsWhereItIsAndIsFreedInSteps) {
  Budget budget({});
  Shard shard({}, budget);
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string tail(40000, static_cast<char>('a' + i % 26));
    expected += tail;
    ASSERT_EQ(shard.append({0, "big"}, tail), Status::kOk);
  }
  EXPECT_EQ(shard.get({0, "big"})->value, expected);
  EXPECT_TRUE(shard.about({0, "big"})->large);
  EXPECT_GE(shard.memory().large_resident_bytes.value(), expected.size());
  const std::uint64_t held = budget.granted_bytes(Component::kLarge);
  EXPECT_TRUE(shard.erase({0, "big"}));
  EXPECT_EQ(budget.granted_bytes(Component::kLarge), held) << "the erase itself frees nothing";
  settle(shard);
  EXPECT_EQ(budget.granted_bytes(Component::kLarge), 0u);
}

TEST(Shard, AKindStaysWithItsValueWhateverBecomesOfTheEntry) {
  Budget budget({});
  Shard shard({}, budget);
  static constexpr Kind kOther = 5;
  for (const std::size_t bytes : {10u, 15900u, 100000u}) {  // in a cell, nearly too large, large
    const std::string value(bytes, 'v');
    ASSERT_EQ(shard.set({0, "k"}, value, {.kind = kOther}), Status::kOk);
    EXPECT_EQ(shard.get({0, "k"})->kind, kOther);
    ASSERT_EQ(shard.append({0, "k"}, std::string(500, 'x')), Status::kOk);
    ASSERT_EQ(shard.resize({0, "k"}, bytes), Status::kOk);
    ASSERT_EQ(shard.set_expiry({0, "k"}, 99), Status::kOk);
    EXPECT_EQ(shard.peek({0, "k"})->kind, kOther) << bytes;
    ASSERT_EQ(shard.rename({0, "k"}, {1, "a much longer name" + std::string(1000, 'n')}),
              Status::kOk);
    const auto taken = shard.take({1, "a much longer name" + std::string(1000, 'n')});
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->kind, kOther);
    ASSERT_EQ(shard.put({2, "k"}, *taken), Status::kOk);
    EXPECT_EQ(shard.about({2, "k"})->kind, kOther);
    shard.scan(2, 0, 10, [](std::string_view, const Found& f) { EXPECT_EQ(f.kind, kOther); });
    // Text again, in place and elsewhere, unless told otherwise.
    ASSERT_EQ(shard.set({2, "k"}, value), Status::kOk);
    EXPECT_EQ(shard.get({2, "k"})->kind, kText);
  }
  ASSERT_EQ(shard.append({3, "new"}, "x"), Status::kOk);
  EXPECT_EQ(shard.get({3, "new"})->kind, kText);
}

TEST(Shard, RefusesWhatIsTooLong) {
  Budget budget({});
  Shard shard({}, budget);
  EXPECT_EQ(shard.set({0, std::string(kKeyBytesMax, 'k')}, "v"), Status::kOk);
  EXPECT_EQ(shard.set({0, std::string(kKeyBytesMax + 1, 'k')}, "v"), Status::kTooLong);
  EXPECT_EQ(shard.set_range({0, "k"}, kValueBytesMax, "x"), Status::kTooLong);
  EXPECT_FALSE(shard.contains({0, "k"}));
}

// Every entry that is there throughout is seen exactly once.
TEST(Shard, AScanSeesWhatStaysExactlyOnceWhateverGrowsOrShrinks) {
  for (const bool grow : {true, false}) {
    Budget budget({});
    Shard shard({.eviction = Eviction::kNone}, budget);
    fill(shard, 0, 3000);
    if (!grow) fill(shard, 100000, 160000);
    std::map<std::string, int> seen;
    std::uint64_t cursor = 0;
    int turn = 0;
    do {
      cursor = shard.scan(0, cursor, 100,
                          [&](std::string_view key, const Found&) { ++seen[std::string(key)]; });
      EXPECT_LT(cursor, std::uint64_t{1} << 48);
      const int from = 100000 + turn * 300;
      for (int i = from; i < from + 300; ++i) {
        if (grow) {
          ASSERT_EQ(shard.set({0, key_of(i)}, "new"), Status::kOk);
        } else {
          shard.erase({0, key_of(i)});
        }
      }
      shard.step(milliseconds(1));
      ++turn;
    } while (cursor != 0);
    EXPECT_GT(grow ? shard.counters().splits.value() : shard.counters().merges.value(), 0u);
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(seen[key_of(i)], 1) << key_of(i) << " " << grow;
    for (const auto& [key, times] : seen) ASSERT_EQ(times, 1) << key;
  }
}

TEST(Shard, AScanForFewEndsSoonAlsoWhereThereIsNothing) {
  Budget budget({});
  Shard shard({}, budget);
  fill(shard, 0, 50000);
  for (int i = 0; i < 50000; ++i) {
    if (i != 77) shard.erase({0, key_of(i)});
  }
  std::uint64_t cursor = 0;
  int calls = 0, found = 0;
  do {
    cursor = shard.scan(0, cursor, 100, [&](std::string_view, const Found&) { ++found; });
    ++calls;
  } while (cursor != 0);
  EXPECT_EQ(found, 1);
  EXPECT_GT(calls, 10) << "each call looks at a bounded number of places";
}

TEST(Shard, RandomKeysComeFromEverywhere) {
  Budget budget({});
  Shard shard({}, budget);
  EXPECT_FALSE(shard.random_key(0, 1));
  fill(shard, 0, 1000, 1);
  std::mt19937_64 random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 20000; ++i) seen.emplace(*shard.random_key(0, random()));
  EXPECT_GT(seen.size(), 950u);
}

TEST(Shard, AVersionTellsEveryKindOfChange) {
  Budget budget({});
  Shard shard({}, budget);
  shard.now(1000);
  const Key key(0, "k");
  const auto changes = [&](auto&& what) {
    const std::uint64_t before = shard.watch(key);
    what();
    const bool changed = shard.version(key) != before;
    shard.unwatch(key);
    return changed;
  };
  EXPECT_FALSE(changes([&] { shard.get(key); }));
  EXPECT_TRUE(changes([&] { (void)shard.set(key, "v"); }));
  EXPECT_TRUE(changes([&] { (void)shard.set(key, "v"); }));
  EXPECT_FALSE(changes([&] { (void)shard.set({0, "other"}, "v"); }));
  EXPECT_FALSE(changes([&] { (void)shard.set({1, "k"}, "v"); }));
  EXPECT_TRUE(changes([&] { (void)shard.append(key, "v"); }));
  EXPECT_TRUE(changes([&] { (void)shard.set_expiry(key, 5000); }));
  EXPECT_TRUE(changes([&] { shard.now(5000); }));
  EXPECT_TRUE(changes([&] { (void)shard.rename({0, "other"}, key); }));
  EXPECT_TRUE(changes([&] { shard.flush(0); }));
  EXPECT_FALSE(changes([&] { shard.flush(0); })) << "it was not there";
  (void)shard.set({1, "k"}, "v");
  EXPECT_TRUE(changes([&] { shard.swap(0, 1); }));
  EXPECT_TRUE(changes([&] { shard.take(key); }));
}

TEST(Shard, KnowsHowOftenAndHowLongAgoAnEntryWasUsed) {
  Budget budget({});
  Shard shard({}, budget);
  shard.now(10'000);
  (void)shard.set({0, "hot"}, "v");
  (void)shard.set({0, "cold"}, "v");
  for (std::uint64_t ms = 10'000; ms <= 40'000; ms += 1000) {
    shard.now(ms);
    shard.get({0, "hot"});
  }
  EXPECT_LE(shard.about({0, "hot"})->idle_ms, 1000u);
  EXPECT_NEAR(static_cast<double>(shard.about({0, "cold"})->idle_ms), 30'000, 2000);
  EXPECT_GT(shard.about({0, "hot"})->frequency, shard.about({0, "cold"})->frequency);
}

// What is read from another store comes in the order of its scan: the halves of a segment that is
// full are then far from equal.
TEST(Shard, TakesKeysInTheOrderOfTheirHash) {
  Budget budget({});
  Shard first({}, budget);
  fill(first, 0, 40'000, 8);
  std::vector<std::string> keys;
  std::uint64_t cursor = 0;
  do {
    cursor = first.scan(0, cursor, 100,
                        [&](std::string_view key, const Found&) { keys.emplace_back(key); });
  } while (cursor != 0);
  for (const bool backwards : {false, true}) {
    Shard second({}, budget);
    if (backwards) std::reverse(keys.begin(), keys.end());
    for (const std::string& key : keys) ASSERT_EQ(second.set({0, key}, key), Status::kOk);
    EXPECT_EQ(second.count(0), 40'000u);
    for (const std::string& key : keys) ASSERT_TRUE(second.contains({0, key})) << key;
  }
}

TEST(Shard, TheSystemsRefusalIsADenial) {
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &old), 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need address space themselves";
#endif
  Budget budget({});
  // The shard's own few kilobytes come from what malloc has: it is not they that are refused.
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::vector<char>(100'000);
  rlimit less = old;
  less.rlim_cur = 1 << 20;  // less than is mapped: nothing more can be
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &less), 0);
  Status small = Status::kOk, large = Status::kOk;
  {
    Shard shard({}, budget);
    small = shard.set({0, "k"}, "v");
    large = shard.set({0, "l"}, std::string_view("x"));
  }
  ::setrlimit(RLIMIT_AS, &old);
  EXPECT_EQ(small, Status::kDenied);
  EXPECT_EQ(large, Status::kDenied);
  EXPECT_EQ(budget.granted_bytes(), 0u);
}

}  // namespace
}  // namespace ullage::tier

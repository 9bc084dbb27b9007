// SPDX-License-Identifier: Apache-2.0
//
// What a full shard does for an operation that needs room: nothing that could be had is refused,
// and what goes is about what was asked for.
#include <gtest/gtest.h>

#include <string>

#include "tier/shard.h"

namespace ullage::tier {
namespace {

std::string key_of(int i) {
  const std::string digits = std::to_string(i);
  return "key:" + std::string(9 - digits.size(), '0') + digits;
}

void fill(Shard& shard, int from, int to, std::size_t value_bytes) {
  const std::string value(value_bytes, 'v');
  for (int i = from; i < to; ++i) ASSERT_EQ(shard.set({0, key_of(i)}, value), Status::kOk) << i;
}

// The bound of docs/tiers/hot.md.
std::uint64_t work_of(std::uint64_t bytes) { return (4 + bytes / 65536) * 5120 + 128; }

class FullOfTiny : public ::testing::Test {
 protected:
  FullOfTiny() : budget({.limit_bytes = 16 << 20, .proc = "/nowhere"}), shard({}, budget) {
    fill(shard, 0, 400000, 1);
    EXPECT_GT(shard.counters().evicted.value(), 0u) << "it is full";
  }
  std::uint64_t evicted_bytes() const { return shard.counters().evicted_bytes.value(); }

  Budget budget;
  Shard shard;
};

TEST_F(FullOfTiny, TakesValuesOfAnySize) {
  for (const std::size_t bytes : {3000u, 15000u, 30000u, 60000u}) {
    for (int i = 0; i < 100; ++i) {
      const std::string key = std::to_string(bytes) + ":" + std::to_string(i);
      ASSERT_EQ(shard.set({0, key}, std::string(bytes, 'x')), Status::kOk) << key;
      ASSERT_EQ(shard.peek({0, key})->value.size(), bytes);
    }
  }
  EXPECT_EQ(shard.set_range({0, "range"}, 5000000, "x"), Status::kOk);
  EXPECT_EQ(shard.resize({0, "bits"}, 2000001), Status::kOk);
  EXPECT_EQ(shard.counters().denied.value(), 0u);
  EXPECT_LE(shard.counters().operation_moves_max.value(), work_of(5000001));
  EXPECT_LE(budget.granted_bytes_max(), budget.limit_bytes());
}

TEST_F(FullOfTiny, TakesThemWhileThereIsTooMuchAlready) {
  budget.limit_bytes(15 << 20);
  ASSERT_GT(budget.granted_bytes(), budget.allowed_bytes());
  EXPECT_EQ(shard.set({0, "cell"}, std::string(3000, 'x')), Status::kOk);
  EXPECT_EQ(shard.set({0, "value"}, std::string(30000, 'x')), Status::kOk);
  EXPECT_LE(budget.granted_bytes(), budget.allowed_bytes());
  EXPECT_LE(shard.counters().operation_moves_max.value(), work_of((1 << 20) + 30000));
}

TEST_F(FullOfTiny, LosesAboutAsMuchAsIsAskedFor) {
  const std::uint64_t entry_bytes = evicted_bytes() / shard.counters().evicted.value();
  const std::uint64_t before = shard.count(0);
  for (int i = 1; i <= 4; ++i) {
    const std::uint64_t bytes = i * (1 << 20);
    ASSERT_EQ(shard.set({0, "m"}, std::string(bytes, 'x')), Status::kOk) << i;
    ASSERT_LE(shard.counters().operation_moves_max.value(), work_of(bytes)) << i;
  }
  // The larger value is there before the smaller one has gone, unless that goes for it: at most 1,
  // 2, 2 + 3 - 1 and 3 + 4 - 2 MiB of the others.
  EXPECT_LE((before + 1 - shard.count(0)) * entry_bytes, (9ull << 20) * 13 / 10);
}

TEST_F(FullOfTiny, OneMebibyteCostsOne) {
  const std::uint64_t before = evicted_bytes();
  ASSERT_EQ(shard.set({0, "m"}, std::string(1 << 20, 'x')), Status::kOk);
  EXPECT_LE(evicted_bytes() - before, (1ull << 20) * 13 / 10);
}

TEST_F(FullOfTiny, LosesNothingForWhatCanNotBe) {
  const std::uint64_t before = shard.counters().evicted.value();
  EXPECT_EQ(shard.set({0, "m"}, std::string(15 << 20, 'x')), Status::kDenied)
      << "the table alone takes more";
  EXPECT_FALSE(shard.make_room(15 << 20));
  EXPECT_FALSE(shard.make_room(17 << 20));
  EXPECT_LE(shard.counters().evicted.value() - before, 4u) << "what a write pays ahead of time";
}

TEST_F(FullOfTiny, WhatIsUsedStays) {
  const auto used = [](int i) { return i % 2000 < 200; };
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 400000; ++i) {
      if (used(i)) shard.get({0, key_of(i)});
    }
  }
  int before = 0, after = 0;
  for (int i = 0; i < 400000; ++i) before += used(i) && shard.contains({0, key_of(i)});
  const std::uint64_t all = shard.count(0);
  ASSERT_TRUE(shard.make_room(4 << 20));
  for (int i = 0; i < 400000; ++i) after += used(i) && shard.contains({0, key_of(i)});
  const double kept = static_cast<double>(after) / before;
  EXPECT_GT(kept, static_cast<double>(shard.count(0)) / static_cast<double>(all))
      << "more of what is used than of the others";
}

TEST(ShardRoom, AValueThatOutgrowsItsBlockIsRefusedOrGrows) {
  Budget budget({.limit_bytes = 4 << 20, .proc = "/nowhere"});
  Shard shard({.eviction = Eviction::kNone}, budget);
  ASSERT_EQ(shard.set({0, "k"}, std::string(1000 << 10, 'x')), Status::kOk);
  ASSERT_TRUE(budget.take(Component::kClients, 2 << 20));
  // 200 KiB more than it has would be there; but for a while it needs all of it again.
  EXPECT_EQ(shard.append({0, "k"}, std::string(200 << 10, 'y')), Status::kDenied);
  budget.give_back(Component::kClients, 2 << 20);
  EXPECT_EQ(shard.append({0, "k"}, std::string(200 << 10, 'y')), Status::kOk);
}

TEST(ShardRoom, ALargeValueBesideThemDeniesSmallOnesNothing) {
  Budget budget({.limit_bytes = 16 << 20, .proc = "/nowhere"});
  Shard shard({}, budget);
  ASSERT_EQ(shard.set({0, "large"}, std::string(13 << 20, 'x')), Status::kOk);
  fill(shard, 0, 100000, 200);
  EXPECT_GT(shard.count(0), 10000u);
  EXPECT_EQ(shard.counters().denied.value(), 0u);
}

TEST(ShardRoom, OnlyWhatMayExpireGoesWherePolicySaysSo) {
  Budget budget({.limit_bytes = 8 << 20, .proc = "/nowhere"});
  Shard shard({.eviction = Eviction::kVolatile}, budget);
  shard.now(1000);
  int lasting = 0;
  for (int i = 0; i < 40000; ++i) {
    ASSERT_EQ(shard.set({0, key_of(i)}, std::string(100, 'v'),
                        {.expires_ms = i % 4 == 0 ? kNoExpiry : 1u << 30}),
              Status::kOk);
  }
  while (shard.set({0, "v" + key_of(lasting)}, std::string(100, 'v'), {.expires_ms = 1u << 30}) ==
             Status::kOk &&
         shard.counters().evicted.value() == 0) {
    ++lasting;
  }
  ASSERT_TRUE(shard.make_room(1 << 20));
  for (int i = 0; i < 40000; i += 4) ASSERT_TRUE(shard.contains({0, key_of(i)})) << i;
}

}  // namespace
}  // namespace ullage::tier

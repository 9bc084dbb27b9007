// SPDX-License-Identifier: Apache-2.0
//
// The directory of a shard's table: as long as its segments need.
#include <gtest/gtest.h>

#include <string>

#include "tier/heap.h"
#include "tier/shard.h"

namespace ullage::tier {
namespace {

using std::chrono::milliseconds;

std::string key_of(int i) { return "key:" + std::to_string(i); }

// Segments are granted in slabs; what is beyond is the directory, as long as that is less than one.
std::uint64_t directory_bytes(const Budget& budget) {
  return budget.granted_bytes(Component::kTable) % kSlabBytes;
}

void erase(Shard& shard, int from, int to) {
  for (int i = from; i < to; ++i) ASSERT_TRUE(shard.erase({0, key_of(i)})) << i;
  for (int i = 0; i < 10000 && shard.step(milliseconds(5)); ++i) {
  }
}

TEST(Directory, HalvesWhenItsSegmentsHaveMerged) {
  constexpr int kEntries = 200'000;
  Budget budget({});
  Shard shard({.eviction = Eviction::kNone}, budget);
  const auto fill = [&shard] {
    for (int i = 0; i < kEntries; ++i) ASSERT_EQ(shard.set({0, key_of(i)}, "v"), Status::kOk);
  };
  fill();
  const std::uint64_t full = directory_bytes(budget);
  ASSERT_GE(full, 256 * sizeof(Ref));
  erase(shard, kEntries / 16, kEntries);
  EXPECT_LE(directory_bytes(budget), full / 2);
  for (int i = 0; i < kEntries / 16; ++i) ASSERT_TRUE(shard.contains({0, key_of(i)})) << i;
  erase(shard, 10, kEntries / 16);
  EXPECT_LE(directory_bytes(budget), 4 * sizeof(Ref));
  fill();
  EXPECT_GE(directory_bytes(budget), full);
  for (int i = 0; i < kEntries; ++i) ASSERT_TRUE(shard.contains({0, key_of(i)})) << i;
}

TEST(Directory, StaysWhenTheBudgetHasNoRoomForTheHalf) {
  constexpr int kEntries = 100'000;
  Budget budget({});
  Shard shard({.eviction = Eviction::kNone}, budget);
  for (int i = 0; i < kEntries; ++i) ASSERT_EQ(shard.set({0, key_of(i)}, "v"), Status::kOk);
  erase(shard, 100, kEntries);
  // Whatever was denied on the way, nothing is lost or counted twice.
  budget.limit_bytes(1);
  erase(shard, 50, 100);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(shard.contains({0, key_of(i)})) << i;
  shard.flush_all();
  for (int i = 0; i < 10000 && shard.step(milliseconds(5)); ++i) {
  }
  EXPECT_EQ(budget.granted_bytes(), 0u);
}

TEST(Directory, AFullSegmentThatCannotSplitEvictsOneOfItsOwn) {
  Budget budget({.limit_bytes = 8 << 20});
  Shard shard({}, budget);
  const std::string value(1000, 'v');
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(shard.set({0, key_of(i)}, value), Status::kOk);
  // Nothing is left for a longer directory, and entries that go give none of it back.
  ASSERT_TRUE(budget.take(Component::kClients, budget.allowed_bytes() - budget.granted_bytes()));
  // Many small ones have room where few large ones were: their segments fill up.
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(shard.set({0, "small:" + std::to_string(i)}, "v"), Status::kOk) << i;
  }
  EXPECT_EQ(shard.counters().denied.value(), 0u);
  EXPECT_LE(budget.granted_bytes(), budget.allowed_bytes());
}

TEST(Directory, AFullSegmentRefusesWhereNothingMayGo) {
  Budget budget({.limit_bytes = 8 << 20});
  Shard shard({.eviction = Eviction::kVolatile}, budget);
  int stored = 0;
  while (shard.set({0, key_of(stored)}, "v") == Status::kOk) ++stored;
  EXPECT_GT(stored, 10'000);
  EXPECT_EQ(shard.count(0), static_cast<std::uint64_t>(stored)) << "nothing of them expires";
}

}  // namespace
}  // namespace ullage::tier

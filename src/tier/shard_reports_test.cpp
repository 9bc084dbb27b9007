// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tier/shard.h"

namespace ullage::tier {
namespace {

using std::chrono::milliseconds;

struct Heard final : growth_sink {
  void on_growth(const growth_event& event) noexcept override { events.push_back(event); }
  std::vector<growth_event> of(growth_kind kind) const {
    std::vector<growth_event> some;
    for (const growth_event& event : events) {
      if (event.kind == kind) some.push_back(event);
    }
    return some;
  }
  std::vector<growth_event> events;
};

void fill(Shard& shard, int count, std::size_t bytes) {
  const std::string value(bytes, 'v');
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(shard.set({0, "key:" + std::to_string(i)}, value), Status::kOk) << i;
  }
}

void settle(Shard& shard) {
  for (int i = 0; i < 10000 && shard.step(milliseconds(5)); ++i) {
  }
}

TEST(ShardReports, AGrowthTellsHowLongItStoppedItsCaller) {
  Budget budget({});
  Heard heard;
  Shard shard({.sink = &heard}, budget);
  fill(shard, 20'000, 20);
  const auto splits = heard.of(growth_kind::split);
  ASSERT_FALSE(splits.empty());
  for (const growth_event& split : splits) {
    EXPECT_EQ(split.cause, growth_cause::insert);
    EXPECT_GT(split.duration_ns, 0u);
    EXPECT_LT(split.duration_ns, split.time_ns);
  }
}

TEST(ShardReports, WhatIsReclaimedNamesWhatPressed) {
  Budget budget({.limit_bytes = 32 << 20});
  Heard heard;
  Shard shard({.sink = &heard}, budget);
  fill(shard, 40'000, 500);
  settle(shard);
  heard.events.clear();
  budget.limit_bytes(8 << 20);
  const std::uint64_t before = shard.memory().resident_bytes.value();
  settle(shard);
  ASSERT_LE(shard.memory().resident_bytes.value(), 8u << 20);
  std::uint64_t told = 0;
  for (const growth_event& event : heard.of(growth_kind::shrunk)) {
    if (event.cause != growth_cause::limit) continue;
    EXPECT_GT(event.bytes_before, event.bytes_after);
    EXPECT_GT(event.duration_ns, 0u);
    told += event.bytes_before - event.bytes_after;
  }
  EXPECT_GT(told, (before - shard.memory().resident_bytes.value()) / 2);
  const auto evicted = heard.of(growth_kind::evicted);
  ASSERT_FALSE(evicted.empty());
  EXPECT_EQ(evicted.front().cause, growth_cause::limit);
  EXPECT_GT(evicted.front().bytes_before, evicted.front().bytes_after);
}

TEST(ShardReports, WhatTheProcessIsBeyondItsBoundIsTheCauseThen) {
  const std::string proc = ::testing::TempDir() + "shard-reports-" + std::to_string(::getpid());
  std::filesystem::create_directories(proc + "/self");
  const auto resident = [&proc](int mib) {
    std::ofstream(proc + "/self/status") << "VmRSS:\t" << mib * 1024 << " kB\n";
  };
  Budget budget({.limit_bytes = 64 << 20, .process_bytes = 64 << 20, .proc = proc});
  resident(30);
  budget.tick();
  Heard heard;
  Shard shard({.sink = &heard}, budget);
  fill(shard, 40'000, 500);
  settle(shard);
  heard.events.clear();
  resident(90);
  budget.tick();
  ASSERT_EQ(budget.pressure(), Pressure::kProcess);
  for (int i = 0; i < 3; ++i) shard.step(milliseconds(120));
  const auto evicted = heard.of(growth_kind::evicted);
  ASSERT_FALSE(evicted.empty());
  EXPECT_EQ(evicted.front().cause, growth_cause::process);
  std::filesystem::remove_all(proc);
}

TEST(ShardReports, LargeValuesThatAreErasedAreTellingWhenTheirMemoryGoesBack) {
  Budget budget({});
  Heard heard;
  Shard shard({.sink = &heard}, budget);
  ASSERT_EQ(shard.set({0, "large"}, std::string(8 << 20, 'v')), Status::kOk);
  settle(shard);
  heard.events.clear();
  ASSERT_TRUE(shard.erase({0, "large"}));
  settle(shard);
  const auto shrunk = heard.of(growth_kind::shrunk);
  ASSERT_FALSE(shrunk.empty());
  EXPECT_EQ(shrunk.front().cause, growth_cause::erase);
}

TEST(ShardReports, EvictionsAreToldTogetherAndNotOneByOne) {
  Budget budget({.limit_bytes = 4 << 20});
  Heard heard;
  Shard shard({.sink = &heard}, budget);
  for (int round = 0; round < 20; ++round) {
    fill(shard, 10'000, 500);
    shard.step(std::chrono::microseconds(50));
  }
  ASSERT_GT(shard.counters().evicted.value(), 10'000u);
  const auto evicted = heard.of(growth_kind::evicted);
  ASSERT_FALSE(evicted.empty());
  for (std::size_t i = 1; i < evicted.size(); ++i) {
    EXPECT_GE(evicted[i].time_ns - evicted[i - 1].time_ns, 900'000'000u);
  }
}

}  // namespace
}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
#include "trace/native/series.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "trace/native/script_for_tests.h"
#include "trace/native/verdict.h"

namespace ullage::trace {
namespace {

using evidence::Verdict;

enum : std::uint64_t { kMain = 1, kExpand = 2, kRehash = 3, kInsert = 4, kNode = 5 };

struct Dict : Script {
  std::uint32_t expand = stack({{kMain, 1}, {kInsert, 1}, {kExpand, 1}});
  std::uint32_t node = stack({{kMain, 1}, {kNode, 1}});
  std::uint64_t nodes = 0x10000000;
  void churn(int count) {
    for (int i = 0; i < count; ++i) alloc(nodes += 0x40, 48, node);
  }
};

TEST(Series, AnIncrementallyRehashedTableIsOneChain) {
  Dict s;
  std::uint64_t old = 0;
  for (std::uint64_t size = 256, at = 0x1000; size <= 16384; size *= 2, at += 0x100000) {
    s.alloc(at, size, s.expand);
    s.churn(100);  // a few entries move per insert
    if (old != 0) s.free(old);
    s.churn(100);
    old = at;
  }
  s.run();
  ASSERT_EQ(s.growth().places().size(), 1u);
  const GrowthPlace& p = s.growth().places()[0];
  EXPECT_EQ(p.series, 6u);
  EXPECT_EQ(p.links, 6u);
  EXPECT_EQ(p.chains, 1u);
  EXPECT_EQ(p.chains_alive, 1u);
  EXPECT_EQ(p.copied, 256u + 512 + 1024 + 2048 + 4096 + 8192);
  EXPECT_EQ(p.stall, 0u) << "no call waited for the whole move";
  EXPECT_GT(p.spread_max, 0u);
  EXPECT_EQ(p.final.max(), 16384u);
  EXPECT_EQ(p.function, Script::function(kExpand));
  EXPECT_EQ(verdict_of(p, false), Verdict::kSeries);
}

TEST(Series, OneStepIsNotYetASeries) {
  Dict s;
  s.alloc(0x1000, 256, s.expand);
  s.alloc(0x2000, 512, s.expand);
  s.churn(20);
  s.free(0x1000);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Series, ASuccessorThatComesAfterThePredecessorWentIsNoStep) {
  Dict s;
  std::uint64_t old = 0;
  for (std::uint64_t size = 256, at = 0x1000; size <= 16384; size *= 2, at += 0x100000) {
    if (old != 0) s.free(old);
    s.alloc(at, size, s.expand);
    s.churn(20);
    old = at;
  }
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Series, ThreeGenerationsAliveTogetherAreNotATable) {
  Dict s;
  for (std::uint64_t i = 0; i < 7; ++i) s.alloc(0x1000 + i * 0x100000, 256u << i, s.expand);
  s.churn(20);
  for (std::uint64_t i = 0; i < 7; ++i) s.free(0x1000 + i * 0x100000);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Series, TablesThatGrowAtTheSameTimeAreToldApart) {
  Dict s;
  std::uint64_t old[3] = {};
  std::uint64_t at = 0x1000;
  for (std::uint64_t step = 0; step < 5; ++step) {
    for (std::uint64_t t = 0; t < 3; ++t) {
      at += 0x100000;
      s.alloc(at, (256u << (2 * t)) << step, s.expand);
      s.churn(12);
      if (old[t] != 0) s.free(old[t]);
      s.churn(12);
      old[t] = at;
    }
  }
  s.run();
  EXPECT_EQ(s.links(), 12u);
  EXPECT_EQ(s.chains(), 3u);
}

TEST(Series, AQueueOfMessagesOfAnySizeIsNotATable) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Dict s;
    std::mt19937 random(seed);
    std::deque<std::uint64_t> queue;
    for (std::uint64_t i = 0; i < 4000; ++i) {
      const std::uint64_t at = 0x100000 + i * 0x10000;
      s.alloc(at, 256 + random() % 60000, s.expand);
      s.churn(9);
      queue.push_back(at);
      if (queue.size() > 2) {
        s.free(queue.front());
        queue.pop_front();
      }
    }
    s.run();
    for (const GrowthPlace& p : s.growth().places()) {
      EXPECT_EQ(verdict_of(p, false), Verdict::kReplace)
          << "seed " << seed << ": " << p.series << " steps, " << p.series_misfits << " misfits";
    }
  }
}

TEST(Series, WhatTheRingRuleLinkedIsNotCountedTwice) {
  Script s;
  const auto push = s.stack({{kMain, 1}, {kExpand, 1}});
  const auto drop = s.stack({{kMain, 1}, {kExpand, 2}});
  std::uint64_t old = 0;
  for (std::uint64_t size = 256, at = 0x1000; size <= 16384; size *= 2, at += 0x100000) {
    s.alloc(at, size, push);
    if (old != 0) s.free(record::Tag::kFreeSize, old, drop);
    old = at;
  }
  s.run();
  EXPECT_EQ(s.links(), 6u);
  EXPECT_EQ(s.sum(&GrowthPlace::series), 0u);
}

TEST(Series, TablesWatchedPerPlaceAreBounded) {
  Dict s;
  for (std::uint64_t i = 0; i < 50 * kSeriesPerPlace; ++i) {
    s.alloc(0x100000 + i * 0x10000, 300, s.expand);
  }
  for (std::uint64_t i = 0; i < 50 * kSeriesPerPlace; ++i) s.free(0x100000 + i * 0x10000);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

}  // namespace
}  // namespace ullage::trace

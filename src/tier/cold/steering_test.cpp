// SPDX-License-Identifier: Apache-2.0
//
// The controller beside a plant of figures: a cache that fills, memory that nobody counts.
#include "tier/cold/steering.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tier/cold/keeper.h"
#include "tier/cold/memory_engine_testing.h"

namespace ullage::tier::cold {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kBudget = 64 * kMiB;

// A cache that fills by 4 MiB a tick; what a smaller one frees is spare until it is given back.
struct Plant {
  Steering steering{40 * kMiB};
  std::uint64_t used = 0, spare = 0, uncounted = 10 * kMiB, most = 0;
  unsigned changes = 0;

  Steering::Step tick() {
    const std::uint64_t resident = used + spare + uncounted;
    most = std::max(most, resident);
    const Steering::Step step = steering.next({kBudget, resident, used, spare});
    changes += step.changed ? 1 : 0;
    if (used > step.cache_bytes) {
      spare += used - step.cache_bytes;
      used = step.cache_bytes;
    } else {
      const std::uint64_t more = std::min(step.cache_bytes - used, 4 * kMiB);
      used += more;
      spare -= std::min(spare, more);
    }
    spare -= std::min(spare, step.give_back_bytes);
    return step;
  }
};

TEST(ColdSteering, FillsWhatIsLeftAndStaysBelowTheBudget) {
  Plant plant;
  for (int i = 0; i < 2000; ++i) plant.tick();
  EXPECT_LE(plant.most, kBudget);
  EXPECT_GE(plant.used, (64 - 10 - 3) * kMiB) << "and leaves little of it empty";
}

TEST(ColdSteering, TheCacheGivesWayToWhatNobodyCounts) {
  Plant plant;
  for (int i = 0; i < 500; ++i) plant.tick();
  plant.uncounted += 20 * kMiB;
  plant.tick();
  plant.most = 0;
  for (int i = 0; i < 500; ++i) plant.tick();
  EXPECT_LE(plant.most, kBudget) << "from the next tick on";
  EXPECT_GE(plant.used, 30 * kMiB);
}

TEST(ColdSteering, DoesNotFollowWhatComesAndGoes) {
  Plant plant;
  for (int i = 0; i < 500; ++i) {
    plant.uncounted = (i / 5 % 2 == 0 ? 10 : 14) * kMiB;
    plant.tick();
  }
  const unsigned before = plant.changes;
  for (int i = 0; i < 1000; ++i) {
    plant.uncounted = (i / 5 % 2 == 0 ? 10 : 14) * kMiB;
    plant.tick();
  }
  EXPECT_LE(plant.changes - before, 3u);
  EXPECT_LE(plant.most, kBudget);
}

TEST(ColdSteering, RemembersForAMinuteWhatComesSeldom) {
  Plant plant;
  const auto run = [&](int ticks, std::uint64_t uncounted) {
    plant.uncounted = uncounted;
    for (int i = 0; i < ticks; ++i) plant.tick();
  };
  run(500, 10 * kMiB);
  run(3, 16 * kMiB);
  plant.most = 0;
  for (int i = 0; i < 20; ++i) {
    run(400, 10 * kMiB);
    run(3, 16 * kMiB);
  }
  EXPECT_LE(plant.most, kBudget);
  run(1300, 10 * kMiB);
  EXPECT_GE(plant.used, (64 - 10 - 3) * kMiB) << "and forgets it";
}

TEST(ColdSteering, WhatASmallerCacheFreesDoesNotMakeItSmallerStill) {
  Plant plant;
  for (int i = 0; i < 500; ++i) plant.tick();
  plant.uncounted += 5 * kMiB;
  for (int i = 0; i < 20; ++i) plant.tick();
  EXPECT_GE(plant.used + plant.spare, (64 - 15 - 3) * kMiB);
}

TEST(ColdSteering, MallocIsTrimmedWhenNothingElseHelpsAndSeldom) {
  Plant plant;
  plant.uncounted = 70 * kMiB;
  int trims = 0;
  for (int i = 0; i < 100; ++i) trims += plant.tick().trim ? 1 : 0;
  EXPECT_GE(trims, 5);
  EXPECT_LE(trims, 10);
  EXPECT_EQ(plant.used, Steering::least(kBudget)) << "the least, whatever is resident beside it";
}

TEST(ColdKeeper, TellsTheEngineAndTheSinkOfEachStep) {
  struct Sink final : growth_sink {
    void on_growth(const growth_event& event) noexcept override {
      ++events;
      last = event;
    }
    int events = 0;
    growth_event last;
  } sink;
  testing::MemoryEngine engine;
  Keeper keeper(engine, kBudget, &sink);
  engine.cache_used = 30 * kMiB;
  engine.spare = 5 * kMiB;
  keeper.tick(80 * kMiB);
  EXPECT_EQ(engine.cache_capacity, Steering::aim(kBudget) - 45 * kMiB);
  EXPECT_LE(engine.memtable_capacity, engine.cache_capacity / 3);
  EXPECT_EQ(engine.given_back, 80 * kMiB - Steering::aim(kBudget));
  ASSERT_EQ(sink.events, 1);
  EXPECT_EQ(sink.last.kind, growth_kind::shrunk);
  EXPECT_EQ(sink.last.bytes_after, engine.cache_capacity);
  EXPECT_STREQ(sink.last.type, "cold");
  keeper.tick(0);
  EXPECT_EQ(sink.events, 1) << "nothing is known";
}

}  // namespace
}  // namespace ullage::tier::cold

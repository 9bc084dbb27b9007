// SPDX-License-Identifier: Apache-2.0
#include "server/growth_feed.h"

#include <gtest/gtest.h>

#include <thread>

namespace ullage::server {
namespace {

TEST(GrowthFeed, TellsWhatIsNewAndHowMuchWasMissed) {
  GrowthFeed feed(1);
  std::vector<GrowthFeed::Event> events;
  EXPECT_EQ(feed.since(0, 10, events), 0u);
  EXPECT_TRUE(events.empty());
  growth_event growth;
  growth.kind = growth_kind::split;
  for (int i = 1; i <= 5; ++i)
    growth.moved = static_cast<std::uint64_t>(i), feed.lane(0).on_growth(growth);
  EXPECT_EQ(feed.since(2, 10, events), 0u);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].id, 3u);
  EXPECT_EQ(events[2].moved, 5u);
  EXPECT_GT(events[0].unix_ms, 0u);
  EXPECT_EQ(feed.since(0, 2, events), 3u);
  EXPECT_EQ(events[0].id, 4u);
  EXPECT_EQ(feed.since(5, 2, events), 0u);
}

TEST(GrowthFeed, ForgetsTheOldestAtItsLimit) {
  GrowthFeed feed(1);
  std::vector<GrowthFeed::Event> events;
  for (std::size_t i = 0; i < GrowthFeed::kKept + 10; ++i) feed.lane(0).on_growth({});
  EXPECT_EQ(feed.since(0, SIZE_MAX, events), 10u);
  EXPECT_EQ(events.size(), GrowthFeed::kKept);
  EXPECT_EQ(events.front().id, 11u);
  EXPECT_EQ(events.back().id, feed.newest());
}

TEST(GrowthFeed, TellsLanesInOneOrder) {
  GrowthFeed feed(3);
  std::vector<GrowthFeed::Event> events;
  growth_event growth;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    growth.moved = i;
    growth.duration_ns = 100 * i;
    growth.cause = growth_cause::stalled;
    feed.lane(i % 3).on_growth(growth);
  }
  EXPECT_EQ(feed.since(3, 10, events), 0u);
  ASSERT_EQ(events.size(), 6u);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].id, i + 4);
    EXPECT_EQ(events[i].moved, i + 4);
    EXPECT_EQ(events[i].duration_ns, 100 * (i + 4));
    EXPECT_EQ(events[i].cause, growth_cause::stalled);
  }
}

TEST(GrowthFeed, WhoeverReadsMeanwhileSeesEachEventWholeOnceAndInOrder) {
  constexpr std::uint64_t kEach = 20'000;
  GrowthFeed feed(2);
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < 2; ++lane) {
    threads.emplace_back([&feed, lane] {
      growth_event growth;
      for (std::uint64_t i = 1; i <= kEach; ++i) {
        growth.bytes_before = growth.bytes_after = growth.moved = growth.elements = i;
        growth.duration_ns = i;
        feed.lane(lane).on_growth(growth);
      }
    });
  }
  std::vector<GrowthFeed::Event> events;
  std::uint64_t seen = 0, told = 0, missed = 0;
  while (told + missed < 2 * kEach) {
    missed += feed.since(seen, SIZE_MAX, events);
    for (const GrowthFeed::Event& event : events) {
      ASSERT_GT(event.id, seen);
      ASSERT_EQ(event.bytes_before, event.duration_ns);
      ASSERT_EQ(event.bytes_after, event.moved);
      ASSERT_EQ(event.bytes_before, event.elements);
      seen = event.id;
    }
    told += events.size();
    ASSERT_LE(told + missed, 2 * kEach);
  }
  EXPECT_EQ(told + missed, 2 * kEach);
  for (std::thread& thread : threads) thread.join();
}

TEST(GrowthFeed, AnotherHearsOfEveryGrowth) {
  struct Counting final : growth_sink {
    std::uint64_t heard = 0;
    void on_growth(const growth_event& event) noexcept override { heard += event.moved; }
  } counting;
  GrowthFeed feed(2);
  feed.also(&counting);
  growth_event growth;
  growth.moved = 5;
  feed.lane(0).on_growth(growth);
  feed.lane(1).on_growth(growth);
  EXPECT_EQ(counting.heard, 10u);
}

}  // namespace
}  // namespace ullage::server

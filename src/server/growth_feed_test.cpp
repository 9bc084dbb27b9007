// SPDX-License-Identifier: Apache-2.0
#include "server/growth_feed.h"

#include <gtest/gtest.h>

namespace ullage::server {
namespace {

TEST(GrowthFeed, TellsWhatIsNewAndHowMuchWasMissed) {
  GrowthFeed feed;
  std::vector<GrowthFeed::Event> events;
  EXPECT_EQ(feed.since(0, 10, events), 0u);
  EXPECT_TRUE(events.empty());
  growth_event growth;
  growth.kind = growth_kind::split;
  for (int i = 1; i <= 5; ++i) growth.moved = static_cast<std::uint64_t>(i), feed.on_growth(growth);
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
  GrowthFeed feed;
  std::vector<GrowthFeed::Event> events;
  for (std::size_t i = 0; i < GrowthFeed::kKept + 10; ++i) feed.on_growth({});
  EXPECT_EQ(feed.since(0, SIZE_MAX, events), 10u);
  EXPECT_EQ(events.size(), GrowthFeed::kKept);
  EXPECT_EQ(events.front().id, 11u);
  EXPECT_EQ(events.back().id, feed.newest());
}

}  // namespace
}  // namespace ullage::server

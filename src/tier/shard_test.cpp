// SPDX-License-Identifier: Apache-2.0
#include "tier/shard.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tier/topology.h"

namespace ullage::tier {
namespace {

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
  Shard shard({}, budget);
  shard.now(1000);
  ASSERT_EQ(shard.set({0, "k"}, "v", {.expires_ms = 1500}), Status::kOk);
  shard.now(1499);
  EXPECT_TRUE(shard.contains({0, "k"}));
  shard.now(1500);
  EXPECT_FALSE(shard.contains({0, "k"}));
  EXPECT_EQ(shard.counters().expired.value(), 1u);
}

TEST(Topology, RowsAddUpToWhatTheKernelSays) {
  Budget budget({.limit_bytes = 64 << 20});
  Shard shard({}, budget);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(shard.set({0, std::to_string(i)}, std::string(100, 'x')), Status::kOk);
  }
  const Memory* memories[] = {&shard.memory()};
  const Topology t = topology(budget, memories);
  std::uint64_t sum = 0;
  for (const auto& c : t.components) {
    for (const Place* p : {&c.heap, &c.off_heap, &c.shared}) sum += p->resident_bytes;
  }
  EXPECT_EQ(sum, t.kernel_resident_bytes);
  EXPECT_NE(to_json(t).find("\"hot\""), std::string::npos);
}

}  // namespace
}  // namespace ullage::tier

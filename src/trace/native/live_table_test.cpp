// SPDX-License-Identifier: Apache-2.0
#include "trace/native/live_table.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace ullage::trace {
namespace {

Block block(std::uint64_t address, std::uint64_t size = 1) {
  Block b;
  b.address = address;
  b.size = size;
  return b;
}

TEST(LiveTable, GivesBackEverythingItWasTold) {
  LiveTable t;
  Block b = block(0x7ffffffffff8, LiveTable::kSizeMax);
  b.time = LiveTable::kTimeMax;
  b.stack = (1u << 22) - 1;
  b.chain = 0xabcdef12;
  b.painted = b.mapped = true;
  ASSERT_TRUE(t.insert(b));
  t.find(b.address)->set_chain(0x12345678);
  t.find(b.address)->set_in_series();
  Block out;
  ASSERT_TRUE(t.take(b.address, out));
  EXPECT_EQ(out.address, b.address);
  EXPECT_EQ(out.size, b.size);
  EXPECT_EQ(out.time, b.time);
  EXPECT_EQ(out.stack, b.stack);
  EXPECT_EQ(out.chain, 0x12345678u);
  EXPECT_TRUE(out.painted && out.mapped && out.in_series);
  EXPECT_FALSE(out.full);
  EXPECT_EQ(t.size(), 0u);
}

TEST(LiveTable, ClampsSizesAndTimesBeyondItsLimits) {
  LiveTable t;
  Block b = block(8, UINT64_MAX);
  b.time = UINT64_MAX;
  ASSERT_TRUE(t.insert(b));
  EXPECT_EQ(t.find(8)->size(), LiveTable::kSizeMax);
  EXPECT_EQ(t.find(8)->time(), LiveTable::kTimeMax);
  EXPECT_EQ(t.find(8)->chain(), kNoChain);
}

TEST(LiveTable, RefusesATakenAddressAndTheNullAddress) {
  LiveTable t;
  EXPECT_FALSE(t.insert(block(0)));
  EXPECT_TRUE(t.insert(block(16, 1)));
  EXPECT_FALSE(t.insert(block(16, 2)));
  EXPECT_EQ(t.find(16)->size(), 1u);
  Block out;
  EXPECT_FALSE(t.take(24, out));
  EXPECT_FALSE(t.take(0, out));
  EXPECT_EQ(t.find(0), nullptr);
}

TEST(LiveTable, HoldsABlockInAtMostFortyBytes) {
  LiveTable t;
  for (std::uint64_t n = 1; n <= 300'000; ++n) {
    t.insert(block(0x7f0000000000 + n * 48));
    if (n >= 20'000 && n % 1000 == 0) {
      ASSERT_LE(t.memory_bytes(), 40 * n + (96u << 10)) << n << " blocks";
    }
  }
}

// The table against the standard one, through streams of inserts and removals dense enough that
// runs of slots wrap, merge and close.
TEST(LiveTable, AgreesWithTheStandardMapOnRandomStreams) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    LiveTable t;
    std::unordered_map<std::uint64_t, std::uint64_t> truth;
    const std::uint64_t space = 1 + random() % 20'000;
    const unsigned keep = 30 + static_cast<unsigned>(random() % 60);  // percent of inserts
    for (int i = 0; i < 40'000; ++i) {
      const std::uint64_t address = 16 * (1 + random() % space);
      if (random() % 100 < keep) {
        ASSERT_EQ(t.insert(block(address, static_cast<std::uint64_t>(i))),
                  truth.emplace(address, i).second);
      } else {
        Block out;
        const auto it = truth.find(address);
        ASSERT_EQ(t.take(address, out), it != truth.end());
        if (it != truth.end()) {
          ASSERT_EQ(out.size, it->second);
          truth.erase(it);
        }
      }
      ASSERT_EQ(t.size(), truth.size());
    }
    for (const auto& [address, size] : truth) {
      ASSERT_NE(t.find(address), nullptr);
      ASSERT_EQ(t.find(address)->size(), size);
    }
    std::size_t seen = 0;
    t.for_each([&](const Block& b) { seen += truth.at(b.address) == b.size; });
    EXPECT_EQ(seen, truth.size());
  }
}

}  // namespace
}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/block_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <set>
#include <vector>

namespace ullage::tier::cold {
namespace {

bool resident(void* page) {
  unsigned char state = 0;
  return ::mincore(page, 4096, &state) == 0 && (state & 1) != 0;
}

TEST(BlockMemory, TakesWholePagesAndSaysSo) {
  BlockMemory memory;
  void* block = memory.allocate(kBlockBytes + 5);
  EXPECT_EQ(memory.usable(block, kBlockBytes + 5), 4096u) << "a block and its trailer fit a page";
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 4096, 0u);
  void* two = memory.allocate(4097);
  EXPECT_EQ(memory.usable(two, 4097), 8192u);
  void* large = memory.allocate(100'000);
  EXPECT_EQ(memory.usable(large, 100'000), 100'000u);
  std::memset(large, 1, 100'000);
  for (void* p : {block, two, large}) memory.free(p);
}

TEST(BlockMemory, BlocksAreApart) {
  BlockMemory memory;
  std::vector<std::pair<char*, std::size_t>> blocks;
  for (std::size_t bytes = 1; bytes < 70'000; bytes += 997) {
    char* p = static_cast<char*>(memory.allocate(bytes));
    std::memset(p, static_cast<int>(bytes % 251), bytes);
    blocks.push_back({p, bytes});
  }
  for (const auto& [p, bytes] : blocks) {
    for (std::size_t i = 0; i < bytes; ++i) ASSERT_EQ(p[i], static_cast<char>(bytes % 251));
    memory.free(p);
  }
}

TEST(BlockMemory, WhatIsFreedIsSpareUntilItIsUsedAgainOrGivenBack) {
  BlockMemory memory;
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) {
    blocks.push_back(memory.allocate(4096));
    std::memset(blocks.back(), 1, 4096);
  }
  EXPECT_EQ(memory.spare_bytes(), 0u);
  for (int i = 0; i < 1000; i += 2) memory.free(blocks[static_cast<std::size_t>(i)]);
  EXPECT_EQ(memory.spare_bytes(), 500u * 4096);
  EXPECT_TRUE(resident(blocks[0]));

  EXPECT_EQ(memory.give_back(100 * 4096), 100u * 4096);
  EXPECT_EQ(memory.spare_bytes(), 400u * 4096);
  EXPECT_FALSE(resident(blocks[0])) << "those that were freed first go first";
  EXPECT_TRUE(resident(blocks[998]));
  EXPECT_TRUE(resident(blocks[1])) << "those in use stay";

  void* again = memory.allocate(4096);
  EXPECT_EQ(again, blocks[998]) << "the one that was freed last is warm";
  EXPECT_EQ(memory.give_back(std::uint64_t{1} << 40), 399u * 4096);
  EXPECT_EQ(memory.spare_bytes(), 0u);
  const std::set<void*> before(blocks.begin(), blocks.end());
  std::vector<void*> more;
  for (int i = 0; i < 499; ++i) {
    more.push_back(memory.allocate(4096));
    EXPECT_TRUE(before.contains(more.back())) << "places are used again before new ones are";
  }
}

}  // namespace
}  // namespace ullage::tier::cold

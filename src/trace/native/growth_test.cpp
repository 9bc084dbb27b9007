// SPDX-License-Identifier: Apache-2.0
// What is summed over the links of a place: steps, and the time that growing can have taken.
#include "trace/native/growth.h"

#include <gtest/gtest.h>

#include <vector>

#include "trace/native/script_for_tests.h"
#include "trace/native/verdict.h"

namespace ullage::trace {
namespace {

using evidence::GrowthLaw;
using record::Tag;

enum : std::uint64_t { kMain = 1, kGrow = 2 };

struct Buffer : Script {
  std::uint32_t push = stack({{kMain, 1}, {kGrow, 1}});
  std::uint32_t drop = stack({{kMain, 1}, {kGrow, 2}});
  std::uint64_t at = 0x10000, old = 0;
  // Moves to a block of `size`, copying for so many ticks.
  void grow(std::uint64_t size, std::uint64_t ticks = Script::kStep) {
    const std::uint64_t block = at += 0x100000;
    alloc(block, size, push);
    next_step_is(ticks);
    if (old != 0) free(Tag::kFreeContent, old, drop);
    next_step_is(kStep);
    old = block;
  }
  const GrowthPlace& place() { return growth().places().at(0); }
};

TEST(Growth, CountsEveryGrowthOfARunOfEqualSteps) {
  struct Known {
    std::vector<std::uint64_t> sizes;
    std::uint64_t links, in_runs;
    GrowthLaw law;
  };
  for (const Known& known : std::vector<Known>{
           // A buffer that makes room for 64 bytes more each time: each growth is such a step.
           {{64, 128, 192, 256, 320}, 4, 4, GrowthLaw::kArithmetic},
           // Doubling never repeats a step.
           {{64, 128, 256, 512, 1024}, 4, 0, GrowthLaw::kGeometric},
           // By half of what is there: 24-byte elements 4, 6, 9, 13, 19, 28.
           {{96, 144, 216, 312, 456, 672}, 5, 0, GrowthLaw::kGeometric},
           // Two runs, and a doubling between them.
           {{64, 128, 192, 256, 512, 576, 640, 704}, 7, 6, GrowthLaw::kArithmetic},
           // A run that ends in another step.
           {{64, 128, 192, 448}, 3, 2, GrowthLaw::kArithmetic}}) {
    Buffer s;
    for (const std::uint64_t size : known.sizes) s.grow(size);
    s.run();
    EXPECT_EQ(s.place().links, known.links);
    EXPECT_EQ(s.place().repeats + s.place().runs, known.in_runs) << known.sizes.back();
    EXPECT_EQ(law_of(s.place()), known.law) << known.sizes.back();
    EXPECT_EQ(s.place().step.value, known.in_runs != 0 ? 64u : 0u);
  }
}

TEST(Growth, BoundsEachStallByWhatCopyingItsOwnBlockCanTake) {
  Buffer s;  // 1 tick is 1 ns, 8 of them a step
  s.grow(128);
  s.grow(256, 8'000'000);  // 128 bytes in 8 ms: the thread was not running
  s.grow(512, 80'000);     // 256 bytes in 80 us may be
  s.free(s.old);
  s.old = 0;
  s.grow(64 << 20);
  s.grow(128 << 20, 40'000'000);  // and 64 MiB in 40 ms
  s.run();
  const std::uint64_t bound = evidence::copying_ns_max(128) / 8;
  EXPECT_EQ(s.place().stall, 1'000'000u + 10'000 + 5'000'000);
  EXPECT_EQ(s.place().stall_max, 5'000'000u);
  EXPECT_EQ(s.place().stall_credible, bound + 10'000 + 5'000'000);
  EXPECT_EQ(s.place().stall_credible_max, 5'000'000u);
}

TEST(Growth, TheElementSizeSurvivesOneForeignBlockAmongManyChains) {
  Buffer s;
  for (int chain = 0; chain < 531; ++chain) {
    if (chain == 7) s.grow(1024);
    s.grow(33 * 168);
    s.grow(67 * 168);
    s.grow(135 * 168);
    s.free(s.old);
    s.old = 0;
  }
  s.run();
  ASSERT_EQ(s.place().chains, 531u);
  EXPECT_EQ(s.place().gcd, 8u);
  EXPECT_EQ(common_element(s.place().divisors), 168u);
}

TEST(Growth, APreemptedSmallGrowthIsNotTheWorst) {
  Buffer s;
  s.grow(1 << 20);
  s.grow(2 << 20, 8'000'000);  // a megabyte in 8 ms
  s.free(s.old);
  s.old = 0;
  s.grow(64);
  s.grow(128, 80'000'000);  // 64 bytes in 80 ms
  s.run();
  const auto& worst = s.growth().worst();
  ASSERT_EQ(worst.size(), 2u);
  EXPECT_EQ(worst[0].old_bytes, 1u << 20);
  EXPECT_EQ(worst[0].end_ns - worst[0].start_ns, 1'000'000u) << "in steps";
  EXPECT_EQ(worst[1].old_bytes, 64u);
  EXPECT_EQ(worst[1].end_ns - worst[1].start_ns, evidence::copying_ns_max(64) / 8);
  EXPECT_EQ(s.place().stall_credible_max, 1'000'000u);
  EXPECT_EQ(s.place().stall_max, 10'000'000u);
}

}  // namespace
}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include "trace/native/linker.h"

#include <gtest/gtest.h>

#include <cmath>

#include "trace/native/script_for_tests.h"
#include "trace/native/verdict.h"

namespace ullage::trace {
namespace {

using evidence::GrowthLaw;
using evidence::Verdict;
using record::Tag;

// Functions of the programs below.
enum : std::uint64_t { kMain = 1, kGrow = 2, kOther = 3, kAllocate = 4, kDeallocate = 5 };

struct Vector : Script {
  std::uint32_t push = stack({{kMain, 1}, {kGrow, 1}});
  std::uint32_t drop = stack({{kMain, 1}, {kGrow, 2}});
  std::uint64_t at = 0x10000;
  // Grows through the sizes: new, copy, delete.
  std::uint64_t grow(const std::vector<std::uint64_t>& sizes, Tag tag = Tag::kFreeSize) {
    std::uint64_t old = 0;
    for (const std::uint64_t size : sizes) {
      const std::uint64_t block = at += 0x10000;
      alloc(block, size, push);
      if (old != 0) free(tag, old, drop);
      old = block;
    }
    return old;
  }
};

TEST(Linker, LinksEachNewCopyDeleteOfAVectorIntoOneChain) {
  Vector s;
  s.free(s.grow({16, 32, 64, 128, 256}, Tag::kFreeContent));
  s.run();
  ASSERT_EQ(s.growth().places().size(), 1u);
  const GrowthPlace& p = s.growth().places()[0];
  EXPECT_EQ(p.links, 4u);
  EXPECT_EQ(p.chains, 1u);
  EXPECT_EQ(p.chains_alive, 0u);
  EXPECT_EQ(p.moved, 4u);
  EXPECT_EQ(p.content, 4u);
  EXPECT_EQ(p.same_stack, 4u);
  EXPECT_EQ(p.copied, 16u + 32 + 64 + 128);
  EXPECT_EQ(p.gcd, 16u);
  EXPECT_EQ(p.first.max(), 16u);
  EXPECT_EQ(p.final.max(), 256u);
  EXPECT_EQ(p.factor.quantile(0.5), 2000u);
  EXPECT_EQ(p.function, Script::function(kGrow));
  EXPECT_EQ(verdict_of(p, false), Verdict::kContent);
  EXPECT_EQ(law_of(p), GrowthLaw::kGeometric);
}

TEST(Linker, StallIsTheTimeFromObtainingTheNewBlockToFreeingTheOld) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.alloc(0x2000, 128, s.push);
  s.wait(8000 - Script::kStep);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.sum(&GrowthPlace::stall), 1000u);  // steps of 8 ticks
  ASSERT_EQ(s.growth().worst().size(), 1u);
  EXPECT_EQ(s.growth().worst()[0].end_ns - s.growth().worst()[0].start_ns, 1000u);
}

TEST(Linker, AChainThatIsAliveAtTheEndCountsWithItsCurrentSize) {
  Vector s;
  s.grow({16, 32, 64});
  s.run();
  EXPECT_EQ(s.sum(&GrowthPlace::chains_alive), 1u);
  EXPECT_EQ(s.growth().places()[0].final.max(), 64u);
  EXPECT_EQ(s.growth().places()[0].links, 2u);
}

TEST(Linker, DoesNotLinkWhenTheContextsPartInDifferentFunctions) {
  Vector s;
  const auto other = s.stack({{kMain, 2}, {kOther, 1}});
  const auto one = s.stack({{kMain, 3}, {kGrow, 1}});  // main calls one to make, another to drop
  s.alloc(0x1000, 64, one);
  s.alloc(0x2000, 128, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.stack({{kMain, 1}, {kOther, 1}}));
  s.alloc(0x3000, 64, one);
  s.alloc(0x4000, 128, s.push);
  s.free(Tag::kFreeSize, 0x3000, s.drop);
  s.run();
  // push and drop part in kGrow: linked. The first pair parts in kGrow and kOther: not.
  EXPECT_EQ(s.links(), 1u);
  (void)other;
}

TEST(Linker, APlainFreeIsNeverLinked) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.alloc(0x2000, 128, s.push);
  s.free(0x1000);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, AskOfASizeOnlyCandidateAtLeastOneFifthMore) {
  for (const auto& [size, tag, links] : std::vector<std::tuple<std::uint64_t, Tag, std::uint64_t>>{
           {124, Tag::kFreeSize, 0},  // malloc made 104 bytes of the 100
           {125, Tag::kFreeSize, 1},
           {124, Tag::kFreeUnchecked, 0},
           {105, Tag::kFreeContent, 1},
           {104, Tag::kFreeContent, 0},  // not larger
           {896, Tag::kFreeContent, 1},
           {897, Tag::kFreeContent, 0}}) {  // more than 8x + 64
    Vector s;
    s.alloc(0x1000, 100, s.push);
    s.alloc(0x2000, size, s.push);
    s.free(tag, 0x1000, s.drop);
    s.run();
    EXPECT_EQ(s.links(), links) << size << " tag " << static_cast<int>(tag);
  }
}

TEST(Linker, SeesNoGrowthInsideMallocsSmallestBlock) {
  Vector s;  // 8 bytes take 24, as 16 do; the mark was owed to some other block
  s.alloc(0x1000, 8, s.push);
  s.alloc(0x2000, 16, s.push);
  s.free(Tag::kFreeContent, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, ABlockIsTheSuccessorOfOneOnly) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.alloc(0x1100, 64, s.push);
  s.alloc(0x2000, 128, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.free(Tag::kFreeSize, 0x1100, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 1u);
}

TEST(Linker, ABlockOlderThanTheFreedOneIsNoSuccessor) {
  Vector s;
  s.alloc(0x2000, 128, s.push);
  s.alloc(0x1000, 64, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, LooksAtTheLastEightAllocationsOfTheThread) {
  for (const int between : {7, 8}) {
    Vector s;
    s.alloc(0x1000, 64, s.push);
    s.alloc(0x2000, 128, s.push);
    const auto other = s.stack({{kMain, 9}, {kOther, 1}});
    for (int i = 0; i < between; ++i) {
      s.alloc(0x10000 + 0x100 * static_cast<std::uint64_t>(i), 32, other);
    }
    s.free(Tag::kFreeSize, 0x1000, s.drop);
    s.run();
    EXPECT_EQ(s.links(), between == 7 ? 1u : 0u) << between;
  }
}

TEST(Linker, AContainersBlockIsKeptWhileItsElementsAllocate) {
  for (const std::uint64_t element : {48u, 300u}) {
    Vector s;
    const auto copy = s.stack({{kMain, 1}, {kGrow, 3}, {kOther, 1}});
    s.alloc(0x1000, 300, s.push);
    s.alloc(0x2000, 600, s.push);
    for (std::uint64_t i = 0; i < 1000; ++i) s.alloc(0x10000 + 0x1000 * i, element, copy);
    s.free(Tag::kFreeUnchecked, 0x1000, s.drop);
    s.run();
    EXPECT_EQ(s.links(), 1u) << element;
  }
}

TEST(Linker, WhatElementsFreeIsNotTakenForTheContainersOldBlock) {
  Vector s;
  const auto copy = s.stack({{kMain, 1}, {kGrow, 3}, {kOther, 1}});
  const auto destroy = s.stack({{kMain, 1}, {kGrow, 4}, {kOther, 2}});
  s.alloc(0x1000, 40, s.push);
  s.alloc(0x10000, 48, copy);
  s.alloc(0x2000, 80, s.push);
  s.alloc(0x11000, 48, copy);
  s.free(Tag::kFreeSize, 0x10000, destroy);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(s.sum(&GrowthPlace::copied), 40u);
}

TEST(Linker, AllocationsBelowSixteenBytesDoNotPushOthersOutOfTheRing) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.alloc(0x2000, 128, s.push);
  for (std::uint64_t i = 0; i < 50; ++i) s.alloc(0x10000 + 0x100 * i, 15, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 1u);
}

TEST(Linker, EachThreadHasARingOfItsOwn) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.thread(2);
  s.alloc(0x2000, 128, s.push);
  s.thread(1);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, ABlockMadeByAnotherThreadMayGrowHere) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.thread(2);
  s.alloc(0x2000, 128, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 1u);
}

TEST(Linker, ARingBlockThatWasFreedIsNoSuccessorEvenWhenItsAddressIsTakenAgain) {
  Vector s;
  s.alloc(0x1000, 64, s.push);
  s.alloc(0x2000, 128, s.push);
  s.free(0x2000);
  for (std::uint64_t i = 0; i < 3; ++i) s.alloc(0x2000 + 0x100 * i, 15, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

// A growth function `alloc_depth` frames above the allocator on one side, `free_depth` on the
// other.
std::uint64_t links_at_depths(int alloc_depth, int free_depth) {
  Script s;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> up = {{kMain, 1}, {kGrow, 1}};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> down = {{kMain, 1}, {kGrow, 2}};
  for (int i = 1; i < alloc_depth; ++i)
    up.push_back({kAllocate + 10 * static_cast<std::uint64_t>(i), 1});
  for (int i = 1; i < free_depth; ++i)
    down.push_back({kDeallocate + 10 * static_cast<std::uint64_t>(i), 1});
  const auto a = s.stack(up), f = s.stack(down);
  s.alloc(0x1000, 64, a);
  s.alloc(0x2000, 128, a);
  s.free(Tag::kFreeSize, 0x1000, f);
  s.run();
  return s.links();
}

TEST(Linker, FindsTheGrowthFunctionUpToFiveFramesAboveTheAllocator) {
  EXPECT_EQ(links_at_depths(1, 1), 1u);
  EXPECT_EQ(links_at_depths(1, 5), 1u);
  EXPECT_EQ(links_at_depths(5, 1), 1u);
}

TEST(Linker, FindsItThroughTheAccessorsOfUnoptimisedContainers) {
  EXPECT_EQ(links_at_depths(5, 6), 1u) << "libstdc++ _M_rehash_aux";
  EXPECT_EQ(links_at_depths(7, 7), 1u) << "libc++ __push_back_slow_path";
  EXPECT_EQ(links_at_depths(5, 8), 1u) << "libc++ __rehash, through unique_ptr's deleter";
  EXPECT_EQ(links_at_depths(8, 8), 1u);
}

TEST(Linker, DoesNotLinkWhatAFarCallerMakesAndDropsByDifferentWays) {
  EXPECT_EQ(links_at_depths(2, 6), 0u);
  EXPECT_EQ(links_at_depths(8, 4), 0u);
  EXPECT_EQ(links_at_depths(9, 9), 0u);
}

TEST(Linker, AFreeThatWasTailCalledShowsOnlyTheCallerOfTheGrowthFunction) {
  Script s;
  const auto push = s.stack({{kMain, 1}, {kGrow, 1}});
  const auto left = s.stack({{kMain, 1}});  // kGrow jumped to operator delete
  s.alloc(0x1000, 64, push);
  s.alloc(0x2000, 128, push);
  s.free(Tag::kFreeSize, 0x1000, left);
  Linker& linker = s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(linker.counts().tail_call_links, 1u);
  EXPECT_EQ(s.growth().places()[0].function, Script::function(kGrow));
}

TEST(Linker, ReplacingWithinOneCallSiteIsNotGrowth) {
  Script s;
  const auto same = s.stack({{kMain, 1}, {kGrow, 1}});
  s.alloc(0x1000, 64, same);
  s.alloc(0x2000, 128, same);
  s.free(Tag::kFreeSize, 0x1000, same);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, ContextsWithoutACommonCallerAreNotLinked) {
  Script s;
  const auto a = s.stack({{kMain, 1}, {kGrow, 1}});
  const auto b = s.stack({{kOther, 1}, {kGrow, 2}});
  s.alloc(0x1000, 64, a);
  s.alloc(0x2000, 128, a);
  s.free(Tag::kFreeSize, 0x1000, b);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, CutContextsMeetWhereTheirAddressesDo) {
  // The recording keeps 7 frames: the free is one frame deeper and lost one more outer frame.
  Script s;
  const auto push = s.stack({{0, 0}, {20, 1}, {21, 1}, {22, 1}, {23, 1}, {kMain, 1}, {kGrow, 1}});
  const auto drop =
      s.stack({{0, 0}, {21, 1}, {22, 1}, {23, 1}, {kMain, 1}, {kGrow, 2}, {kDeallocate, 1}});
  s.alloc(0x1000, 64, push);
  s.alloc(0x2000, 128, push);
  s.free(Tag::kFreeSize, 0x1000, drop);
  s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(s.growth().places()[0].function, Script::function(kGrow));
}

TEST(Linker, CutContextsOfDifferentCallersDoNotMeet) {
  Script s;
  const auto push = s.stack({{0, 0}, {21, 1}, {22, 1}, {23, 1}, {kMain, 1}, {kGrow, 1}});
  const auto drop = s.stack({{0, 0}, {31, 1}, {32, 1}, {33, 1}, {kOther, 1}, {kGrow, 2}});
  s.alloc(0x1000, 64, push);
  s.alloc(0x2000, 128, push);
  s.free(Tag::kFreeSize, 0x1000, drop);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, AnotherGrowthFunctionBeginsANewChain) {
  Vector s;
  const auto other_push = s.stack({{kMain, 5}, {kOther, 1}});
  const auto other_drop = s.stack({{kMain, 5}, {kOther, 2}});
  s.alloc(0x1000, 64, s.push);
  s.alloc(0x2000, 128, s.push);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.alloc(0x3000, 256, other_push);
  s.free(Tag::kFreeSize, 0x2000, other_drop);
  s.run();
  EXPECT_EQ(s.links(), 2u);
  EXPECT_EQ(s.chains(), 2u);
  EXPECT_EQ(s.growth().live_chains(), 0u);
}

TEST(Linker, GrowthOnceIsOneShot) {
  Vector s;
  s.free(s.grow({2048, 4096}, Tag::kFreeContent));
  s.run();
  EXPECT_EQ(law_of(s.growth().places()[0]), GrowthLaw::kOneShot);
  EXPECT_EQ(s.sum(&GrowthPlace::presized_chains), 1u);
}

TEST(Linker, AVectorOfSelfPointersIsFoundByItsStructureAlone) {
  Vector s;
  for (int i = 0; i < 4; ++i) s.free(s.grow({32, 64, 128, 256}));
  s.run();
  EXPECT_EQ(verdict_of(s.growth().places()[0], false), Verdict::kStructure);
}

TEST(Linker, SingleLinksFromDifferentStacksAreWeakUnlessTheNameSaysGrowth) {
  Vector s;
  const auto born = s.stack({{kMain, 7}, {kOther, 1}});
  for (std::uint64_t i = 1; i <= 20; ++i) {
    s.alloc(i * 0x10000, 64, born);
    s.alloc(i * 0x10000 + 0x1000, 128, s.push);
    s.free(Tag::kFreeSize, i * 0x10000, s.drop);
    s.free(i * 0x10000 + 0x1000);
  }
  s.run();
  EXPECT_EQ(s.links(), 20u);
  EXPECT_EQ(verdict_of(s.growth().places()[0], false), Verdict::kWeak);
  EXPECT_EQ(verdict_of(s.growth().places()[0], true), Verdict::kMixed);
}

TEST(Linker, BuffersThatAlsoGetSmallerAreReplacedRatherThanGrown) {
  Vector s;
  std::uint64_t old = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {  // unequal sizes; equal contents fake the proof
    const std::uint64_t block = 0x100000 + i * 0x1000;
    s.alloc(block, 64 + i * 37 % 200, s.push);
    if (old != 0) s.free(Tag::kFreeContent, old, s.drop);
    old = block;
  }
  s.run();
  EXPECT_GT(s.sum(&GrowthPlace::downs) * 5, s.links());
  EXPECT_EQ(verdict_of(s.growth().places()[0], false), Verdict::kReplace);
}

TEST(Linker, ContainersThatEndTogetherAreNotReplacements) {
  Vector s;
  std::vector<std::uint64_t> last;
  for (int i = 0; i < 500; ++i) last.push_back(s.grow({40, 80, 160, 320}));
  for (const std::uint64_t block : last) s.free(block);
  s.run();
  EXPECT_EQ(s.links(), 1500u);
  EXPECT_EQ(s.sum(&GrowthPlace::downs), 0u);
  EXPECT_EQ(verdict_of(s.growth().places()[0], false), Verdict::kStructure);
}

TEST(Linker, ContainersThatGrowOnceDoNotOutvoteTheOneThatCosts) {
  Vector s;
  for (int i = 0; i < 12; ++i) s.grow({64, 128});
  s.grow({64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384});
  s.run();
  const GrowthPlace& p = s.growth().places()[0];
  EXPECT_EQ(p.chains, 13u);
  EXPECT_EQ(p.strong_chains, 1u);
  EXPECT_EQ(p.strong_links, 8u);
  EXPECT_EQ(verdict_of(p, false), Verdict::kStructure);
}

TEST(Linker, ABlockReplacesOneOtherAtMost) {
  Vector s;
  std::vector<std::uint64_t> last;
  for (int i = 0; i < 100; ++i) last.push_back(s.grow({40, 80, 160}));
  for (int i = 0; i < 500; ++i) last.push_back(s.grow({320}));  // these never grow
  for (const std::uint64_t block : last) s.free(block);
  s.run();
  EXPECT_LE(s.sum(&GrowthPlace::downs), kRingBlocks);
  EXPECT_EQ(verdict_of(s.growth().places()[0], false), Verdict::kStructure);
}

TEST(Linker, ContentIsJudgedByTheFreesThatWereComparedOnly) {
  Vector s;
  const auto grow = [&](std::uint64_t base, Tag tag) {
    s.alloc(base, 64, s.push);
    s.alloc(base + 0x1000, 128, s.push);
    s.free(tag, base, s.drop);
    s.free(base + 0x1000);
  };
  for (std::uint64_t i = 1; i <= 30; ++i) {
    grow(i * 0x10000, i <= 10 ? Tag::kFreeContent : Tag::kFreeUnchecked);
  }
  s.run();
  const GrowthPlace& p = s.growth().places()[0];
  EXPECT_EQ(p.links, 30u);
  EXPECT_EQ(p.checked, 10u);
  EXPECT_EQ(p.content, 10u);
  EXPECT_EQ(verdict_of(p, false), Verdict::kContent);
}

TEST(Linker, OverlapAtThePeakIsOfTheHighestMomentOnly) {
  Vector s;
  s.grow({1000, 2000});  // 3000 bytes alive together
  s.alloc(0x900000, 100, s.push);
  s.free(0x900000);
  s.grow({4000, 8000});  // 2000 + 12000: the peak
  s.run();
  EXPECT_EQ(s.growth().places()[0].overlap_max, 4000u);
  EXPECT_EQ(s.growth().places()[0].overlap_at_peak, 4000u);
}

TEST(Linker, SlackIsCountedForTheLastBlockOfAContainer) {
  Vector s;
  s.alloc(0x1000, 512, s.push);
  s.alloc(0x2000, 1024, s.push, Tag::kAllocPainted);
  s.free(Tag::kFreeSize, 0x1000, s.drop);
  s.free_unused(0x2000, 384);
  s.run();
  EXPECT_EQ(s.sum(&GrowthPlace::slack_blocks), 1u);
  EXPECT_EQ(s.sum(&GrowthPlace::slack_painted), 1024u);
  EXPECT_EQ(s.sum(&GrowthPlace::slack_unused), 384u);
}

TEST(Linker, FreesOfUnknownBlocksAreCountedAndHarmless) {
  Vector s;
  s.free(0x1000);
  s.free(Tag::kFreeSize, 0x2000, s.drop);
  s.realloc(0x3000, 0x4000, 100, s.push);
  s.unmap(0x5000, 4096);
  Linker& linker = s.run();
  EXPECT_EQ(linker.counts().unmatched, 4u);
  EXPECT_EQ(linker.live().size(), 1u);
  EXPECT_EQ(s.links(), 0u);
}

TEST(Linker, StackIdsThatDoNotExistCountAsNoStack) {
  Vector s;
  s.alloc(0x1000, 64, 999999);
  s.alloc(0x2000, 128, 999999);
  s.free(Tag::kFreeSize, 0x1000, 888888);
  s.run();
  EXPECT_EQ(s.links(), 0u);
}

}  // namespace
}  // namespace ullage::trace

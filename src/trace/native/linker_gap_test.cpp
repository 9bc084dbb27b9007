// SPDX-License-Identifier: Apache-2.0
//
// Growth whose new block was pushed out of sight by what the elements own: only the stack that made
// both blocks tells of it.
#include <gtest/gtest.h>

#include "trace/native/linker.h"
#include "trace/native/script_for_tests.h"

namespace ullage::trace {
namespace {

using record::Tag;

enum : std::uint64_t { kMain = 1, kGrow = 2, kOther = 3, kAllocate = 4 };

struct Container : Script {
  std::uint32_t make = stack({{kMain, 1}, {kGrow, 1}, {kAllocate, 1}});
  std::uint32_t drop = stack({{kMain, 1}, {kGrow, 2}});
  std::uint32_t copy = stack({{kMain, 1}, {kGrow, 3}, {kOther, 1}});
  std::uint64_t at = 0x10000;
  std::uint64_t block = 0;

  // new, copies of elements that own `owned` bytes each, delete. Not `seen`: those pushed the new
  // block out, and the agent had nothing to say of the old one's end.
  void grow(std::uint64_t size, bool seen, std::uint64_t owned = 256) {
    const std::uint64_t old = block;
    block = at += 0x10000;
    alloc(block, size, make);
    if (old == 0) return;
    for (int i = 0; !seen && i < 20; ++i) alloc(at += 0x1000, owned, copy);
    if (seen) {
      free(Tag::kFreeSize, old, drop);
    } else {
      free(old);
    }
  }
  void begin() {
    for (const std::uint64_t size : {24, 48, 96, 192}) grow(size, true);
  }
};

TEST(LinkerGap, AGrowthBetweenOthersOfItsContainerIsLinkedByItsStackAndFactor) {
  Container s;
  s.begin();
  s.grow(384, false);
  s.grow(768, true);
  s.free(s.block);
  const Linker& linker = s.run();
  EXPECT_EQ(linker.counts().gap_links, 1u);
  EXPECT_EQ(s.links(), 5u);
  EXPECT_EQ(s.chains(), 1u);
  ASSERT_EQ(s.growth().places().size(), 1u);
  EXPECT_EQ(s.growth().places()[0].copied, 24u + 48 + 96 + 192 + 384);
  EXPECT_EQ(s.growth().places()[0].final.max(), 768u);
  EXPECT_EQ(s.growth().places()[0].function, Script::function(kGrow));
}

TEST(LinkerGap, SoAreSeveralOnEndAndTheLast) {
  Container s;
  s.begin();
  for (const std::uint64_t size : {384, 768, 1536}) s.grow(size, false, size);
  s.run();
  EXPECT_EQ(s.links(), 6u);
  EXPECT_EQ(s.sum(&GrowthPlace::chains_alive), 1u);
}

TEST(LinkerGap, AStringsLastByteDoesNotChangeItsFactor) {
  Container s;
  for (const std::uint64_t size : {31, 61, 121, 241}) s.grow(size, true);
  s.grow(481, false);
  s.run();
  EXPECT_EQ(s.links(), 4u);
}

// What elements own must not be taken for the container's new block meanwhile.

TEST(LinkerGap, AFreeThatCouldMeanAnElementsBlockMeansTheContainersNext) {
  Container s;
  s.begin();
  const std::uint64_t old = s.block;
  s.alloc(s.block = s.at += 0x10000, 384, s.make);
  for (int i = 0; i < 20; ++i) s.alloc(s.at += 0x1000, 300, s.copy);
  s.free(Tag::kFreeSize, old, s.drop);  // the agent saw one of those 300 bytes
  s.run();
  EXPECT_EQ(s.links(), 4u);
  EXPECT_EQ(s.growth().places()[0].final.max(), 384u);
}

TEST(LinkerGap, AnElementsOldBlockIsNotReplacedByTheContainersNew) {
  Container s;
  const auto copy_inlined = s.stack({{kMain, 1}, {kGrow, 4}});
  const auto drop_element = s.stack({{kMain, 1}, {kGrow, 5}});
  s.begin();
  s.grow(384, true);
  std::vector<std::uint64_t> elements;
  for (int i = 0; i < 20; ++i) s.alloc(elements.emplace_back(s.at += 0x1000), 300, copy_inlined);
  const std::uint64_t old = s.block;
  s.alloc(s.block = s.at += 0x10000, 768, s.make);
  for (int i = 0; i < 20; ++i) s.alloc(s.at += 0x1000, 300, copy_inlined);
  for (const std::uint64_t e : elements) s.free(Tag::kFreeSize, e, drop_element);
  s.free(old);
  s.run();
  EXPECT_EQ(s.links(), 5u);
  EXPECT_EQ(s.chains(), 1u);
  EXPECT_EQ(s.growth().places()[0].final.max(), 768u);
}

// What looks alike and proves nothing.

TEST(LinkerGap, AnotherFactorIsAnotherBlock) {
  for (const std::uint64_t size : {192, 240, 300, 370, 400, 600}) {
    Container s;
    s.begin();
    s.grow(size, false);
    s.run();
    EXPECT_EQ(s.links(), 3u) << size;
  }
}

TEST(LinkerGap, AContainerThatGrewOnceHasNoFactorYet) {
  Container s;
  s.grow(96, true);
  s.grow(192, true);
  s.grow(384, false);
  s.run();
  EXPECT_EQ(s.links(), 1u);
}

TEST(LinkerGap, OneOfTwoBlocksThatItsStackMadeMeanwhileCouldBeAnothersContainer) {
  Container s;
  s.begin();
  s.alloc(0x900000, 384, s.make);
  s.grow(384, false);
  s.run();
  EXPECT_EQ(s.links(), 3u);
}

TEST(LinkerGap, ABlockThatIsGoneOrHasAPredecessorIsNoSuccessor) {
  Container gone;
  gone.begin();
  const std::uint64_t old = gone.block;
  gone.alloc(0x900000, 384, gone.make);
  gone.free(0x900000);
  gone.free(old);
  gone.run();
  EXPECT_EQ(gone.links(), 3u);

  Container taken;
  taken.begin();
  const std::uint64_t mine = taken.block;
  taken.alloc(0x800000, 180, taken.copy);
  taken.alloc(0x900000, 384, taken.make);
  taken.free(Tag::kFreeContent, 0x800000, taken.drop);  // its contents went there
  taken.free(mine);
  taken.run();
  EXPECT_EQ(taken.links(), 4u);
}

TEST(LinkerGap, ABlockOfAnotherContainerOfThatStackClaimsNothingThatDoesNotContinueIt) {
  for (const auto& [size, links] : {std::pair{300u, 4u}, std::pair{384u, 3u}}) {
    Container s;
    s.begin();  // up to 192 bytes; lives on, and is pushed out
    for (int i = 0; i < 20; ++i) s.alloc(s.at += 0x1000, 140, s.copy);
    s.alloc(0x900000, 150, s.copy);
    s.alloc(0x910000, size, s.make);
    s.free(Tag::kFreeSize, 0x900000, s.drop);
    s.run();
    EXPECT_EQ(s.links(), links) << size;
  }
}

TEST(LinkerGap, AContainerThatEndsWithNothingNewMadeIsAtItsEnd) {
  Container s;
  s.begin();
  s.free(s.block);
  s.block = 0;
  s.begin();  // the next one, from the same stack
  s.free(s.block);
  s.run();
  EXPECT_EQ(s.links(), 6u);
  EXPECT_EQ(s.chains(), 2u);
}

TEST(LinkerGap, WhatTheSameStackMadeInAnotherThreadIsAnothersContainer) {
  Container s;
  s.begin();
  s.thread(2);
  s.alloc(0x910000, 384, s.make);  // of the next size, and alive
  s.thread(1);
  s.free(s.block);
  s.run();
  EXPECT_EQ(s.links(), 3u);
}

TEST(LinkerGap, AContainerThatWentToAnotherThreadGoesOnThere) {
  Container s;
  s.begin();
  s.thread(2);
  s.grow(384, false);
  s.run();
  EXPECT_EQ(s.links(), 4u);
  EXPECT_EQ(s.chains(), 1u);
}

TEST(LinkerGap, AContainerOfAnotherThreadClaimsNothing) {
  Container s;
  s.thread(2);
  s.begin();  // up to 192 bytes; lives on
  s.thread(1);
  s.alloc(0x900000, 150, s.copy);
  s.alloc(0x910000, 384, s.make);
  s.free(Tag::kFreeSize, 0x900000, s.drop);
  s.run();
  EXPECT_EQ(s.links(), 4u);
}

TEST(LinkerGap, UnderSamplingNobodyKnowsWhatWasMadeInBetween) {
  Container s;
  s.sample(1 << 16);
  s.begin();
  s.grow(384, false);
  EXPECT_EQ(s.run().counts().gap_links, 0u);
  EXPECT_EQ(s.links(), 3u);
}

TEST(LinkerGap, SmallBlocksAreNotRemembered) {
  Container s;
  for (const std::uint64_t size : {15, 30, 60}) s.grow(size, true);
  s.grow(120, false, 16);
  s.run();
  EXPECT_EQ(s.links(), 2u) << "what follows 64 bytes and more may be an elder";
}

}  // namespace
}  // namespace ullage::trace

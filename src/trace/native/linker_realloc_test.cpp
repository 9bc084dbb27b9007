// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "trace/native/linker.h"
#include "trace/native/script_for_tests.h"
#include "trace/native/verdict.h"

namespace ullage::trace {
namespace {

using evidence::Verdict;
using record::Tag;

enum : std::uint64_t { kMain = 1, kGrow = 2, kOther = 3 };

struct Buffer : Script {
  std::uint32_t make = stack({{kMain, 1}});
  std::uint32_t grow = stack({{kMain, 1}, {kGrow, 1}});
};

TEST(LinkerRealloc, AMovedBlockWasCopiedAndTheCallIsItsStall) {
  Buffer s;
  s.alloc(0x1000, 64, s.make);
  s.wait(1600);
  s.realloc(0x1000, 0x2000, 96, s.grow, 800);
  s.run();
  const GrowthPlace& p = s.growth().places()[0];
  EXPECT_EQ(p.links, 1u);
  EXPECT_EQ(p.moved, 1u);
  EXPECT_EQ(p.copied, 64u);
  EXPECT_EQ(p.stall, 100u);
  EXPECT_EQ(p.function, Script::function(kGrow));
  EXPECT_EQ(verdict_of(p, false), Verdict::kRealloc);
}

TEST(LinkerRealloc, ABlockThatGrewInPlaceCopiedNothing) {
  Buffer s;
  s.alloc(0x1000, 64, s.make);
  s.realloc(0x1000, 0x1000, 96, s.grow);
  s.realloc(0x1000, 0x1000, 144, s.grow);
  s.run();
  const GrowthPlace& p = s.growth().places()[0];
  EXPECT_EQ(p.links, 2u);
  EXPECT_EQ(p.chains, 1u);
  EXPECT_EQ(p.moved, 0u);
  EXPECT_EQ(p.copied, 0u);
}

TEST(LinkerRealloc, PagesThatMovedAreNotBilledAsACopy) {
  Buffer s;
  s.alloc(0x7f0000000010, 256 << 10, s.make);
  s.realloc(0x7f0000000010, 0x7f0000100010, 512 << 10, s.grow);
  s.alloc(0x10010, 64 << 10, s.make);  // below the limit: copied, whatever its address
  s.realloc(0x10010, 0x90010, 128 << 10, s.grow);
  s.run();
  EXPECT_EQ(s.sum(&GrowthPlace::moved), 1u);
  EXPECT_EQ(s.sum(&GrowthPlace::copied), 64u << 10);
}

TEST(LinkerRealloc, ShrinkingIsNoGrowthAndTheChainGoesOn) {
  Buffer s;
  s.alloc(0x1000, 64, s.make);
  s.realloc(0x1000, 0x2000, 128, s.grow);
  s.realloc(0x2000, 0x2000, 100, s.grow);
  s.free(0x2000);
  s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(s.growth().places()[0].final.max(), 100u);
}

TEST(LinkerRealloc, OfNullIsAnAllocation) {
  Buffer s;
  s.realloc(0, 0x1000, 64, s.grow);
  s.realloc(0x1000, 0x2000, 128, s.grow);
  Linker& linker = s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(linker.counts().unmatched, 0u);
}

TEST(LinkerRealloc, WithoutAStackIsStillCounted) {
  Buffer s;
  s.alloc(0x1000, 64, 0);
  s.realloc(0x1000, 0x2000, 128, 0);
  s.run();
  EXPECT_EQ(s.links(), 1u);
}

TEST(LinkerRealloc, ToNothingIsAFree) {
  Buffer s;
  s.alloc(0x1000, 64, s.make);
  s.realloc(0x1000, 0, 0, s.grow);
  EXPECT_EQ(s.run().live().size(), 0u);
  EXPECT_EQ(s.links(), 0u);
}

TEST(LinkerRealloc, MremapOfAProgramsOwnMappingGrowsInPlace) {
  Buffer s;
  s.alloc(0x7f0000000000, 1 << 20, s.make, Tag::kMap);
  s.realloc(0x7f0000000000, 0x7f1000000000, 2 << 20, s.grow, 80, Tag::kRemap);
  s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(s.sum(&GrowthPlace::moved), 0u);
  EXPECT_EQ(s.sum(&GrowthPlace::copied), 0u);
}

TEST(LinkerRealloc, ReallocAndCopyOfOneFunctionAreOneChain) {
  Buffer s;
  const auto push = s.stack({{kMain, 1}, {kGrow, 3}});
  const auto drop = s.stack({{kMain, 1}, {kGrow, 4}});
  s.alloc(0x1000, 64, s.make);
  s.realloc(0x1000, 0x2000, 128, s.grow);
  s.alloc(0x3000, 256, push);
  s.free(Tag::kFreeContent, 0x2000, drop);
  s.run();
  EXPECT_EQ(s.links(), 2u);
  EXPECT_EQ(s.chains(), 1u);
}

// The event of a realloc comes when the call returns. Meanwhile another thread may have been given
// the old address.
TEST(LinkerRealloc, FindsItsOldBlockWhenAnotherThreadGotTheAddressBeforeItReturned) {
  Buffer s;
  s.alloc(0x1000, 64, s.make);
  s.wait(10000);
  s.thread(2);
  s.alloc(0x1000, 48, s.make);  // while thread 1 is inside realloc
  s.thread(1);
  s.realloc(0x1000, 0x2000, 128, s.grow, 5000);
  s.thread(2);
  s.free(0x1000);
  s.thread(1);
  s.free(0x2000);
  Linker& linker = s.run();
  EXPECT_EQ(s.links(), 1u);
  EXPECT_EQ(s.sum(&GrowthPlace::copied), 64u);
  EXPECT_EQ(linker.counts().unmatched, 0u);
  EXPECT_EQ(linker.counts().lost_frees, 0u);
  EXPECT_EQ(linker.allocations().live_bytes(), 0u);
}

TEST(LinkerRealloc, DoesNotTakeABlockThatIsYoungerThanTheCall) {
  Buffer s;
  s.thread(2);
  s.wait(10000);
  s.alloc(0x1000, 48, s.make);
  s.thread(1);
  s.realloc(0x1000, 0x2000, 128, s.grow, 5000);  // its old block was never seen
  Linker& linker = s.run();
  EXPECT_EQ(s.links(), 0u);
  EXPECT_EQ(linker.counts().unmatched, 1u);
  EXPECT_EQ(linker.live().size(), 2u);
}

TEST(LinkerRealloc, AddressesThatComeBackWithoutAFreeAreGivenUpBeyondALimit) {
  Buffer s;
  constexpr std::uint64_t kCount = 3 * kLimboBlocks;
  for (std::uint64_t i = 0; i < kCount; ++i) s.alloc(0x1000, 64, s.make);
  Linker& linker = s.run();
  EXPECT_EQ(linker.live().size(), 1u);
  EXPECT_EQ(linker.counts().lost_frees, kCount - 1);
  EXPECT_EQ(linker.allocations().live_bytes(), 64u);
}

TEST(LinkerRealloc, AMappingMayGoInPiecesAndOnePieceMayBeOfTwoMappings) {
  Buffer s;
  constexpr std::uint64_t kAt = 0x7f0000000000, kPiece = 1 << 18;
  s.alloc(kAt, 4 * kPiece, s.make, Tag::kMap);
  s.alloc(kAt + 4 * kPiece, 2 * kPiece, s.make, Tag::kMap);
  s.unmap(kAt + kPiece, kPiece);          // a hole
  s.unmap(kAt + 3 * kPiece, 2 * kPiece);  // the end of one, the beginning of the other
  s.unmap(kAt, kPiece);
  Linker& linker = s.run();
  EXPECT_EQ(linker.counts().unmatched, 0u);
  EXPECT_EQ(linker.live().size(), 2u);
  EXPECT_EQ(linker.allocations().live_bytes(), 2 * kPiece);
}

TEST(LinkerRealloc, UnmappingTheFrontOfAMappingLeavesTheRestAlive) {
  Buffer s;
  s.alloc(0x7f0000000000, 1 << 20, s.make, Tag::kMap);
  s.unmap(0x7f0000000000, 1 << 18);
  s.unmap(0x7f0000040000, 1 << 20);
  Linker& linker = s.run();
  EXPECT_EQ(linker.counts().unmatched, 0u);
  EXPECT_EQ(linker.live().size(), 0u);
  EXPECT_EQ(linker.allocations().live_bytes(), 0u);
}

}  // namespace
}  // namespace ullage::trace

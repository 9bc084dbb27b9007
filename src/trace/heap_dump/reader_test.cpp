// SPDX-License-Identifier: Apache-2.0
#include "trace/heap_dump/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "trace/heap_dump/builder_testing.h"
#include "trace/heap_dump/reach.h"
#include "trace/input_open.h"

namespace ullage::trace {
namespace {

using evidence::Evidence;
using evidence::Retention;
using heap_dump::DumpBuilder;
using heap_dump::reach_of;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::uint64_t kBig = 0xc000000000, kSmall = 0xc000900000;
constexpr std::uint64_t kMiB = 1 << 20;

Evidence read_bytes(std::vector<std::uint8_t> bytes) {
  auto evidence = read_heap_dump(Input::from_bytes("test.dump", std::move(bytes)), {});
  EXPECT_TRUE(evidence.ok()) << (evidence.ok() ? "" : evidence.error().message);
  return evidence.ok() ? *evidence : Evidence{};
}

Evidence read_captured(const std::string& name) {
  const auto inputs =
      open_inputs(std::string(ULLAGE_SOURCE_DIR) + "/src/trace/heap_dump/testdata/" + name);
  EXPECT_TRUE(inputs.ok());
  auto evidence = read_heap_dump(inputs->front(), {});
  EXPECT_TRUE(evidence.ok());
  return *evidence;
}

TEST(HeapDumpReader, ProvesEveryPlantedViewWithItsOffsetLengthAndCapacity) {
  const Evidence e = read_captured("bad.dump.xz");
  std::map<std::uint64_t, const Retention*> by_offset;
  for (const Retention& r : e.incident.retentions) by_offset[r.offset] = &r;
  std::ifstream expected(std::string(ULLAGE_SOURCE_DIR) + "/src/trace/heap_dump/testdata/bad.txt");
  std::string how;
  std::uint64_t offset = 0, length = 0, capacity = 0;
  std::size_t lines = 0;
  for (; expected >> how >> offset >> length >> capacity; ++lines) {
    ASSERT_TRUE(by_offset.contains(offset)) << offset;
    const Retention& r = *by_offset[offset];
    EXPECT_EQ(r.object_bytes, kMiB);
    EXPECT_EQ(r.length_bytes, length);
    EXPECT_EQ(r.capacity_bytes, capacity);
    EXPECT_EQ(r.wasted_bytes, kMiB - 64);
    EXPECT_EQ(r.string, how == "string");
    EXPECT_EQ(r.holders, 1u);
    EXPECT_THAT(r.root, HasSubstr("global at 0x"));
    // make in receive, which the compiler inlined, or the conversion to a string.
    if (!r.allocated_at.empty()) {
      EXPECT_EQ(r.allocated_at[0].function, "main.plant");
      EXPECT_EQ(r.allocated_at[0].line, how == "string" ? 58 : 36);
    }
  }
  EXPECT_EQ(lines, 20u);
  EXPECT_EQ(e.incident.retentions.size(), 20u);
  EXPECT_EQ(e.incident.retention_totals.objects, 20u);
  EXPECT_EQ(e.incident.retention_totals.wasted_bytes, 20'970'240u);
  EXPECT_FALSE(e.incident.artefacts[0].cut);
  EXPECT_EQ(e.incident.facts.version, "go1.27.3");
}

TEST(HeapDumpReader, FindsNothingInTheTwinThatClones) {
  const Evidence e = read_captured("good.dump.xz");
  EXPECT_TRUE(e.incident.retentions.empty());
  EXPECT_EQ(e.incident.retention_totals.objects, 0u);
  EXPECT_GT(e.incident.artefacts[0].records, 100u);
}

TEST(HeapDumpReader, ReadsTheProfileInADumpWithTheRuntimesFrames) {
  const Evidence e = read_captured("bad.dump.xz");
  ASSERT_FALSE(e.incident.heap_sites.empty());
  const evidence::HeapSite& site = e.incident.heap_sites[0];
  EXPECT_EQ(site.stack[0].function, "main.plant");
  EXPECT_EQ(site.stack[0].line, 36);
  EXPECT_EQ(site.call, evidence::CallKind::kMake);
  EXPECT_EQ(site.proof, evidence::CallProof::kStack);
  ASSERT_EQ(site.rungs.size(), 1u);
  EXPECT_EQ(site.rungs[0].bytes, kMiB);
  // 20 were made and 16 kept; which of them were sampled is chance.
  EXPECT_NEAR(static_cast<double>(site.inuse_bytes), 16.0 * kMiB, 6.0 * kMiB);
  EXPECT_THAT(e.incident.metrics,
              Contains(::testing::Field(&evidence::Metric::name, "memstats.HeapAlloc")));
  EXPECT_GT(e.incident.snapshots[0].inuse_bytes, 20 * kMiB);
}

TEST(HeapDumpReader, AnotherPointerToTheWholeObjectSilencesIt) {
  const std::vector<std::uint64_t> view = {kBig + 4096, 64, 64};
  const auto with = [&](const std::vector<std::uint64_t>& more, std::vector<unsigned> pointers) {
    std::vector<std::uint64_t> words = view;
    words.insert(words.end(), more.begin(), more.end());
    pointers.insert(pointers.begin(), 0);
    return read_bytes(DumpBuilder().object(kBig, kMiB).roots(words, pointers).end())
        .incident.retention_totals.objects;
  };
  EXPECT_EQ(with({}, {}), 1u);
  EXPECT_EQ(with({kBig + 8, 0, 0}, {3}), 0u) << "a bare pointer may reach all of it";
  EXPECT_EQ(with({kBig, kMiB, kMiB}, {3}), 0u) << "the owner";
  EXPECT_EQ(with({kBig, 100, kMiB}, {3}), 1u) << "reaches little, too";
}

TEST(HeapDumpReader, AddsUpWhatAllHoldersReach) {
  const Evidence e = read_bytes(
      DumpBuilder()
          .object(kBig, kMiB)
          .roots({kBig + 4096, 100, 100, kBig + 4146, 100, 200, kBig + 8192, 10, 10}, {0, 3, 6})
          .end());
  ASSERT_EQ(e.incident.retentions.size(), 1u);
  EXPECT_EQ(e.incident.retentions[0].holders, 3u);
  EXPECT_EQ(e.incident.retentions[0].wasted_bytes, kMiB - 160);
  EXPECT_EQ(e.incident.retentions[0].root, "global at 0x500000 (data segment +0x0)");
}

TEST(HeapDumpReader, HoldersThatNothingReachesDoNotCount) {
  const Evidence e = read_bytes(DumpBuilder()
                                    .object(kBig, kMiB)
                                    .object(kSmall, 32, {kBig + 4096, 64, 64}, {0})
                                    .roots({}, {})
                                    .end());
  EXPECT_TRUE(e.incident.retentions.empty());
  EXPECT_THAT(e.incident.artefacts[0].notes, Contains(HasSubstr("can't be reached")));
}

TEST(HeapDumpReader, NamesTheGoroutineThatHoldsAView) {
  const Evidence e = read_bytes(DumpBuilder()
                                    .object(kSmall, 32, {kBig + 4096, 64, 64}, {0})
                                    .object(kBig, kMiB)
                                    .goroutine(7)
                                    .frame("runtime.gopark")
                                    .frame("main.keep", {0, kSmall}, {1})
                                    .roots({}, {})
                                    .end());
  ASSERT_EQ(e.incident.retentions.size(), 1u);
  EXPECT_EQ(e.incident.retentions[0].root, "goroutine 7 main.keep");
  ASSERT_EQ(e.incident.goroutines.size(), 1u);
  EXPECT_EQ(e.incident.goroutines[0].state, "chan send");
  EXPECT_EQ(e.incident.goroutines[0].stack[1].function, "main.keep");
}

TEST(HeapDumpReader, ReadsOtherByteOrdersAndPointerSizes) {
  const Evidence e = read_bytes(DumpBuilder("go1.26", true, 4)
                                    .object(0x40000000, kMiB)
                                    .roots({0x40001000, 64, 80}, {0})
                                    .end());
  ASSERT_EQ(e.incident.retentions.size(), 1u);
  EXPECT_EQ(e.incident.retentions[0].offset, 4096u);
  EXPECT_EQ(e.incident.retentions[0].capacity_bytes, 80u);
}

TEST(HeapDumpReader, LeavesOutTheAllocatorsWordInFrontOfObjectsWithPointers) {
  // 1023 elements of 24 bytes behind a word: the last ten of them.
  const std::uint64_t size = 24576, offset = 1000 * 24;
  for (const char* version : {"go1.22.1", "go1.21.1"}) {
    const std::uint64_t header = version[5] == '2' ? 8 : 0;
    const Evidence e = read_bytes(DumpBuilder(version)
                                      .object(kBig, size, {0, kSmall}, {1})
                                      .object(kSmall, 32)
                                      .roots({kBig + header + offset, 10, 23}, {0})
                                      .end());
    ASSERT_EQ(e.incident.retentions.size(), 1u) << version;
    EXPECT_EQ(e.incident.retentions[0].offset, offset);
    EXPECT_EQ(e.incident.retentions[0].element_bytes, 24u);
    EXPECT_EQ(e.incident.retentions[0].length_bytes, 240u);
  }
}

TEST(HeapDumpReader, CountsTheDefersOfAGoroutine) {
  DumpBuilder b;
  b.object(kSmall, 32).goroutine(3).frame("main.loop");
  for (int i = 0; i < 5000; ++i) b.defer();
  b.goroutine(4).frame("main.main").defer().roots({}, {});
  const Evidence e = read_bytes(b.end());
  ASSERT_EQ(e.incident.defers.size(), 1u);
  EXPECT_EQ(e.incident.defers[0].goroutine, 3u);
  EXPECT_EQ(e.incident.defers[0].records, 5000u);
  EXPECT_EQ(e.incident.defers[0].stack[0].function, "main.loop");
}

TEST(HeapDumpReader, JoinsTheSizesOfOneStackToALadder) {
  const std::vector<DumpBuilder::Call> stack = {{"runtime.growslice", "slice.go", 290},
                                                {"main.fill", "main.go", 12},
                                                {"main.main", "main.go", 5}};
  const Evidence e = read_bytes(DumpBuilder()
                                    .object(kBig, kMiB)
                                    .bucket(0x10, 8 * kMiB, stack, 3, 2)
                                    .bucket(0x20, 4 * kMiB, stack, 4, 4)
                                    .end());
  ASSERT_EQ(e.incident.heap_sites.size(), 1u);
  const evidence::HeapSite& site = e.incident.heap_sites[0];
  EXPECT_EQ(site.call, evidence::CallKind::kAppend);
  EXPECT_EQ(site.stack.size(), 2u);
  EXPECT_EQ(site.hidden.size(), 1u);
  ASSERT_EQ(site.rungs.size(), 2u);
  EXPECT_EQ(site.rungs[0].bytes, 4 * kMiB);
  // Objects far above the period are all sampled: 1 - e^-8 and more.
  EXPECT_NEAR(site.rungs[1].inuse_objects, 1, 0.01);
  EXPECT_NEAR(static_cast<double>(site.alloc_bytes), 40.0 * kMiB, 0.1 * kMiB);
}

TEST(HeapDumpReader, ADumpThatWasCutIsReadUpToThere) {
  DumpBuilder b;
  b.object(kBig, kMiB).object(kSmall, 32, {kBig + 4096, 64, 64}, {0}).goroutine(1);
  std::vector<std::uint8_t> bytes = b.unfinished();
  bytes.push_back(12);
  const Evidence e = read_bytes(bytes);
  EXPECT_TRUE(e.incident.artefacts[0].cut);
  EXPECT_EQ(e.incident.artefacts[0].records, 2u);
  EXPECT_TRUE(e.incident.retentions.empty());
  EXPECT_THAT(e.incident.artefacts[0].notes, Contains(HasSubstr("Cut before the roots")));
  const Evidence unknown = read_bytes(DumpBuilder().object(kBig, 64).numbers({99}).end());
  EXPECT_THAT(unknown.incident.artefacts[0].notes, Contains(HasSubstr("record 99")));
  EXPECT_FALSE(read_heap_dump(Input::from_text("x", "go1.7 heap dump\n"), {}).ok());
  EXPECT_FALSE(read_heap_dump(Input::from_text("x", "something else"), {}).ok());
}

// ---- what two words behind a pointer say

TEST(HeapDumpReach, AnUnclippedSliceTellsItsElementByTheObjectsEnd) {
  const auto r = reach_of({65536, false, 8}, {8192, 10, 7168, true, true});
  EXPECT_FALSE(r.whole);
  EXPECT_EQ(r.element_bytes, 8u);
  EXPECT_EQ(r.length_bytes, 80u);
  EXPECT_EQ(r.capacity_bytes, 57344u);
}

TEST(HeapDumpReach, AClippedSliceIsOneOfBytesOrNothingCertain) {
  const auto r = reach_of({1 << 20, false, 8}, {52448, 64, 64, true, true});
  EXPECT_EQ(r.length_bytes, 64u);
  EXPECT_EQ(r.element_bytes, 1u);
  EXPECT_TRUE(reach_of({1 << 20, true, 8}, {52448, 64, 64, true, true}).whole);
  EXPECT_TRUE(reach_of({1 << 20, false, 8}, {0, 63, 65, true, true}).whole)
      << "a pointer beside two numbers looks the same";
}

TEST(HeapDumpReach, AStringHasNoCapacityBehindIt) {
  const auto r = reach_of({1 << 20, false, 8}, {52448, 64, 0, true, false});
  EXPECT_TRUE(r.string);
  EXPECT_EQ(r.length_bytes, 64u);
  EXPECT_TRUE(reach_of({1 << 20, false, 8}, {0, 64, 0, true, false}).whole);
  EXPECT_TRUE(reach_of({1 << 20, true, 8}, {52448, 64, 0, true, false}).whole);
  EXPECT_TRUE(reach_of({1 << 20, false, 8}, {52448, 1 << 20, 0, true, false}).whole);
}

TEST(HeapDumpReach, ABufferThatWasEmptiedWaitsToBeFilledAgain) {
  EXPECT_TRUE(reach_of({65536, false, 8}, {0, 0, 65536, true, true}).whole);
  EXPECT_FALSE(reach_of({65536, false, 8}, {0, 16, 65536, true, true}).whole);
}

TEST(HeapDumpReach, APointerByItselfMayReachEverything) {
  EXPECT_TRUE(reach_of({65536, false, 8}, {128, 0, 0, false, false}).whole);
  EXPECT_TRUE(reach_of({65536, false, 8}, {70000, 1, 1, true, true}).whole);
}

}  // namespace
}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "trace/jvm_gc/builder.h"
#include "trace/jvm_gc/jvm_gc_testing.h"

namespace ullage::trace {
namespace {

using namespace jvm_gc_testing;  // NOLINT(google-build-using-namespace)

TEST(JvmUnified, CountsAPauseOnceThoughItIsPrintedTwice) {
  const Incident i = read(
      "[0.360s][info][gc,start] GC(0) Pause Young (Normal) (G1 Evacuation Pause)\n"
      "[0.617s][info][gc      ] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 34M->33M(380M) "
      "257.778ms\n");
  ASSERT_EQ(i.pauses.size(), 1u);
  const evidence::Pause& p = i.pauses[0];
  EXPECT_EQ(p.kind, "Pause Young (Normal)");
  EXPECT_EQ(p.cause, "G1 Evacuation Pause");
  EXPECT_EQ(p.duration_ns, 257'778'000u);
  EXPECT_EQ(p.start_ns, 617'000'000 - 257'778'000);
  EXPECT_EQ(p.before_bytes, 34u << 20);
  EXPECT_EQ(p.capacity_bytes, 380u << 20);
  EXPECT_EQ(p.gc, 1u);
  EXPECT_FALSE(p.full);
  EXPECT_EQ(p.where.at, 2u);
  ASSERT_EQ(i.pause_kinds.size(), 1u);
  EXPECT_EQ(i.pause_kinds[0].count, 1u);
  ASSERT_EQ(i.cycles.size(), 1u);
  EXPECT_EQ(i.cycles[0].kind, "Young");
}

TEST(JvmUnified, NeedsNoDecorations) {
  const Incident i = read(
      "Using G1\nGC(0) Pause Young (Normal) (G1 Evacuation Pause) 6M->3M(64M) 8.442ms\n"
      "GC(1) Pause Full (System.gc()) 6M->3M(64M) 2.000ms\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_EQ(i.pauses[1].kind, "Pause Full");
  EXPECT_EQ(i.pauses[1].cause, "System.gc()");
  EXPECT_TRUE(i.pauses[1].full);
  EXPECT_FALSE(i.artefacts[0].has_times);
  EXPECT_FALSE(i.cycles[0].times_known);
  EXPECT_TRUE(i.cycles[1].forced);
}

TEST(JvmUnified, TakesTheCollectionOfAHistogramForAskedFor) {
  const Incident i = read(
      "GC(0) Pause Full (Heap Inspection Initiated GC) 6M->5M(64M) 2.000ms\n"
      "GC(1) Pause Full (Allocation Failure) 6M->5M(64M) 2.000ms\n"
      "GC(2) Pause Full (Diagnostic Command) 6M->5M(64M) 2.000ms\n");
  ASSERT_EQ(i.cycles.size(), 3u);
  EXPECT_TRUE(i.cycles[0].forced);
  EXPECT_FALSE(i.cycles[1].forced);
  EXPECT_TRUE(i.cycles[2].forced) << "jcmd PID GC.run";
}

TEST(JvmUnified, AttachesRegionsAndFailedEvacuationToTheirCollection) {
  const Incident i = read(
      "[0.1s][info][gc,init] Heap Region Size: 2M\n"
      "[1.0s][info][gc,start] GC(7) Pause Young (Mixed) (G1 Evacuation Pause)\n"
      "[1.1s][info][gc] GC(7) To-space exhausted\n"
      "[1.1s][info][gc,heap] GC(7) Old regions: 30->46\n"
      "[1.1s][info][gc,heap] GC(7) Humongous regions: 112->28\n"
      "[1.1s][info][gc] GC(7) Pause Young (Mixed) (G1 Evacuation Pause) 200M->190M(256M) 80.5ms\n");
  ASSERT_EQ(i.cycles.size(), 1u);
  const evidence::GcCycle& c = i.cycles[0];
  EXPECT_EQ(c.kind, "Mixed");
  EXPECT_TRUE(c.to_space_exhausted);
  EXPECT_EQ(c.humongous_before, 112);
  EXPECT_EQ(c.humongous_after, 28);
  EXPECT_EQ(c.old_after_bytes, 92u << 20);
  EXPECT_EQ(count(i, "to-space exhausted"), 1u);
}

TEST(JvmUnified, ReadsEvacuationFailureAsASuffixAndForgivesPinnedRegions) {
  const Incident i = read(
      "[1.1s][info][gc] GC(1) Pause Young (Normal) (G1 Evacuation Pause) (Evacuation Failure: "
      "Allocation) 61M->60M(64M) 8.5ms\n"
      "[1.2s][info][gc] GC(2) Pause Young (Normal) (G1 Evacuation Pause) (Evacuation Failure: "
      "Pinned) 61M->60M(64M) 8.5ms\n");
  ASSERT_EQ(i.cycles.size(), 2u);
  EXPECT_TRUE(i.cycles[0].to_space_exhausted);
  EXPECT_FALSE(i.cycles[1].to_space_exhausted);
  ASSERT_EQ(i.pause_kinds.size(), 1u) << "the suffix is no kind of its own";
  EXPECT_EQ(i.pause_kinds[0].kind, "Pause Young (Normal)");
  EXPECT_EQ(i.pause_kinds[0].cause, "G1 Evacuation Pause");
}

TEST(JvmUnified, KeepsAConcurrentCycleOpenWhileYoungCollectionsPass) {
  const Incident i = read(
      "[1.000s][info][gc] GC(3) Concurrent Mark Cycle\n"
      "[1.100s][info][gc] GC(4) Pause Young (Normal) (G1 Evacuation Pause) 9M->8M(16M) 1.000ms\n"
      "[1.200s][info][gc] GC(3) Pause Remark 9M->8M(16M) 0.500ms\n"
      "[1.250s][info][gc,marking] GC(3) Concurrent Mark 150.000ms\n"
      "[1.300s][info][gc] GC(3) Pause Cleanup 9M->8M(16M) 0.250ms\n"
      "[1.400s][info][gc] GC(3) Concurrent Mark Cycle 400.000ms\n");
  ASSERT_EQ(i.cycles.size(), 2u);
  EXPECT_EQ(i.cycles[0].kind, "Concurrent");
  EXPECT_EQ(i.cycles[0].start_ns, 1'000'000'000);
  EXPECT_EQ(i.cycles[0].duration_ns, 400'000'000u);
  EXPECT_EQ(i.cycles[0].stop_first_ns, 500'000u);
  EXPECT_EQ(i.cycles[0].stop_last_ns, 250'000u);
  EXPECT_EQ(i.cycles[0].mark_ns, 150'000'000u);
  EXPECT_EQ(i.cycles[1].kind, "Young");
  EXPECT_EQ(i.pauses.size(), 3u);
  EXPECT_EQ(count(i, "concurrent cycle"), 1u);
}

TEST(JvmUnified, TakesAFullCollectionOutOfTheYoungOneItIsIn) {
  const Incident i = read(
      "[1.950s][info][gc,start] GC(262) Pause Young (Allocation Failure)\n"
      "[1.955s][info][gc,promotion] Promotion failed\n"
      "[1.956s][info][gc,start] GC(263) Pause Full (Allocation Failure)\n"
      "[1.970s][info][gc] GC(263) Pause Full (Allocation Failure) 59M->6M(61M) 14.000ms\n"
      "[1.970s][info][gc] GC(262) Pause Young (Allocation Failure) 58M->6M(61M) 20.000ms\n");
  ASSERT_EQ(i.pause_kinds.size(), 2u);
  EXPECT_EQ(i.pause_kinds[0].total_ns + i.pause_kinds[1].total_ns, 20'000'000u);
  EXPECT_EQ(count(i, "promotion failed"), 1u);
  EXPECT_TRUE(i.cycles[0].promotion_failed || i.cycles[1].promotion_failed);
}

TEST(JvmUnified, AddsTheTimeUntilAllHadStopped) {
  const Incident i = read(
      "[2.000s][info][gc] GC(0) Pause Young (Allocation Failure) 9M->8M(16M) 10.000ms\n"
      "[2.000s][info][safepoint] Safepoint \"ParallelGCFailedAllocation\", Time since last: 5 ns, "
      "Reaching safepoint: 4000000 ns, Cleanup: 7 ns, At safepoint: 10000000 ns, Total: 14000007 "
      "ns\n"
      "[3.000s][info][safepoint] Safepoint \"ICBufferFull\", Time since last: 5 ns, Reaching "
      "safepoint: 3776 ns, At safepoint: 1402 ns, Total: 147870 ns\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_TRUE(i.pauses[0].stopping_known);
  EXPECT_EQ(i.pauses[0].stopping_ns, 4'000'000u);
  EXPECT_EQ(i.pauses[0].duration_ns, 14'000'000u);
  EXPECT_EQ(i.pauses[1].kind, "Safepoint");
  EXPECT_EQ(i.pauses[1].cause, "ICBufferFull");
  EXPECT_EQ(i.pauses[1].duration_ns, 147'870u);
  EXPECT_EQ(i.pauses[1].stopping_ns, 3776u);
}

TEST(JvmUnified, ReadsTheStopsOfJdk11) {
  const Incident i = read(
      "[0.1s][info][gc] Using G1\n"
      "[1.000s][info][safepoint] Entering safepoint region: RevokeBias\n"
      "[1.001s][info][safepoint] Leaving safepoint region\n"
      "[1.001s][info][safepoint] Total time for which application threads were stopped: 0.0010000 "
      "seconds, Stopping threads took: 0.0002500 seconds\n");
  ASSERT_EQ(i.pauses.size(), 1u);
  EXPECT_EQ(i.pauses[0].cause, "RevokeBias");
  EXPECT_EQ(i.pauses[0].duration_ns, 1'000'000u);
  EXPECT_EQ(i.pauses[0].stopping_ns, 250'000u);
}

TEST(JvmUnified, ReadsZgcBeforeGenerations) {
  const Incident i = read(
      "[0.010s][info][gc,init] Initializing The Z Garbage Collector\n"
      "[0.010s][info][gc,init] Max Capacity: 128M\n"
      "[1.366s][info][gc,start] GC(2) Garbage Collection (Allocation Stall)\n"
      "[1.367s][info][gc,phases] GC(2) Pause Mark Start 0.098ms\n"
      "[1.380s][info][gc,phases] GC(2) Concurrent Mark 12.000ms\n"
      "[1.381s][info][gc,phases] GC(2) Pause Mark End 0.097ms\n"
      "[1.390s][info][gc] Allocation Stall (main) 23.829ms\n"
      "[1.392s][info][gc,heap] GC(2)  Capacity:      128M (100%)        128M (100%)\n"
      "[1.392s][info][gc] GC(2) Garbage Collection (Allocation Stall) 128M(100%)->64M(50%)\n");
  EXPECT_EQ(i.facts.collector, "Z");
  EXPECT_FALSE(i.facts.generational);
  EXPECT_EQ(i.pauses.size(), 2u);
  ASSERT_EQ(i.stalls.size(), 1u);
  EXPECT_EQ(i.stalls[0].thread, "main");
  EXPECT_EQ(i.stalls[0].duration_ns, 23'829'000u);
  EXPECT_EQ(i.stalls[0].at_ns, 1'390'000'000 - 23'829'000);
  ASSERT_EQ(i.cycles.size(), 1u);
  EXPECT_EQ(i.cycles[0].cause, "Allocation Stall");
  EXPECT_EQ(i.cycles[0].duration_ns, 26'000'000u);
  EXPECT_EQ(i.cycles[0].live_bytes, 64u << 20);
  EXPECT_EQ(i.cycles[0].mark_ns, 12'000'000u);
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
}

TEST(JvmUnified, ReadsGenerationalZgc) {
  const Incident i = read(
      "[0.005s][info][gc] Using The Z Garbage Collector\n"
      "[0.100s][info][gc] GC(3) Minor Collection (Allocation Rate)\n"
      "[0.100s][info][gc,task] GC(3) Using 1 Workers for Young Generation\n"
      "[0.100s][info][gc,phases] GC(3) y: Young Generation\n"
      "[0.100s][info][gc,phases] GC(3) y: Pause Mark Start 0.010ms\n"
      "[0.109s][info][gc,phases] GC(3) y: Concurrent Mark 8.889ms\n"
      "[0.110s][info][gc,alloc] GC(3) y: Allocation Stalls:          0                0\n"
      "[0.111s][info][gc,phases] GC(3) y: Young Generation 104M(3%)->28M(1%) 0.011s\n"
      "[0.111s][info][gc] GC(3) Minor Collection (Allocation Rate) 104M(3%)->28M(1%) 0.012s\n"
      "[0.200s][info][gc] GC(4) Major Collection (Proactive)\n"
      "[0.201s][info][gc,phases] GC(4) O: Pause Mark End 0.020ms\n"
      "[0.300s][info][gc] GC(4) Major Collection (Proactive) 104M(3%)->28M(1%) 0.100s\n");
  EXPECT_TRUE(i.facts.generational);
  ASSERT_EQ(i.cycles.size(), 2u);
  EXPECT_EQ(i.cycles[0].kind, "Minor");
  EXPECT_EQ(i.cycles[0].duration_ns, 12'000'000u);
  EXPECT_EQ(i.cycles[1].kind, "Major");
  EXPECT_EQ(i.pauses.size(), 2u);
  EXPECT_TRUE(i.stalls.empty());
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
}

TEST(JvmUnified, ReadsShenandoah) {
  const Incident i = read(
      "[0.001s][info][gc] Using Shenandoah\n"
      "[0.100s][info][gc] GC(0) Concurrent reset 0.300ms\n"
      "[0.101s][info][gc] GC(0) Pause Init Mark (unload classes) 0.100ms\n"
      "[0.120s][info][gc] GC(0) Concurrent marking (unload classes) 19.000ms\n"
      "[0.130s][info][gc] GC(0) Concurrent cleanup 66M->24M(128M) 0.100ms\n"
      "[0.200s][info][gc,start] GC(1) Pause Degenerated GC (Outside of Cycle)\n"
      "[0.222s][info][gc] GC(1) Pause Degenerated GC (Outside of Cycle) 120M->119M(128M) 22.0ms\n");
  EXPECT_EQ(i.facts.collector, "Shenandoah");
  ASSERT_EQ(i.cycles.size(), 2u);
  EXPECT_EQ(i.cycles[0].kind, "Concurrent");
  EXPECT_EQ(i.cycles[0].mark_ns, 19'000'000u);
  EXPECT_EQ(i.cycles[1].kind, "Degenerated");
  EXPECT_EQ(i.pauses[0].kind, "Pause Init Mark (unload classes)");
}

TEST(JvmUnified, KnowsTheWallClockAndWhetherTheLogBeginsWithTheProcess) {
  const Incident both = read(
      "[2022-11-10T03:37:29.443-0800][0.017s][info][gc,heap] Heap region size: 2M\n"
      "[2022-11-10T03:37:29.508-0800][0.082s][info][gc     ] Using G1\n");
  EXPECT_EQ(both.artefacts[0].wall_ns_at_zero, 1'668'080'249'426'000'000);
  EXPECT_TRUE(both.artefacts[0].zero_is_process_start);
  const Incident rotated = read(
      "[2022-11-10T03:37:29.443-0800][7201.017s][info][gc] GC(918) Pause Remark 1M->1M(2M) 1ms\n");
  EXPECT_FALSE(rotated.artefacts[0].zero_is_process_start);
  const Incident wall = read("[2022-11-10T03:37:29.443-0800][info][gc] Using G1\n");
  EXPECT_EQ(wall.artefacts[0].wall_ns_at_zero, 1'668'080'249'443'000'000);
  EXPECT_FALSE(wall.artefacts[0].zero_is_process_start);
}

TEST(JvmUnified, PutsASecondRunBehindTheFirst) {
  const Incident i = read(
      "[100.000s][info][gc] GC(9) Pause Young (Normal) (G1 Evacuation Pause) 9M->8M(16M) 1.0ms\n"
      "[1.000s][info][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 9M->8M(16M) 1.0ms\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_GT(i.pauses[1].start_ns, i.pauses[0].start_ns);
  EXPECT_THAT(i.artefacts[0].notes, testing::ElementsAre(testing::HasSubstr("several runs")));
}

TEST(JvmUnified, CountsWhatItDoesNotKnowAndReadsOn) {
  const Incident i = read(
      "[0.1s][info][gc] Using Parallel\nhello from the program\n"
      "java.lang.OutOfMemoryError: Java heap space\n"
      "[0.9s][info][gc] GC(0) Pause Full (Ergonomics) 110M->109M(123M) 40.370ms\n");
  EXPECT_EQ(i.artefacts[0].records, 4u);
  EXPECT_EQ(i.artefacts[0].records_unknown, 1u);
  EXPECT_EQ(i.facts.crash, "java.lang.OutOfMemoryError: Java heap space");
  EXPECT_EQ(i.pauses.size(), 1u);
}

TEST(JvmUnified, KnowsItsOwnByContent) {
  const auto sniff = [](std::string_view text) {
    return sniff_jvm_gc({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  EXPECT_TRUE(sniff("[0.003s][info][gc] Using G1\n"));
  EXPECT_TRUE(sniff("starting up\n[0.003s][info][gc,start] GC(0) Pause Young (Normal)\n"));
  EXPECT_TRUE(sniff("Using Shenandoah\n"));
  EXPECT_TRUE(sniff("[0.001s][info][os,thread] Thread attached\n")) << "-Xlog:all";
  EXPECT_FALSE(sniff("[0.003s][info][server] listening\n"));
  EXPECT_FALSE(sniff("gc 1 @0.011s 2%: 0.021+0.52+0.003 ms clock, 4->4->1 MB, 5 MB goal, 2 P\n"));
  EXPECT_FALSE(sniff(""));
  EXPECT_FALSE(sniff(std::string_view("GC(0) Pause\0", 12)));
}

TEST(JvmBuilder, KeepsTheLongestPausesAndCountsThemAll) {
  jvm::Builder builder;
  builder.stamp(true, 0, false, 0, 1);
  const std::size_t pauses = 2 * evidence::kPausesMax + 100;
  for (std::size_t i = 0; i < pauses; ++i) {
    evidence::Pause pause;
    pause.kind = "Pause Young";
    pause.start_ns = static_cast<std::int64_t>(i) * 1000;
    pause.duration_ns = i;
    pause.after_bytes = i + 1;
    builder.pause(std::move(pause));
  }
  const Incident i = builder.take("x", 0);
  EXPECT_LE(i.pauses.size(), evidence::kPausesMax);
  EXPECT_LE(i.heap.size(), evidence::kHeapPointsMax);
  EXPECT_EQ(i.pause_kinds[0].count, pauses);
  EXPECT_EQ(i.pause_kinds[0].max_ns, pauses - 1);
  std::uint64_t longest = 0, highest = 0;
  for (const auto& p : i.pauses) longest = std::max(longest, p.duration_ns);
  for (const auto& p : i.heap) highest = std::max(highest, p.live_bytes);
  EXPECT_EQ(longest, pauses - 1);
  EXPECT_EQ(highest, pauses);
  EXPECT_FALSE(i.artefacts[0].notes.empty());
}

TEST(JvmBuilder, BoundsTheNumberOfKinds) {
  jvm::Builder builder;
  for (int i = 0; i < 1000; ++i) {
    evidence::Pause pause;
    pause.kind = "Pause " + std::to_string(i);
    builder.pause(std::move(pause));
  }
  const Incident incident = builder.take("x", 0);
  EXPECT_LE(incident.pause_kinds.size(), 257u);
  EXPECT_EQ(incident.pause_kinds.back().kind, "other");
  EXPECT_EQ(incident.pause_kinds.back().count, 1000u - 256u);
}

}  // namespace
}  // namespace ullage::trace

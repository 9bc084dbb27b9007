// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "trace/jvm_gc/jvm_gc_testing.h"

namespace ullage::trace {
namespace {

using namespace jvm_gc_testing;  // NOLINT(google-build-using-namespace)

TEST(JvmPreunified, ReadsParallelWithDatesAndCauses) {
  const Incident i = read(
      "2017-03-05T07:46:46.551-0500: 4.097: [Full GC (Ergonomics) [PSYoungGen: 5120K->0K(76800K)] "
      "[ParOldGen: 170000K->169000K(174592K)] 175120K->169000K(251392K), [Metaspace: 2673K->2673K"
      "(1056768K)], 0.2480000 secs] [Times: user=0.06 sys=0.01, real=0.25 secs] \n");
  ASSERT_EQ(i.pauses.size(), 1u);
  const evidence::Pause& p = i.pauses[0];
  EXPECT_EQ(p.kind, "Full GC");
  EXPECT_EQ(p.cause, "Ergonomics");
  EXPECT_TRUE(p.full);
  EXPECT_EQ(p.start_ns, 4'097'000'000);
  EXPECT_EQ(p.duration_ns, 248'000'000u);
  EXPECT_EQ(p.after_bytes, 169000u << 10);
  EXPECT_EQ(p.capacity_bytes, 251392u << 10);
  EXPECT_EQ(i.facts.collector, "Parallel");
  EXPECT_EQ(i.cycles[0].old_before_bytes, 170000u << 10);
  EXPECT_EQ(i.cycles[0].old_capacity_bytes, 174592u << 10);
  EXPECT_EQ(i.artefacts[0].wall_ns_at_zero, 1'488'718'006'551'000'000 - 4'097'000'000);
}

TEST(JvmPreunified, FollowsACollectionOverLinesOfAges) {
  const Incident i = read(
      "0.265: [GC (Allocation Failure) 0.265: [DefNew\n"
      "Desired survivor size 557056 bytes, new threshold 1 (max 15)\n"
      "- age   1:    1114112 bytes,    1114112 total\n"
      ": 8704K->1088K(9792K), 0.0039555 secs] 8704K->1634K(31680K), 0.0041700 secs] [Times: "
      "user=0.00 sys=0.00, real=0.00 secs] \n");
  ASSERT_EQ(i.pauses.size(), 1u);
  EXPECT_EQ(i.pauses[0].duration_ns, 4'170'000u);
  EXPECT_EQ(i.pauses[0].after_bytes, 1634u << 10);
  EXPECT_EQ(i.facts.collector, "Serial");
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
}

// As CMS fails: what the concurrent thread prints stands in the middle of it.
TEST(JvmPreunified, ReadsAConcurrentModeFailureAroundTheConcurrentThreadsOutput) {
  const Incident i = read(
      "12.000: [CMS-concurrent-mark-start]\n"
      "12.500: [GC 12.500: [ParNew (promotion failed): 118016K->118016K(118016K), 0.0500000 secs]"
      "12.550: [CMS12.700: [CMS-concurrent-mark: 0.650/0.700 secs] [Times: user=1.0 sys=0.0, "
      "real=0.70 secs] \n"
      " (concurrent mode failure): 1000000K->800000K(2000000K), 5.0000000 secs] 1100000K->800000K"
      "(2118016K), [CMS Perm : 21246K->21212K(21248K)], 5.0600000 secs] [Times: user=5.0 sys=0.0, "
      "real=5.06 secs] \n"
      "20.000: [GC 20.000: [ParNew: 104960K->13056K(118016K), 0.0100000 secs] 904960K->813056K"
      "(2118016K), 0.0101000 secs]\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_EQ(i.pauses[0].duration_ns, 5'060'000'000u);
  EXPECT_EQ(i.pauses[0].after_bytes, 800000ULL << 10);
  EXPECT_EQ(count(i, "promotion failed"), 1u);
  EXPECT_EQ(count(i, "concurrent mode failure"), 1u);
  ASSERT_EQ(i.cycles.size(), 3u);
  EXPECT_TRUE(i.cycles[0].aborted) << "the concurrent cycle was given up";
  EXPECT_TRUE(i.cycles[1].promotion_failed);
  EXPECT_TRUE(i.cycles[1].concurrent_failure);
  EXPECT_EQ(i.cycles[1].old_before_bytes, 1000000ULL << 10);
  EXPECT_FALSE(i.cycles[2].concurrent_failure);
}

TEST(JvmPreunified, TellsTheStopsOfCmsFromCollections) {
  const Incident i = read(
      "1.000: [GC [1 CMS-initial-mark: 1000K(2000K)] 1500K(3000K), 0.0100000 secs] [Times: "
      "user=0.0 "
      "sys=0.0, real=0.01 secs] \n"
      "1.100: [CMS-concurrent-mark-start]\n"
      "1.500: [CMS-concurrent-mark: 0.400/0.400 secs] [Times: user=0.0 sys=0.0, real=0.4 secs] \n"
      " CMS: abort preclean due to time 6.000: [CMS-concurrent-abortable-preclean: 1.0/5.0 secs]\n"
      "6.100: [GC[YG occupancy: 500 K (1000 K)]6.100: [Rescan (parallel) , 0.0200000 secs]6.120: "
      "[weak refs processing, 0.0001 secs] [1 CMS-remark: 1000K(2000K)] 1500K(3000K), 0.0300000 "
      "secs] [Times: user=0.0 sys=0.0, real=0.03 secs] \n"
      "6.200: [CMS-concurrent-reset: 0.010/0.010 secs]\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_EQ(i.pauses[0].kind, "CMS-initial-mark");
  EXPECT_EQ(i.pauses[1].kind, "CMS-remark");
  EXPECT_EQ(i.pauses[1].duration_ns, 30'000'000u);
  EXPECT_EQ(i.pauses[1].after_bytes, 1500u << 10);
  ASSERT_EQ(i.cycles.size(), 1u);
  EXPECT_EQ(i.cycles[0].kind, "Concurrent");
  EXPECT_EQ(i.cycles[0].mark_ns, 400'000'000u);
  EXPECT_EQ(i.cycles[0].duration_ns, 5'100'000'000u);
  EXPECT_FALSE(i.cycles[0].aborted);
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
}

TEST(JvmPreunified, TakesTheHeapOfG1FromTheLinesBelow) {
  const Incident i = read(
      "7.203: [GC pause (G1 Humongous Allocation) (young) (initial-mark) (to-space exhausted)7.204:"
      " [SoftReference, 0 refs, 0.0000277 secs]7.204: [JNI Weak Reference, 0.0000054 secs], "
      "0.0524360 secs]\n"
      "   [Parallel Time: 2.1 ms, GC Workers: 8]\n"
      "      [Update RS (ms): Min: 0.0, Avg: 0.0, Max: 0.0, Diff: 0.0, Sum: 0.0]\n"
      "   [Eden: 5120.0K(5120.0K)->0.0B(3072.0K) Survivors: 0.0B->1024.0K Heap: 8878.7K(13.0M)->"
      "5628.7K(13.0M)]\n"
      " [Times: user=0.02 sys=0.00, real=0.00 secs] \n"
      "7.300: [GC concurrent-mark-start]\n"
      "7.400: [GC remark 7.400: [GC ref-proc, 0.0000100 secs], 0.0010000 secs]\n"
      "7.500: [GC cleanup 12M->11M(13M), 0.0005000 secs]\n"
      "7.510: [GC concurrent-cleanup-end, 0.0000100 secs]\n");
  ASSERT_EQ(i.pauses.size(), 3u);
  EXPECT_EQ(i.pauses[0].kind, "GC pause (young) (initial-mark)");
  EXPECT_EQ(i.pauses[0].cause, "G1 Humongous Allocation");
  EXPECT_EQ(i.pauses[0].duration_ns, 52'436'000u);
  EXPECT_EQ(i.pauses[0].capacity_bytes, 13u << 20);
  EXPECT_NEAR(static_cast<double>(i.pauses[0].after_bytes), 5628.7 * 1024, 1);
  EXPECT_TRUE(i.cycles[0].to_space_exhausted);
  EXPECT_EQ(i.pauses[1].kind, "GC remark");
  EXPECT_EQ(i.pauses[2].kind, "GC cleanup");
  EXPECT_EQ(count(i, "humongous allocation"), 1u);
  EXPECT_EQ(count(i, "to-space exhausted"), 1u);
  EXPECT_EQ(count(i, "concurrent cycle"), 1u);
}

TEST(JvmPreunified, KeepsAStopAndItsCollectionOnePause) {
  const Incident i = read(
      "1.000: Application time: 0.9606750 seconds\n"
      "1.000: [GC (Allocation Failure)  4096K->1024K(15872K), 0.0100000 secs]\n"
      "1.010: Total time for which application threads were stopped: 0.0120000 seconds, Stopping "
      "threads took: 0.0015000 seconds\n"
      "2.000: Total time for which application threads were stopped: 0.0002590 seconds\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_EQ(i.pauses[0].kind, "GC");
  EXPECT_EQ(i.pauses[0].stopping_ns, 1'500'000u);
  EXPECT_EQ(i.pauses[1].kind, "Safepoint");
  EXPECT_EQ(i.pauses[1].start_ns, 2'000'000'000 - 259'000);
  EXPECT_FALSE(i.pauses[1].stopping_known);
}

TEST(JvmPreunified, ReadsNoiseOfAdaptiveSizes) {
  const Incident i = read(
      "1.000: [GC (Allocation Failure) AdaptiveSizePolicy::update_averages:  survived: 1048 "
      "promoted: 8192 overflow: false\n"
      "AdaptiveSizeStart: 1.010 collection: 1 \n"
      "PSAdaptiveSizePolicy::compute_eden_space_size: costs minor_time: 0.000000\n"
      "AdaptiveSizeStop: collection: 1 \n"
      "[PSYoungGen: 33280K->1024K(38400K)] 33280K->1032K(125952K), 0.0020000 secs] [Times: "
      "user=0.00 sys=0.00, real=0.00 secs] \n");
  ASSERT_EQ(i.pauses.size(), 1u);
  EXPECT_EQ(i.pauses[0].after_bytes, 1032u << 10);
  EXPECT_EQ(i.pauses[0].cause, "Allocation Failure");
}

TEST(JvmPreunified, CountsAFailedPromotionOfParallelByItsDashes) {
  const Incident i = read(
      "1.000: [GC-- [PSYoungGen: 33280K->33280K(38400K)] 133280K->125952K(125952K), 0.2 secs]\n"
      "2.000: [GC (Allocation Failure) --[PSYoungGen: 33280K->33280K(38400K)] 133280K->125952K"
      "(125952K), 0.2 secs]\n");
  EXPECT_EQ(i.pauses.size(), 2u);
  EXPECT_EQ(count(i, "promotion failed"), 2u);
  EXPECT_EQ(i.pauses[1].cause, "Allocation Failure");
}

TEST(JvmPreunified, ReadsDashesOfG1AsAFailedEvacuation) {
  const Incident i = read("1.000: [GC pause (young)-- 250M->249M(256M), 0.0852000 secs]\n");
  ASSERT_EQ(i.pauses.size(), 1u);
  EXPECT_EQ(i.pauses[0].kind, "GC pause (young)");
  EXPECT_TRUE(i.cycles[0].to_space_exhausted);
  EXPECT_FALSE(i.cycles[0].promotion_failed);
}

TEST(JvmPreunified, ReadsDatesWithoutUptimeAndDecimalCommas) {
  const Incident i = read(
      "2020-10-26 00:10:49 GC log file created gc.log.1\n"
      "2020-10-26T00:10:50.035-0800: [GC (Allocation Failure) 2020-10-26T00:10:50.035-0800: "
      "[DefNew: 34662K->4352K(39296K), 0,0082968 secs] 34662K->13138K(126720K), 0,0083793 secs]\n"
      "2020-10-26T00:10:51.035-0800: [GC (Allocation Failure) 2020-10-26T00:10:51.035-0800: "
      "[DefNew: 34662K->4352K(39296K), 0,0082968 secs] 34662K->13138K(126720K), 0,0083793 secs]\n");
  ASSERT_EQ(i.pauses.size(), 2u);
  EXPECT_EQ(i.pauses[0].duration_ns, 8'379'300u);
  EXPECT_EQ(i.pauses[1].start_ns - i.pauses[0].start_ns, 1'000'000'000);
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
  EXPECT_FALSE(i.artefacts[0].zero_is_process_start);
}

TEST(JvmPreunified, GoesOnAfterACollectionThatLostItsEnd) {
  const Incident i = read(
      "1.000: [GC (Allocation Failure) 1.000: [DefNew: 8704K->1088K(97\n"
      "2.000: [GC (Allocation Failure) 2.000: [DefNew: 8704K->1088K(9792K), 0.001 secs] 8704K->"
      "1634K(31680K), 0.0040000 secs]\n"
      "3.000: [GC (Allocation Failure) 3.000: [DefNew: 8704K->1088K(9792K), 0.0");
  ASSERT_EQ(i.pauses.size(), 1u);
  EXPECT_EQ(i.pauses[0].start_ns, 2'000'000'000);
  EXPECT_EQ(i.artefacts[0].records_unknown, 2u);
  EXPECT_TRUE(i.artefacts[0].cut);
}

TEST(JvmPreunified, TakesVersionAndFlagsFromTheHeader) {
  const Incident i = read(
      "Java HotSpot(TM) 64-Bit Server VM (25.121-b13) for bsd-amd64 JRE (1.8.0_121-b13), built on "
      "Dec 12 2016\n"
      "Memory: 4k page, physical 16777216k(223036k free)\n"
      "CommandLine flags: -XX:InitialHeapSize=268435456 -XX:MaxHeapSize=2147483648 -XX:+UseG1GC \n"
      "0.279: [GC pause (G1 Evacuation Pause) (young), 0.0139744 secs]\n");
  EXPECT_EQ(i.facts.version, "1.8.0_121-b13");
  EXPECT_EQ(i.facts.heap_max_bytes, 2147483648u);
  EXPECT_EQ(i.facts.collector, "G1");
  EXPECT_EQ(i.facts.flags.size(), 3u);
  EXPECT_EQ(i.artefacts[0].version, "JDK 1.8.0_121-b13, G1");
}

TEST(JvmPreunified, ReadsMinimalLogsOfCms) {
  const Incident i = read(
      "99.907: [GC 38657K->22213K(83008K), 0.0040217 secs]\n"
      "128.147: [GC 41003K(83008K), 0.0032403 secs]\n"
      "129.100: [Full GC 20892K->10474K(83008K), 0.0988047 secs]\n");
  ASSERT_EQ(i.pauses.size(), 3u);
  EXPECT_EQ(i.pauses[1].kind, "GC (CMS mark)");
  EXPECT_EQ(i.facts.collector, "CMS");
  EXPECT_EQ(i.cycles.size(), 2u);
}

}  // namespace
}  // namespace ullage::trace

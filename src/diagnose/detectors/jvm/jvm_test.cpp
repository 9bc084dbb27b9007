// SPDX-License-Identifier: Apache-2.0
//
// The detectors of JVM incidents: where each must speak, and the look-alike it stays silent on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "diagnose/detectors/jvm/jvm_testing.h"
#include "diagnose/detectors/jvm/ladder.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

using namespace jvm_testing;  // NOLINT(google-build-using-namespace)
using testing::HasSubstr;

// ---- J1: an array that grows

TEST(JvmHumongousGrowth, SpeaksOfAnArrayListThatGrewThroughHumongousRegions) {
  Evidence e = of_jvm("G1");
  humongous(e, 8, 8);
  humongous(e, 20, 20);                             // 12
  humongous(e, 38, 38, "G1 Humongous Allocation");  // 18
  humongous(e, 65, 65);                             // 27
  add(e, "Full", 1700).humongous_before = -1;
  const auto f = find(e, "jvm-humongous-growth");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->where.file, "gc.log");
  EXPECT_EQ(f->where.line, 40);
  EXPECT_EQ(f->where.function, "");
  EXPECT_EQ(f->cost.stall_ns, 1705 * kMs);
  EXPECT_EQ(f->cost.stall_ns_max, 1700 * kMs);
  EXPECT_EQ(f->advised_elements, 27 * kMb / 4);
  EXPECT_THAT(said(*f), HasSubstr("8, 12, 18, 27 humongous regions"));
  EXPECT_THAT(said(*f), HasSubstr("new ArrayList<>(7077888)"));
  EXPECT_THAT(said(*f), HasSubstr("1 full collection followed"));
}

TEST(JvmHumongousGrowth, SpeaksOfATableThatDoubledAsANoteWhenNothingWasPaid) {
  Evidence e = of_jvm("G1");
  for (const std::int64_t regions : {3, 8, 17, 34}) humongous(e, regions, regions);
  humongous(e, 67, 67);  // 5, 9, 17, 33
  const auto f = find(e, "jvm-humongous-growth");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kNote);
  EXPECT_EQ(f->cost.stall_ns, 0u);
  EXPECT_THAT(said(*f), HasSubstr("new HashMap<>((int) (n / 0.75f) + 1)"));
}

TEST(JvmHumongousGrowth, StaysSilentOnArraysOfOneSize) {
  Evidence e = of_jvm("G1");
  for (const std::int64_t regions : {31, 62, 93, 124}) {
    humongous(e, regions, regions, "G1 Humongous Allocation");
  }
  EXPECT_FALSE(find(e, "jvm-humongous-growth")) << "lists that were given their size";
}

TEST(JvmHumongousGrowth, NamesARegionSizeThatIsLargeEnough) {
  Evidence e = of_jvm("G1");
  for (const std::int64_t regions : {2, 5, 10}) humongous(e, regions, regions);  // 2, 3, 5
  humongous(e, 17, 17, "G1 Humongous Allocation");                               // 7
  const auto f = find(e, "jvm-humongous-growth");
  ASSERT_TRUE(f);
  EXPECT_THAT(f->remedy, HasSubstr("-XX:G1HeapRegionSize=16m"));
}

TEST(JvmHumongousGrowth, SpeaksWithoutTheNumberWhenStepsWereNotSeenSingly) {
  Evidence e = of_jvm("G1");
  humongous(e, 16, 16);
  humongous(e, 28, 28);                             // 12: two steps in one
  humongous(e, 39, 39, "G1 Humongous Allocation");  // 11
  humongous(e, 64, 64);                             // 25
  EXPECT_EQ(jvm::humongous_ladder(e.incident).factor, 0);
  const auto f = find(e, "jvm-humongous-growth");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->advised_elements, 0u);
  EXPECT_LE(f->confidence, 0.5);
  EXPECT_THAT(said(*f), HasSubstr("11 to 25 humongous regions"));
}

TEST(JvmLadder, NeedsThreeRungsThatLeadToSomethingLarge) {
  Evidence e = of_jvm("G1");
  e.incident.facts.heap_max_bytes = 4096 * kMb;
  humongous(e, 2, 2);
  humongous(e, 5, 5);
  humongous(e, 9, 0);  // 2, 3, 4: small beside what follows
  humongous(e, 100, 100);
  EXPECT_TRUE(jvm::humongous_ladder(e.incident).rungs.empty());
}

// ---- buffers of one size

TEST(JvmHumongousChurn, SpeaksOfBuffersThatStartCollections) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 12; ++i) humongous(e, 112, 28, "G1 Humongous Allocation");
  const auto f = find(e, "jvm-humongous-churn");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->cost.events, 12u);
  EXPECT_THAT(said(*f), HasSubstr("12 of 12 young collections"));
  EXPECT_THAT(f->remedy, HasSubstr("-XX:G1HeapRegionSize=8m"));
}

TEST(JvmHumongousChurn, StaysSilentOnOneNowAndThen) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 9; ++i) humongous(e, 112, 28, "G1 Humongous Allocation");
  EXPECT_FALSE(find(e, "jvm-humongous-churn"));
  for (int i = 0; i < 100; ++i) humongous(e, 0, 0);
  humongous(e, 112, 28, "G1 Humongous Allocation");
  EXPECT_FALSE(find(e, "jvm-humongous-churn")) << "ten among a hundred others";
}

// ---- J2

TEST(JvmEvacuationFailure, SpeaksAndCountsTheFullCollectionItLedTo) {
  Evidence e = of_jvm("G1");
  heap(add(e, "Young", 5), 100, 50, 256);
  GcCycle& failed = heap(add(e, "Young", 80), 250, 240, 256);
  failed.to_space_exhausted = true;
  failed.humongous_before = 100;
  heap(add(e, "Full", 900), 250, 90, 256);
  heap(add(e, "Young", 5), 150, 90, 256);
  const auto f = find(e, "jvm-evacuation-failure");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->cost.stall_ns, 980 * kMs);
  EXPECT_EQ(f->cost.events, 1u);
  EXPECT_EQ(f->where.line, 20);
  EXPECT_THAT(f->remedy, HasSubstr("-XX:G1ReservePercent=20"));
  EXPECT_THAT(f->remedy, HasSubstr("-Xmx332m"));
  EXPECT_THAT(said(*f), HasSubstr("100 regions were humongous"));
}

TEST(JvmEvacuationFailure, IsToldWithTheFullCollectionsWhereTheHeapIsFull) {
  Evidence e = of_jvm("G1");
  heap(add(e, "Young", 5), 250, 250, 256).to_space_exhausted = true;
  for (int i = 0; i < 3; ++i) heap(add(e, "Full", 50), 255, 254, 256);
  const std::vector<Finding> findings = diagnose(e, {});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].detector, "jvm-full-gc-loop");
  ASSERT_EQ(findings[0].also.size(), 1u);
  EXPECT_EQ(findings[0].also[0].detector, "jvm-evacuation-failure");
  EXPECT_EQ(findings[0].cost.stall_ns, 150 * kMs) << "views of the same pauses count once";
  EXPECT_THAT(said(findings[0]), HasSubstr("room to evacuate to is the lesser problem"));
}

TEST(JvmEvacuationFailure, StaysSilentWhenEverythingFitted) {
  Evidence e = of_jvm("G1");
  heap(add(e, "Young", 500), 250, 240, 256);
  EXPECT_FALSE(find(e, "jvm-evacuation-failure"));
}

// ---- J3

TEST(JvmFullGcLoop, SpeaksWhenTheOldGenerationStaysFull) {
  Evidence e = of_jvm("Parallel");
  for (int i = 0; i < 4; ++i) {
    GcCycle& full = heap(add(e, "Full", 40), 110, 109, 123);
    full.cause = "Ergonomics";
    full.old_known = true;
    full.old_before_bytes = full.old_after_bytes = 84 * kMb;
    full.old_capacity_bytes = 85 * kMb;
  }
  const auto f = find(e, "jvm-full-gc-loop");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->cost.stall_ns, 160 * kMs);
  EXPECT_EQ(f->cost.wasted_bytes, 109 * kMb);
  EXPECT_THAT(said(*f), HasSubstr("4 of 4 full collections (Ergonomics)"));
  EXPECT_THAT(said(*f), HasSubstr("old generation was 98.8 % full"));
}

TEST(JvmFullGcLoop, SpeaksOfTwoThatLeftTheHeapExhausted) {
  Evidence e = of_jvm("G1");
  heap(add(e, "Full", 4), 126, 126, 128);
  heap(add(e, "Full", 17), 126, 125, 128);
  e.incident.facts.crash = "java.lang.OutOfMemoryError: Java heap space";
  const auto f = find(e, "jvm-full-gc-loop");
  ASSERT_TRUE(f);
  EXPECT_THAT(said(*f), HasSubstr("OutOfMemoryError: Java heap space"));
}

TEST(JvmFullGcLoop, StaysSilentOnFullCollectionsThatHelpedOrWereAskedFor) {
  Evidence e = of_jvm("Parallel");
  for (int i = 0; i < 5; ++i) heap(add(e, "Full", 40), 120, 60, 123);
  for (int i = 0; i < 5; ++i) heap(add(e, "Full", 40), 120, 119, 123).forced = true;
  for (int i = 0; i < 5; ++i) {
    heap(add(e, "Full", 40), 120, 119, 123).cause = "Metadata GC Threshold";
  }
  EXPECT_FALSE(find(e, "jvm-full-gc-loop"));
  heap(add(e, "Full", 40), 120, 119, 123);
  EXPECT_FALSE(find(e, "jvm-full-gc-loop")) << "once, as while warming up";
}

// ---- J4

TEST(JvmConcurrentModeFailure, SpeaksOfCmsThatFellBehind) {
  Evidence e = of_jvm("CMS");
  GcCycle& failed = add(e, "Young", 5060);
  failed.promotion_failed = failed.concurrent_failure = failed.old_known = true;
  failed.old_before_bytes = 1000 * kMb;
  failed.old_after_bytes = 800 * kMb;
  failed.old_capacity_bytes = 2000 * kMb;
  const auto f = find(e, "jvm-concurrent-mode-failure");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->cost.stall_ns, 5060 * kMs);
  EXPECT_THAT(said(*f), HasSubstr("1 concurrent mode failure and 1 failed promotion"));
  EXPECT_THAT(f->remedy, HasSubstr("CMSInitiatingOccupancyFraction"));
}

TEST(JvmConcurrentModeFailure, StaysSilentOnTheDashesOfParallel) {
  Evidence e = of_jvm("Parallel");
  add(e, "Young", 500).promotion_failed = true;
  EXPECT_FALSE(find(e, "jvm-concurrent-mode-failure"));
  Evidence healthy = of_jvm("CMS");
  add(healthy, "Young", 500);
  EXPECT_FALSE(find(healthy, "jvm-concurrent-mode-failure"));
}

// ---- J5

TEST(JvmAllocationStall, SpeaksOfThreadsThatWaited) {
  Evidence e = of_jvm("Z");
  add(e, "Concurrent", 30).live_bytes = 250 * kMb;
  e.incident.stalls = {{"worker-1", 1'000'000'000, 20 * kMs, 1, {0, Position::Unit::kLine, 7}},
                       {"worker-2", 1'100'000'000, 150 * kMs, 1, {0, Position::Unit::kLine, 8}}};
  const auto f = find(e, "jvm-allocation-stall");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->cost.stall_ns, 170 * kMs);
  EXPECT_EQ(f->cost.stall_ns_max, 150 * kMs);
  EXPECT_EQ(f->where.line, 8);
  EXPECT_THAT(said(*f), HasSubstr("2 allocation stalls in 2 threads"));
  EXPECT_THAT(f->remedy, HasSubstr("-XX:ConcGCThreads=4"));
}

TEST(JvmAllocationStall, SpeaksOfDegeneratedCollectionsOfShenandoah) {
  Evidence e = of_jvm("Shenandoah");
  add(e, "Degenerated", 22);
  const auto f = find(e, "jvm-allocation-stall");
  ASSERT_TRUE(f);
  EXPECT_THAT(said(*f), HasSubstr("1 degenerated collection"));
}

TEST(JvmAllocationStall, StaysSilentOnAMillisecondNowAndThen) {
  Evidence e = of_jvm("Z");
  for (int i = 0; i < 9; ++i) e.incident.stalls.push_back({"main", i, kMs, 1, {}});
  EXPECT_FALSE(find(e, "jvm-allocation-stall"));
}

// ---- J6

struct Row {
  const char* name;
  std::uint64_t instances, mb;
};

void histogram(Evidence& evidence, const std::vector<Row>& rows) {
  evidence::Incident& incident = evidence.incident;
  const auto snapshot = static_cast<std::uint32_t>(incident.snapshots.size());
  incident.snapshots.emplace_back();
  incident.snapshots.back().kind = "histogram";
  for (const Row& row : rows) {
    incident.classes.push_back({row.name, row.instances, row.mb * kMb, snapshot});
  }
}

TEST(JvmOverRetention, SpeaksOfViewsThatKeepArrays) {
  Evidence e = of_jvm("G1");
  histogram(e, {{"byte[]", 1000, 10}, {"java.util.ArrayList$SubList", 10, 0}});
  histogram(e, {{"byte[]", 1100, 110}, {"java.nio.HeapByteBuffer", 110, 1}});
  const auto f = find(e, "jvm-over-retention");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->cost.wasted_bytes, 100 * kMb);
  EXPECT_EQ(f->title, "java.nio.HeapByteBuffer keeps byte[] alive");
  EXPECT_THAT(f->remedy, HasSubstr("Arrays.copyOfRange"));
}

TEST(JvmOverRetention, SpeaksOfAClassThatKeepsGrowing) {
  Evidence e = of_jvm("G1");
  histogram(e, {{"com.acme.Session", 1000, 10}, {"byte[]", 5000, 5}});
  histogram(e, {{"com.acme.Session", 4000, 40}, {"byte[]", 5000, 5}});
  histogram(e, {{"com.acme.Session", 7000, 70}, {"byte[]", 6000, 6}});
  const auto f = find(e, "jvm-over-retention");
  ASSERT_TRUE(f);
  EXPECT_THAT(f->title, HasSubstr("com.acme.Session keeps growing"));
  EXPECT_EQ(f->cost.events, 6000u);
}

TEST(JvmOverRetention, StaysSilentOnGrowthThatCameToRest) {
  Evidence one = of_jvm("G1");
  histogram(one, {{"byte[]", 1000, 100}});
  EXPECT_FALSE(find(one, "jvm-over-retention"));
  Evidence rest = of_jvm("G1");
  histogram(rest, {{"com.acme.Session", 1000, 10}});
  histogram(rest, {{"com.acme.Session", 4000, 40}});
  histogram(rest, {{"com.acme.Session", 4000, 40}});
  EXPECT_FALSE(find(rest, "jvm-over-retention")) << "a cache that filled";
  Evidence shift = of_jvm("G1");
  histogram(shift, {{"com.acme.A", 1000, 50}, {"com.acme.B", 10, 1}});
  histogram(shift, {{"com.acme.A", 10, 1}, {"com.acme.B", 1000, 50}});
  EXPECT_FALSE(find(shift, "jvm-over-retention")) << "one for another";
}

TEST(JvmOverRetention, StaysSilentWhereTheHistogramCountsTheDead) {
  const auto with_log = [](std::uint64_t first_mb, std::uint64_t last_mb) {
    Evidence e = of_jvm("G1");
    for (std::uint64_t i = 0; i < 8; ++i) {
      heap(add(e, "Young", 5), 200, first_mb + (last_mb - first_mb) * i / 7, 256);
    }
    histogram(e, {{"byte[]", 1000, 10}});
    histogram(e, {{"byte[]", 9000, 90}});
    return find(e, "jvm-over-retention").has_value();
  };
  EXPECT_FALSE(with_log(12, 12)) << "collections leave 12 MB: most of 90 is dead";
  EXPECT_TRUE(with_log(10, 95)) << "what is live grows as the histograms do";
}

// ---- J7

evidence::Recursion recursion(const std::string& function, std::uint64_t repeats, bool overflowed) {
  evidence::Recursion r;
  evidence::Frame frame;
  frame.function = function;
  frame.file = "View.java";
  frame.line = 12;
  r.cycle = {frame};
  r.repeats = r.frames = repeats;
  r.overflowed = overflowed;
  r.cut = overflowed;
  r.thread = "main";
  r.where = {0, Position::Unit::kLine, 3};
  return r;
}

TEST(JvmDeepDelegation, SpeaksOfViewsThatOverflowedTheStack) {
  Evidence e = of_jvm("");
  e.incident.recursions = {recursion("com.acme.View.get", 1024, true)};
  const auto f = find(e, "jvm-deep-delegation");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->where.file, "View.java");
  EXPECT_EQ(f->where.line, 12);
  EXPECT_THAT(said(*f),
              HasSubstr("1 024 times the same 1 frame: com.acme.View.get (View.java:12)"));
  EXPECT_THAT(f->remedy, HasSubstr("new ArrayList<>(view)"));
}

TEST(JvmDeepDelegation, BlamesTheUsersFrameRatherThanTheLibrarys) {
  Evidence e = of_jvm("");
  e.incident.recursions = {recursion("java.util.Collections$SynchronizedList.get", 900, true)};
  e.incident.recursions[0].cycle[0].library = true;
  e.incident.recursions[0].entered_from.function = "com.acme.Main.read";
  e.incident.recursions[0].entered_from.line = 7;
  const auto f = find(e, "jvm-deep-delegation");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->where.function, "com.acme.Main.read");
}

TEST(JvmDeepDelegation, BlamesTheMethodAndNotTheBridgeBeforeItWhicheverIsOnTop) {
  for (const std::uint64_t top : {24, 11}) {
    Evidence e = of_jvm("");
    e.incident.recursions = {recursion("com.acme.Audited.get", 512, true)};
    std::vector<evidence::Frame>& cycle = e.incident.recursions[0].cycle;
    cycle.push_back(cycle[0]);
    cycle[0].line = top;
    cycle[1].line = 24 + 11 - top;
    const auto f = find(e, "jvm-deep-delegation");
    ASSERT_TRUE(f);
    EXPECT_EQ(f->where.line, 24u) << top;
  }
}

TEST(JvmDeepDelegation, SaysOfADeepStackThatStandsOnlyThatItIsDeep) {
  Evidence e = of_jvm("");
  e.incident.recursions = {recursion("com.acme.Parser.expression", 400, false)};
  const auto f = find(e, "jvm-deep-delegation");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kNote);
  EXPECT_THAT(f->remedy, HasSubstr("ArrayDeque"));
}

TEST(JvmDeepDelegation, StaysSilentOnAWalkDownATree) {
  Evidence e = of_jvm("");
  e.incident.recursions = {recursion("com.acme.Tree.walk", 60, false)};
  EXPECT_FALSE(find(e, "jvm-deep-delegation"));
}

// ---- all of them

TEST(JvmDetectors, HaveEachASuite) {
  const testing::UnitTest& tests = *testing::UnitTest::GetInstance();
  for (const Detector& detector : diagnose::detectors()) {
    if (!std::string(detector.name).starts_with("jvm-")) continue;
    std::string suite;  // "jvm-full-gc-loop" -> "JvmFullGcLoop"
    bool upper = true;
    for (const char* c = detector.name; *c != '\0'; ++c) {
      if (*c != '-') suite += upper ? static_cast<char>(*c - 'a' + 'A') : *c;
      upper = *c == '-';
    }
    bool speaks = false, silent = false;
    for (int i = 0; i < tests.total_test_suite_count(); ++i) {
      const testing::TestSuite& found = *tests.GetTestSuite(i);
      if (found.name() != suite) continue;
      for (int j = 0; j < found.total_test_count(); ++j) {
        const std::string name = found.GetTestInfo(j)->name();
        speaks |= name.starts_with("Speaks");
        silent |= name.starts_with("StaysSilent");
      }
    }
    EXPECT_TRUE(speaks) << detector.name << " never speaks";
    EXPECT_TRUE(silent) << detector.name << " is never silent";
  }
}

TEST(JvmDetectors, SayNothingOfOtherRuntimes) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 12; ++i) humongous(e, 112, 28, "G1 Humongous Allocation");
  for (int i = 0; i < 4; ++i) heap(add(e, "Full", 40), 255, 254, 256);
  e.incident.recursions = {recursion("f", 1024, true)};
  e.incident.facts.runtime = evidence::Runtime::kGo;
  for (const Finding& finding : diagnose(e, {})) {
    EXPECT_FALSE(finding.detector.starts_with("jvm-")) << finding.detector;
  }
}

TEST(JvmDetectors, NameAPlaceANextCommandAndARemedy) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 12; ++i) humongous(e, 112, 28, "G1 Humongous Allocation");
  for (int i = 0; i < 4; ++i) heap(add(e, "Full", 40), 255, 254, 256).to_space_exhausted = true;
  e.incident.recursions = {recursion("com.acme.View.get", 1024, true)};
  const std::vector<Finding> findings = diagnose(e, {});
  EXPECT_EQ(findings.size(), 3u) << "what found no room is told with what filled the heap";
  for (const Finding& finding : findings) {
    EXPECT_NE(finding.where.file, "") << finding.detector;
    EXPECT_NE(finding.remedy, "") << finding.detector;
    EXPECT_NE(finding.check, "") << finding.detector;
    EXPECT_FALSE(finding.evidence.empty()) << finding.detector;
    EXPECT_EQ(finding.fingerprint.size(), 16u) << finding.detector;
  }
}

}  // namespace
}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/detectors/jvm/jvm_testing.h"

namespace ullage::diagnose {
namespace {

using namespace jvm_testing;  // NOLINT(google-build-using-namespace)
using testing::HasSubstr;

void asked(Evidence& evidence, const std::string& cause, std::uint64_t ms) {
  GcCycle& cycle = heap(add(evidence, "Full", ms), 50, 40, 256);
  cycle.cause = cause;
  cycle.times_known = cycle.forced = true;
}

TEST(JvmExplicitGc, SpeaksOfSystemGcAndSaysWhatItFreed) {
  Evidence e = of_jvm("Parallel");
  for (int i = 0; i < 4; ++i) asked(e, "System.gc()", 20);
  heap(add(e, "Young", 5), 60, 40, 256).cause = "Allocation Failure";
  const auto f = find(e, "jvm-explicit-gc");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kWarning);
  EXPECT_EQ(f->where.file, "gc.log");
  EXPECT_EQ(f->cost.stall_ns, 80 * kMs);
  EXPECT_EQ(f->cost.events, 4u);
  EXPECT_THAT(said(*f), HasSubstr("4 of 5 collections (System.gc()) stopped the program for 80"));
  EXPECT_THAT(said(*f), HasSubstr("one in 1 s on average"));
  EXPECT_THAT(said(*f), HasSubstr("-XX:+ExplicitGCInvokesConcurrent"));
}

TEST(JvmExplicitGc, SpeaksOfJcmdAndTellsItApartFromTheProgram) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 3; ++i) asked(e, "Diagnostic Command", 150);
  const auto f = find(e, "jvm-explicit-gc");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_THAT(f->title, HasSubstr("jcmd (Diagnostic Command)"));
  EXPECT_THAT(f->remedy, HasSubstr("GC.run"));
}

TEST(JvmExplicitGc, SpeaksAtTheLineThatAThreadDumpCaughtCalling) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 3; ++i) asked(e, "System.gc()", 20);
  evidence::GoroutineGroup group;
  group.stack.resize(3);
  group.stack[0].function = "java.lang.Runtime.gc";
  group.stack[1].function = "java.lang.System.gc";
  group.stack[0].library = group.stack[1].library = true;
  group.stack[2].function = "com.acme.Batch.end";
  group.stack[2].file = "Batch.java";
  group.stack[2].line = 40;
  e.incident.goroutines = {group};
  const auto f = find(e, "jvm-explicit-gc");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->where.place(), "Batch.java:40");
}

TEST(JvmExplicitGc, SpeaksOfHistogramsInANote) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 3; ++i) asked(e, "Heap Inspection Initiated GC", 20);
  const auto f = find(e, "jvm-explicit-gc");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kNote);
  EXPECT_THAT(f->title, HasSubstr("histogram"));
}

TEST(JvmExplicitGc, StaysSilentOnTwoShortOnesAndOnWhatTheHeapAskedFor) {
  Evidence e = of_jvm("Parallel");
  asked(e, "System.gc()", 20);
  asked(e, "System.gc()", 20);
  for (int i = 0; i < 9; ++i) heap(add(e, "Full", 20), 120, 60, 256).cause = "Ergonomics";
  EXPECT_FALSE(find(e, "jvm-explicit-gc"));
  asked(e, "Heap Dump Initiated GC", 400);
  EXPECT_FALSE(find(e, "jvm-explicit-gc")) << "one dump, by hand";
}

TEST(JvmExplicitGc, StaysSilentOnTheTimeOfAConcurrentCycle) {
  Evidence e = of_jvm("Z");
  for (int i = 0; i < 2; ++i) {
    asked(e, "System.gc()", 900);
    e.incident.cycles.back().kind = "Concurrent";
    e.incident.cycles.back().stop_first_ns = 10'000;
  }
  EXPECT_FALSE(find(e, "jvm-explicit-gc"));
}

}  // namespace
}  // namespace ullage::diagnose

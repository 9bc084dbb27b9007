// SPDX-License-Identifier: Apache-2.0
//
// What fills the heap of a JVM, told by several artefacts: the stack of what ran out of memory, the
// log, histograms and a thread dump.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/detectors/jvm/growing.h"
#include "diagnose/detectors/jvm/jvm_testing.h"

namespace ullage::diagnose {
namespace {

using namespace jvm_testing;  // NOLINT(google-build-using-namespace)
using testing::HasSubstr;
using testing::IsEmpty;

evidence::Frame frame(const std::string& function, const std::string& file, int line) {
  evidence::Frame made;
  made.function = function;
  made.file = file;
  made.line = line;
  made.library = function.starts_with("java.");
  return made;
}

const evidence::Stack kListGrows = {
    frame("java.util.Arrays.copyOf", "Arrays.java", 3512),
    frame("java.util.ArrayList.grow", "ArrayList.java", 237),
    frame("java.util.ArrayList.add", "ArrayList.java", 454),
    frame("com.acme.Orders.load", "Orders.java", 12),
    frame("com.acme.Main.main", "Main.java", 5),
};
const evidence::Stack kAllocates = {
    frame("com.acme.Cache.put", "Cache.java", 30),
    frame("com.acme.Main.main", "Main.java", 6),
};

void ran_out(Evidence& evidence, const evidence::Stack& stack, const std::string& what,
             std::uint64_t count = 1) {
  evidence::OutOfMemory error;
  error.what = what;
  error.thread = "main";
  error.stack = stack;
  error.where = {0, Position::Unit::kLine, 3};
  error.count = count;
  evidence.incident.out_of_memory.push_back(error);
}

void full_heap(Evidence& evidence) {
  for (int i = 0; i < 4; ++i) heap(add(evidence, "Full", 40), 255, 254, 256);
}

void histograms(Evidence& evidence) {
  evidence.incident.artefacts.emplace_back().name = "histo.txt";
  for (std::uint32_t i = 0; i < 2; ++i) {
    evidence::Snapshot snapshot;
    snapshot.kind = "histogram";
    snapshot.artefact = 1;
    evidence.incident.snapshots.push_back(snapshot);
    evidence.incident.classes.push_back(
        {"com.acme.Session", 1000 + 9000 * i, 10 * kMb + 90 * kMb * i, i});
  }
}

TEST(JvmOutOfMemory, SpeaksAtTheLineWhoseListGrew) {
  Evidence e = of_jvm("G1");
  ran_out(e, kListGrows, "Java heap space");
  const auto f = find(e, "jvm-out-of-memory");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->severity, Severity::kError);
  EXPECT_EQ(f->where.place(), "Orders.java:12");
  EXPECT_EQ(f->growth.function, "java.util.ArrayList.grow");
  EXPECT_EQ(f->title, "memory ran out while an ArrayList grew: Java heap space");
  EXPECT_THAT(said(*f), HasSubstr("gc.log line 3: 1 OutOfMemoryError, in thread \"main\""));
  EXPECT_THAT(f->remedy, HasSubstr("new ArrayList<>(n)"));
}

TEST(JvmOutOfMemory, SpeaksForTheLineThatMetItMostAndNamesTheOthers) {
  Evidence e = of_jvm("G1");
  ran_out(e, kListGrows, "Java heap space");
  ran_out(e, kAllocates, "GC overhead limit exceeded", 7);
  const auto f = find(e, "jvm-out-of-memory");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->where.place(), "Cache.java:30");
  EXPECT_THAT(said(*f), HasSubstr("met as well at Orders.java:12 in com.acme.Orders.load"));
  EXPECT_THAT(said(*f), HasSubstr("what fills the heap may be another place"));
}

TEST(JvmOutOfMemory, SpeaksOfWhatIsNotTheHeapByItself) {
  Evidence e = of_jvm("G1");
  full_heap(e);
  ran_out(e, kAllocates, "Metaspace");
  const std::vector<Finding> findings = diagnose(e, {});
  ASSERT_EQ(findings.size(), 2u);
  const auto f = find(e, "jvm-out-of-memory");
  ASSERT_TRUE(f);
  EXPECT_THAT(f->remedy, HasSubstr("class loaders"));
}

TEST(JvmOutOfMemory, StaysSilentWithoutAStack) {
  Evidence e = of_jvm("G1");
  e.incident.facts.crash = "java.lang.OutOfMemoryError: Java heap space";
  EXPECT_FALSE(find(e, "jvm-out-of-memory"));
}

TEST(JvmGrowing, IsToldFromMereAllocation) {
  const auto list = jvm::growing(kListGrows);
  ASSERT_TRUE(list);
  EXPECT_STREQ(list->what, "an ArrayList") << "not the copy that it calls";
  EXPECT_FALSE(jvm::growing(kAllocates));
  EXPECT_FALSE(jvm::growing({frame("com.acme.Pool.take", "Pool.java", 3),
                             frame("java.util.HashMap.resize", "HashMap.java", 700)}))
      << "the user's own code was running";
}

TEST(JvmHeap, IsOneFindingForALogHistogramsAndTheLastStack) {
  Evidence e = of_jvm("Parallel");
  full_heap(e);
  histograms(e);
  ran_out(e, kAllocates, "Java heap space");
  const std::vector<Finding> findings = diagnose(e, {});
  ASSERT_EQ(findings.size(), 1u);
  const Finding& f = findings[0];
  EXPECT_EQ(f.detector, "jvm-over-retention") << "it says what fills the heap";
  EXPECT_EQ(f.where.place(), "Cache.java:30") << "the stack says where";
  EXPECT_EQ(f.severity, Severity::kError);
  EXPECT_EQ(f.cost.stall_ns, 160 * kMs);
  ASSERT_EQ(f.also.size(), 2u);
  EXPECT_EQ(f.also[0].detector, "jvm-full-gc-loop");
  EXPECT_EQ(f.also[1].detector, "jvm-out-of-memory");
  EXPECT_THAT(said(f), HasSubstr("com.acme.Session keeps growing"));
  EXPECT_THAT(said(f), HasSubstr("4 of 4 full collections"));
  EXPECT_THAT(said(f), HasSubstr("Cache.java:30 in com.acme.Cache.put asked for"));
}

TEST(JvmHeap, KeepsApartWhatIsAnother) {
  Evidence e = of_jvm("G1");
  for (int i = 0; i < 12; ++i) humongous(e, 112, 28, "G1 Humongous Allocation");
  histograms(e);
  EXPECT_EQ(diagnose(e, {}).size(), 2u) << "buffers that come and go do not fill the heap";
}

TEST(JvmDeepDelegation, IsOneFindingForTheOverflowAndTheDumpThatShowsIt) {
  Evidence e = of_jvm("");
  for (const bool overflowed : {true, false}) {
    evidence::Recursion recursion;
    recursion.cycle = {frame("com.acme.View.get", "View.java", 12)};
    recursion.repeats = recursion.frames = 900;
    recursion.overflowed = overflowed;
    e.incident.recursions.push_back(recursion);
  }
  const std::vector<Finding> findings = diagnose(e, {});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].also.size(), 1u);
}

TEST(JvmHumongousGrowth, SpeaksAtTheLineThatAThreadDumpCaughtGrowing) {
  Evidence e = of_jvm("G1");
  humongous(e, 8, 8);
  humongous(e, 20, 20);
  humongous(e, 38, 38, "G1 Humongous Allocation");
  humongous(e, 65, 65);
  e.incident.artefacts.emplace_back().name = "threads.txt";
  evidence::GoroutineGroup idle, grows;
  idle.stack = {frame("java.lang.Object.wait", "Object.java", 1),
                frame("com.acme.Pool.take", "Pool.java", 9)};
  idle.count = 40;
  idle.artefact = grows.artefact = 1;
  grows.stack = kListGrows;
  grows.count = 1;
  e.incident.goroutines = {idle, grows};
  const auto f = find(e, "jvm-humongous-growth");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->where.place(), "Orders.java:12");
  EXPECT_THAT(said(*f), HasSubstr("threads.txt: an ArrayList was growing at Orders.java:12"));
  EXPECT_THAT(f->also, IsEmpty());
}

}  // namespace
}  // namespace ullage::diagnose

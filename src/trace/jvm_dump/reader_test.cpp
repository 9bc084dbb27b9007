// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "trace/jvm_dump/histogram.h"

namespace ullage::trace {
namespace {

using evidence::Incident;

Incident read(const std::string& text) {
  auto evidence = read_jvm_dump(Input::from_text("dump.txt", text), {});
  EXPECT_TRUE(evidence.ok()) << evidence.error().message;
  return evidence.ok() ? evidence->incident : Incident{};
}

bool sniff(std::string_view text) {
  return sniff_jvm_dump({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

const std::string kHistogram =
    " num     #instances         #bytes  class name (module)\n"
    "-------------------------------------------------------\n"
    "   1:        200000        4800000  Dump$View\n"
    "   2:         15586        1113024  [B (java.base@17.0.15)\n"
    "   3:            10            400  java.lang.OutOfMemoryError (java.base@17.0.15)\n"
    "Total        215596        5913424\n";

TEST(JvmHistogram, BecomesASnapshotWithNamesAsInTheSource) {
  const Incident i = read("28608:\n" + kHistogram);
  ASSERT_EQ(i.snapshots.size(), 1u);
  EXPECT_EQ(i.snapshots[0].kind, "histogram");
  EXPECT_EQ(i.snapshots[0].inuse_bytes, 5'913'424u);
  ASSERT_EQ(i.classes.size(), 3u);
  EXPECT_EQ(i.classes[0].name, "Dump$View");
  EXPECT_EQ(i.classes[0].instances, 200'000u);
  EXPECT_EQ(i.classes[1].name, "byte[]");
  EXPECT_EQ(i.classes[1].bytes, 1'113'024u);
  EXPECT_EQ(i.facts.crash, "") << "a class of that name is no error";
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
}

TEST(JvmHistogram, MayStandTwiceInAFile) {
  const Incident i = read(kHistogram + kHistogram);
  ASSERT_EQ(i.snapshots.size(), 2u);
  EXPECT_EQ(i.classes[0].snapshot, 0u);
  EXPECT_EQ(i.classes[3].snapshot, 1u);
}

TEST(JvmHistogram, NamesArrays) {
  EXPECT_EQ(jvm::class_name("[Ljava.lang.Object;"), "java.lang.Object[]");
  EXPECT_EQ(jvm::class_name("[[J"), "long[][]");
  EXPECT_EQ(jvm::class_name("java.util.HashMap$Node"), "java.util.HashMap$Node");
  EXPECT_EQ(jvm::class_name("["), "[");
  EXPECT_EQ(jvm::class_name("[X"), "[X");
}

TEST(JvmThreads, AreGroupedByStackAndToldWhomTheyWaitFor) {
  const std::string blocked =
      "   java.lang.Thread.State: BLOCKED (on object monitor)\n"
      "\tat Work.run(Work.java:5)\n"
      "\t- waiting to lock <0x00000000ff44ec40> (a java.lang.Object)\n\n";
  const Incident i = read(
      "2026-11-27 21:10:33\n"
      "Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6-Debian mixed mode, sharing):\n\n"
      "Threads class SMR info:\n_java_thread_list=0x1, length=16, elements={\n0x01, 0x02\n}\n\n"
      "\"holder\" #10 prio=5 os_prio=0 cpu=1ms elapsed=3s tid=0x1 nid=0x2 sleeping [0x3]\n"
      "   java.lang.Thread.State: TIMED_WAITING (sleeping)\n"
      "\tat java.lang.Thread.sleep(java.base@17.0.15/Native Method)\n"
      "\tat Work.hold(Work.java:9)\n"
      "\t- locked <0x00000000ff44ec40> (a java.lang.Object)\n\n"
      "   Locked ownable synchronizers:\n\t- None\n\n"
      "\"w1\" #11 prio=5 tid=0x1 nid=0x2 waiting for monitor entry [0x3]\n" +
      blocked + "\"w2\" #12 prio=5 tid=0x1 nid=0x2 waiting for monitor entry [0x3]\n" + blocked +
      "\"GC Thread#0\" os_prio=0 cpu=1ms elapsed=3s tid=0x1 nid=0x2 runnable\n\n"
      "JNI global refs: 16, weak refs: 0\n");
  ASSERT_EQ(i.snapshots.size(), 1u);
  EXPECT_EQ(i.snapshots[0].goroutines, 4u);
  ASSERT_EQ(i.goroutines.size(), 2u);
  EXPECT_EQ(i.goroutines[0].state, "BLOCKED");
  EXPECT_EQ(i.goroutines[0].count, 2u);
  EXPECT_EQ(i.goroutines[0].stack[0].function, "Work.run");
  ASSERT_EQ(i.waits.size(), 1u);
  EXPECT_EQ(i.waits[0].count, 2u);
  EXPECT_EQ(i.waits[0].waiters_max, 2u);
  EXPECT_EQ(i.waits[0].reason, "lock of java.lang.Object held by \"holder\"");
  EXPECT_EQ(i.waits[0].released_by.back().function, "Work.hold");
  EXPECT_EQ(i.facts.version, "17.0.15+6-Debian");
  EXPECT_EQ(i.artefacts[0].records_unknown, 0u);
}

TEST(JvmThreads, DoNotCountTheStacksOfADeadlockAgain) {
  const Incident i = read(
      "Full thread dump OpenJDK 64-Bit Server VM (17 mixed mode):\n\n"
      "\"a\" #1 tid=0x1\n   java.lang.Thread.State: BLOCKED (on object monitor)\n"
      "\tat A.run(A.java:1)\n\n"
      "Found one Java-level deadlock:\n=============================\n"
      "\"a\":\n  waiting to lock monitor 0x1 (object 0x2, a java.lang.Object),\n"
      "Java stack information for the threads listed above:\n\"a\":\n\tat A.run(A.java:1)\n");
  EXPECT_EQ(i.snapshots[0].goroutines, 1u);
  EXPECT_THAT(i.event_counts, testing::Contains(testing::Pair("deadlock", 1u)));
}

TEST(JvmThreads, ThatAreManyAndDeepAreKeptWithinBounds) {
  std::string text = "Full thread dump OpenJDK 64-Bit Server VM (17 mixed mode):\n\n";
  std::string stack;
  for (int i = 0; i < 3000; ++i) stack += "\tat a.B.c(D.java:" + std::to_string(i) + ")\n";
  for (int i = 0; i < 300; ++i) {
    const std::string id = std::to_string(i);
    text += "\"t" + id + "\" #1 tid=0x1\n   java.lang.Thread.State: RUNNABLE\n\tat a.T" + id +
            ".run(T.java:1)\n" + stack + "\n";
  }
  const Incident i = read(text);
  EXPECT_EQ(i.goroutines.size(), 300u);
  std::size_t frames = 0;
  for (const auto& group : i.goroutines) frames += group.stack.size();
  EXPECT_LT(frames, 520'000u) << "of 900 000";
  EXPECT_EQ(i.snapshots[0].goroutines, 300u);
}

TEST(JvmThreads, ThatParkForWorkWaitForNobody) {
  const Incident i = read(
      "Full thread dump OpenJDK 64-Bit Server VM (17 mixed mode):\n\n"
      "\"pool-1\" #1 tid=0x1\n   java.lang.Thread.State: WAITING (parking)\n"
      "\tat jdk.internal.misc.Unsafe.park(java.base@17/Native Method)\n"
      "\t- parking to wait for  <0x00000000ff44ec40> (a java.util.Queue)\n\n");
  EXPECT_TRUE(i.waits.empty());
  EXPECT_EQ(i.goroutines[0].state, "WAITING");
}

std::string overflow(int frames, const std::string& end) {
  std::string text = "Exception in thread \"main\" java.lang.StackOverflowError\n";
  for (int i = 0; i < frames; ++i) text += "\tat com.acme.View.get(View.java:12)\n";
  return text + end;
}

TEST(JvmOverflow, IsFoundAmongOtherOutput) {
  const Incident i = read("2026-11-27 12:00:00 INFO starting\n" + overflow(1024, "done\n"));
  ASSERT_EQ(i.recursions.size(), 1u);
  const evidence::Recursion& r = i.recursions[0];
  EXPECT_TRUE(r.overflowed);
  EXPECT_TRUE(r.cut);
  EXPECT_EQ(r.thread, "main");
  EXPECT_EQ(r.repeats, 1024u);
  EXPECT_EQ(r.cycle[0].function, "com.acme.View.get");
  EXPECT_EQ(r.cycle[0].line, 12);
  EXPECT_EQ(r.where.at, 2u);
  EXPECT_EQ(i.facts.crash, "java.lang.StackOverflowError");
  EXPECT_EQ(i.artefacts[0].records_unknown, 2u);
}

TEST(JvmOverflow, KnowsTheWholeStackByItsEnd) {
  const Incident i = read(overflow(500, "\tat com.acme.Main.main(Main.java:3)\n"));
  ASSERT_EQ(i.recursions.size(), 1u);
  EXPECT_FALSE(i.recursions[0].cut);
  EXPECT_EQ(i.recursions[0].entered_from.function, "com.acme.Main.main");
}

TEST(JvmOverflow, IsCountedHoweverOftenItIsLogged) {
  const Incident i = read(overflow(300, "\n") + overflow(300, "\n") + overflow(300, "\n"));
  ASSERT_EQ(i.recursions.size(), 1u);
  EXPECT_EQ(i.recursions[0].count, 3u);
}

TEST(JvmOutOfMemory, KeepsTheStackOfWhatDidNotFit) {
  const std::string stack =
      "\tat java.base/java.util.Arrays.copyOf(Arrays.java:3512)\n"
      "\tat java.base/java.util.ArrayList.grow(ArrayList.java:237)\n"
      "\tat com.acme.Orders.load(Orders.java:12)\n";
  const Incident i =
      read("loading\nException in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n" +
           stack + "done\nCaused by: java.lang.OutOfMemoryError: Java heap space\n" + stack +
           "java.lang.OutOfMemoryError: Metaspace\n");
  ASSERT_EQ(i.out_of_memory.size(), 1u) << "the same stack is counted, one without is not kept";
  const evidence::OutOfMemory& error = i.out_of_memory[0];
  EXPECT_EQ(error.what, "Java heap space");
  EXPECT_EQ(error.thread, "main");
  EXPECT_EQ(error.count, 2u);
  EXPECT_EQ(error.where.at, 2u);
  ASSERT_EQ(error.stack.size(), 3u);
  EXPECT_EQ(error.stack[2].place(), "Orders.java:12");
  EXPECT_EQ(i.facts.crash, "java.lang.OutOfMemoryError: Java heap space");
}

TEST(JvmOutOfMemory, IsFoundInAThreadDumpAndInACrashReport) {
  const Incident dump = read(
      "Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode):\n\n"
      "\"worker\" #12 prio=5 os_prio=0 tid=0x1 nid=0x2 runnable  [0x3]\n"
      "   java.lang.Thread.State: RUNNABLE\n"
      "\tat java.lang.OutOfMemoryError.<init>(java.base@17.0.15/OutOfMemoryError.java:48)\n"
      "\tat com.acme.Cache.put(Cache.java:30)\n\n");
  ASSERT_EQ(dump.out_of_memory.size(), 1u);
  EXPECT_EQ(dump.out_of_memory[0].thread, "worker");
  EXPECT_EQ(dump.out_of_memory[0].stack[0].function, "com.acme.Cache.put");
  const Incident crash = read(
      "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n"
      "#  Internal Error (debug.cpp:362), pid=24300, tid=24301\n"
      "#  fatal error: OutOfMemory encountered: Java heap space\n#\n"
      "Current thread (0x00007f8ccc017fb0):  JavaThread \"main\" [_thread_in_vm, id=1]\n\n"
      "Java frames: (J=compiled Java code, j=interpreted, Vv=VM code)\n"
      "j  java.util.ArrayList.grow(I)[Ljava/lang/Object;+37 java.base@17.0.15\n"
      "j  Oom.fill()V+14\nv  ~StubRoutines::call_stub\n\n");
  ASSERT_EQ(crash.out_of_memory.size(), 1u);
  EXPECT_EQ(crash.out_of_memory[0].what, "Java heap space");
  EXPECT_EQ(crash.out_of_memory[0].thread, "main");
  EXPECT_EQ(crash.out_of_memory[0].stack[1].function, "Oom.fill");
  EXPECT_EQ(crash.facts.crash, "java.lang.OutOfMemoryError: Java heap space");
}

TEST(JvmCrash, TellsSignalFrameVersionAndHeap) {
  const Incident i = read(
      "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n"
      "#  SIGSEGV (0xb) at pc=0x00007f3f1c0b8d21, pid=4711, tid=4712\n#\n"
      "# JRE version: OpenJDK Runtime Environment (17.0.15+6) (build 17.0.15+6-Debian-1deb12u1)\n"
      "# Java VM: OpenJDK 64-Bit Server VM (17.0.15+6, mixed mode, g1 gc, linux-amd64)\n"
      "# Problematic frame:\n# C  [libnative.so+0x1139]  crash+0x9\n#\n\n"
      "Command Line: -Xmx64m -XX:+UseG1GC com.acme.Main arg\n\n"
      "Java frames: (J=compiled Java code, j=interpreted, Vv=VM code)\n"
      "j  com.acme.Main.call()V+0\nj  com.acme.Main.main([Ljava/lang/String;)V+4\n"
      "v  ~StubRoutines::call_stub\n\n"
      "Heap:\n garbage-first heap   total 65536K, used 5413K [0x00000000fc000000, 0x1)\n"
      "  region size 1024K, 5 young (5120K), 0 survivors (0K)\n\n");
  EXPECT_EQ(i.facts.crash, "SIGSEGV (0xb) in C  [libnative.so+0x1139]  crash+0x9");
  EXPECT_EQ(i.facts.version, "17.0.15+6-Debian-1deb12u1");
  EXPECT_EQ(i.facts.collector, "G1");
  EXPECT_EQ(i.facts.heap_max_bytes, 64u << 20);
  EXPECT_EQ(i.facts.region_bytes, 1u << 20);
  EXPECT_EQ(i.facts.program, "com.acme.Main");
  EXPECT_EQ(i.artefacts[0].format, "JVM crash report (hs_err)");
  ASSERT_EQ(i.snapshots.size(), 1u);
  EXPECT_EQ(i.snapshots[0].inuse_bytes, 5413u << 10);
}

TEST(JvmCrash, ShowsTheRecursionThatKilledIt) {
  std::string text =
      "# A fatal error has been detected by the Java Runtime Environment:\n"
      "#  SIGSEGV (0xb) at pc=0x1, pid=1, tid=1\n"
      "Java frames: (J=compiled Java code, j=interpreted, Vv=VM code)\n";
  for (int i = 0; i < 400; ++i) {
    text += "J 12 c1 com.acme.View.get(I)I (14 bytes) @ 0x00007f3f [0x00007f3f+0x21]\n";
  }
  const Incident i = read(text);
  ASSERT_EQ(i.recursions.size(), 1u);
  EXPECT_EQ(i.recursions[0].cycle[0].function, "com.acme.View.get");
  EXPECT_EQ(i.recursions[0].repeats, 400u);
}

TEST(JvmCrash, SaysWhenMemoryOfTheSystemRanOut) {
  const Incident i = read(
      "#\n# There is insufficient memory for the Java Runtime Environment to continue.\n"
      "# Native memory allocation (mmap) failed to map 16384 bytes for committing reserved "
      "memory.\n");
  EXPECT_THAT(i.facts.crash, testing::HasSubstr("failed to map 16384 bytes"));
}

TEST(JvmDump, IsKnownByContent) {
  EXPECT_TRUE(sniff(kHistogram));
  EXPECT_TRUE(sniff(" num     #instances         #bytes  class name\n"));
  EXPECT_TRUE(sniff("Full thread dump Java HotSpot(TM) 64-Bit Server VM (25.1 mixed mode):\n"));
  EXPECT_TRUE(sniff("x\njava.lang.OutOfMemoryError: Java heap space\n"));
  EXPECT_FALSE(sniff("goroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1d\n"));
  EXPECT_FALSE(sniff("plain text\n"));
}

TEST(JvmDump, WithoutAnythingOfAJvmIsRefused) {
  const auto evidence = read_jvm_dump(Input::from_text("notes.txt", "hello\n"), {});
  ASSERT_FALSE(evidence.ok());
  EXPECT_THAT(evidence.error().message, testing::HasSubstr("GC.class_histogram"));
}

}  // namespace
}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/text_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/pprof/reader.h"

namespace ullage::trace {
namespace {

using evidence::Incident;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Incident read(std::string_view text) {
  const Input input = Input::from_text("a.txt", text);
  EXPECT_TRUE(sniff_go_text_profile(input.bytes()));
  const auto e = read_go_text_profile(input, {});
  EXPECT_TRUE(e.ok()) << e.error().message;
  return e.ok() ? e->incident : Incident{};
}

constexpr char kHeap[] =
    "heap profile: 1: 2097152 [3: 3145728] @ heap/1048576\n"
    "0: 0 [2: 1048576] @ 0x401115 0x402116 0x401031 0x401041\n"
    "#\t0x401030\tmain.fill+0x30\tapp/main.go:26\n"
    "#\t0x401040\tmain.main+0x10\tapp/main.go:30\n"
    "\n"
    "1: 2097152 [1: 2097152] @ 0x401110 0x402116 0x401031 0x401041\n"
    "#\t0x401030\tmain.fill+0x30\tapp/main.go:26\n"
    "#\t0x401040\tmain.main+0x10\tapp/main.go:30\n"
    "\n"
    "\n"
    "# runtime.MemStats\n"
    "# HeapInuse = 264142848\n"
    "# Stack = 425984 / 524288\n"
    "# LastGC = 1700000000000000000\n"
    "# PauseNs = [170605 32955]\n"
    "# DebugGC = false\n";

TEST(TextProfile, UndoesSamplingAndJoinsSizesOfOneStack) {
  const Incident i = read(kHeap);
  ASSERT_EQ(i.heap_sites.size(), 1u);  // allocators differ by size, the program's line does not
  const evidence::HeapSite& site = i.heap_sites[0];
  // 512 KiB at a rate of 512 KiB: seen with probability 1 - 1/e; 2 MiB with 0.98.
  EXPECT_EQ(site.alloc_objects, 3u + 1u);
  EXPECT_EQ(site.alloc_bytes, 1658822u + 2136279u);
  EXPECT_EQ(site.inuse_objects, 1u);
  ASSERT_EQ(site.rungs.size(), 2u);
  EXPECT_EQ(site.rungs[0].bytes, 524288u);
  EXPECT_EQ(site.rungs[1].bytes, 2097152u);
  ASSERT_EQ(site.stack.size(), 2u);
  EXPECT_EQ(site.stack[0].function, "main.fill");
  EXPECT_EQ(site.stack[0].file, "app/main.go");
  EXPECT_EQ(site.stack[0].line, 26);
  EXPECT_EQ(site.stack[0].offset, 0x401030u);
  ASSERT_EQ(site.hidden.size(), 2u);  // known by their addresses
  EXPECT_EQ(site.hidden[1].offset, 0x402115u);
  EXPECT_TRUE(site.hidden[1].function.empty());
  EXPECT_EQ(site.where.at, 2u);
}

TEST(TextProfile, KeepsWhatTheRuntimeCountsOfItself) {
  const Incident i = read(kHeap);
  std::vector<std::pair<std::string, double>> metrics;
  for (const auto& m : i.metrics) metrics.emplace_back(m.name, m.value);
  EXPECT_THAT(metrics, ElementsAre(std::pair("MemStats.HeapInuse", 264142848.0),
                                   std::pair("MemStats.StackInuse", 425984.0),
                                   std::pair("MemStats.StackSys", 524288.0),
                                   std::pair("MemStats.LastGC", 1.7e18)));
  EXPECT_EQ(i.snapshots[0].at_ns, 1'700'000'000'000'000'000);  // the heap as of that collection
  EXPECT_TRUE(i.snapshots[0].wall);
}

TEST(TextProfile, CountsLinesThatAreNoSample) {
  const Incident i =
      read("heap profile: 0: 0 [0: 0] @ heap/1048576\nnonsense\n1: 8 [1: 8] @ 0x1\n");
  EXPECT_EQ(i.artefacts[0].records, 2u);
  EXPECT_EQ(i.artefacts[0].records_unknown, 1u);
  EXPECT_THAT(i.artefacts[0].notes.front(), HasSubstr("no sample"));
  EXPECT_EQ(i.heap_sites.size(), 1u);
}

TEST(TextProfile, ReadsMutexProfilesInNanoseconds) {
  const Incident i = read(
      "--- mutex:\ncycles/second=2000000000\nsampling period=5\n"
      "4000 3 @ 0x401031 0x401041\n"
      "#\t0x401030\tsync.(*Mutex).Unlock+0x30\tsync/mutex.go:26\n"
      "#\t0x401040\tmain.main+0x10\tapp/main.go:30\n");
  ASSERT_EQ(i.waits.size(), 1u);
  EXPECT_EQ(i.waits[0].total_ns, 10000u);
  EXPECT_EQ(i.waits[0].count, 15u);
  EXPECT_EQ(i.waits[0].reason, "sync");
  EXPECT_EQ(i.waits[0].released_by.size(), 2u);
  EXPECT_TRUE(i.waits[0].stack.empty());
}

TEST(TextProfile, ReadsGoroutinesAndKeepsWhatTheyWaitInByAddress) {
  const Incident i = read(
      "goroutine profile: total 7\n"
      "5 @ 0x402001 0x402101 0x401031\n"
      "# labels: {\"k\":\"v\"}\n"
      "#\t0x401030\tmain.worker+0x30\tapp/main.go:17\n"
      "\n"
      "2 @ 0x401051\n"
      "#\t0x401050\tmain.spin+0x10\tapp/main.go:19\n");
  ASSERT_EQ(i.goroutines.size(), 2u);
  EXPECT_EQ(i.goroutines[0].count, 5u);
  EXPECT_EQ(i.goroutines[0].state, "");  // not known without the binary
  ASSERT_EQ(i.goroutines[0].stack.size(), 3u);
  EXPECT_EQ(i.goroutines[0].stack[0].offset, 0x402000u);
  EXPECT_EQ(i.goroutines[0].stack[2].function, "main.worker");
  EXPECT_EQ(i.goroutines[1].state, "running");
  EXPECT_EQ(i.snapshots[0].goroutines, 7u);
}

TEST(GoroutineDump, GroupsGoroutinesByPlaceAndCreator) {
  const Incident i = read(
      "starting up\n"
      "goroutine 1 [running]:\n"
      "main.(*T).run(0xc000010000, {0x1, 0x2})\n"
      "\t/src/app/main.go:28 +0xfd\n"
      "main.main()\n"
      "\t/src/app/main.go:9 +0x1d\n"
      "\n"
      "goroutine 18 [chan send, 3 minutes]:\n"
      "main.worker(...)\n"
      "\t/src/app/main.go:17\n"
      "created by main.main in goroutine 1\n"
      "\t/src/app/main.go:22 +0x37\n"
      "\n"
      "goroutine 19 gp=0xc000102380 m=nil [chan send, 12 minutes, locked to thread]:\n"
      "main.worker(...)\n"
      "\t/src/app/main.go:17\n"
      "created by main.main\n"
      "\t/src/app/main.go:22 +0x37\n");
  EXPECT_EQ(i.artefacts[0].format, "Go goroutine dump");
  ASSERT_EQ(i.goroutines.size(), 2u);
  const evidence::GoroutineGroup& workers = i.goroutines[0];
  EXPECT_EQ(workers.count, 2u);
  EXPECT_EQ(workers.state, "chan send");
  EXPECT_EQ(workers.waiting_ns_max, 720'000'000'000u);
  EXPECT_TRUE(workers.stack[0].inlined);
  EXPECT_EQ(workers.stack[0].line, 17);
  ASSERT_EQ(workers.created_by.size(), 1u);
  EXPECT_EQ(workers.created_by[0].function, "main.main");
  EXPECT_EQ(workers.created_by[0].file, "/src/app/main.go");
  EXPECT_EQ(workers.created_by[0].line, 22);
  EXPECT_EQ(i.goroutines[1].stack[0].function, "main.(*T).run");
  EXPECT_EQ(i.snapshots[0].goroutines, 3u);
}

std::string overflow(int frames, const std::string& elided) {
  std::string text =
      "runtime: goroutine stack exceeds 1000000000-byte limit\n"
      "fatal error: stack overflow\n\n"
      "runtime stack:\nruntime.throw({0x509fad?, 0x5ef840?})\n\truntime/panic.go:1229 +0x48\n\n"
      "goroutine 1 [running]:\n";
  for (int k = 0; k < frames; ++k) {
    if (k == frames / 2) text += elided;
    const char* name = k % 2 == 0 ? "main.even" : "main.odd";
    text += std::string(name) + "(0x0?)\n\tapp/main.go:14 +0x90 fp=0x24 sp=0x25 pc=0x4d9490\n";
  }
  return text + "main.main()\n\tapp/main.go:30 +0x1d\n";
}

TEST(GoroutineDump, FindsTheCycleThatOverflowedTheStack) {
  const Incident i = read(overflow(100, "...1016700 frames elided...\n"));
  EXPECT_EQ(i.artefacts[0].format, "Go crash report");
  EXPECT_EQ(i.facts.crash, "fatal error: stack overflow");
  ASSERT_EQ(i.recursions.size(), 1u);
  const evidence::Recursion& r = i.recursions[0];
  EXPECT_TRUE(r.overflowed);
  EXPECT_EQ(r.frames, 1016800u);
  EXPECT_EQ(r.repeats, 508400u);
  ASSERT_EQ(r.cycle.size(), 2u);
  EXPECT_EQ(r.cycle[0].function, "main.even");
  EXPECT_EQ(r.cycle[1].function, "main.odd");
  EXPECT_EQ(r.entered_from.function, "main.main");
  EXPECT_TRUE(r.cut);
}

TEST(GoroutineDump, CallsNoShortRecursionACycle) {
  EXPECT_TRUE(read(overflow(20, "")).recursions.empty());
}

TEST(GoroutineDump, TakesTheMessageOfAPanic) {
  const Incident i = read(
      "panic: runtime error: index out of range [5] with length 3\n\n"
      "goroutine 1 [running]:\npanic({0x1, 0x2})\n\truntime/panic.go:879 +0x16f\n"
      "main.main()\n\tapp/main.go:3 +0x1d\nexit status 2\n");
  EXPECT_EQ(i.facts.crash, "panic: runtime error: index out of range [5] with length 3");
  EXPECT_EQ(i.goroutines[0].stack[0].function, "runtime.gopanic");
  EXPECT_GT(i.artefacts[0].bytes_skipped, 0u);
}

TEST(GoroutineDump, IsNotSeenInThreadDumpsOrProse) {
  const auto sniffed = [](std::string_view text) {
    return sniff_go_text_profile({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  EXPECT_FALSE(sniffed("goroutine 7 is stuck [sic]\n"));
  EXPECT_FALSE(sniffed("\"main\" #1 prio=5 os_prio=0 tid=0x7f runnable [0x00007f]\n"));
  EXPECT_FALSE(sniffed(""));
}

}  // namespace
}  // namespace ullage::trace

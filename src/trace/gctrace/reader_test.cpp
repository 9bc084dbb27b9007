// SPDX-License-Identifier: Apache-2.0
#include "trace/gctrace/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "trace/gctrace/line.h"
#include "trace/shared_data_testing.h"
#include "trace/wall_time.h"

namespace ullage::trace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kLine =
    "gc 83 @2.884s 11%: 0.63+1763+5.6 ms clock, 1.2+0.5/0.60/0.25+11 ms cpu, "
    "512->640->639 MB, 1287 MB goal, 1 MB stacks, 2 MB globals, 4 P";

std::string cycle(int n, const std::string& at) {
  return "gc " + std::to_string(n) + " @" + at +
         "s 1%: 0.1+2+0.1 ms clock, 0.2+0/1/0+0.2 ms cpu, 4->5->" + std::to_string(n) +
         " MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P";
}

evidence::Evidence read_text(const std::string& text) {
  auto evidence = read_gctrace(Input::from_text("log", text), {});
  EXPECT_TRUE(evidence.ok()) << (evidence.ok() ? "" : evidence.error().message);
  return evidence.ok() ? *evidence : evidence::Evidence{};
}

TEST(GctraceReader, ReadsEveryNumberOfALine) {
  const auto e = read_text(std::string(kLine) + "\n");
  ASSERT_EQ(e.incident.cycles.size(), 1u);
  const evidence::GcCycle& c = e.incident.cycles[0];
  EXPECT_EQ(c.ordinal, 83u);
  EXPECT_EQ(c.start_ns, 2'884'000'000);
  EXPECT_EQ(c.stop_first_ns, 630'000u);
  EXPECT_EQ(c.mark_ns, 1'763'000'000u);
  EXPECT_EQ(c.stop_last_ns, 5'600'000u);
  EXPECT_EQ(c.duration_ns, 1'769'230'000u);
  EXPECT_EQ(c.assist_cpu_ns, 500'000u);
  EXPECT_EQ(c.worker_cpu_ns, 600'000u);
  EXPECT_EQ(c.idle_cpu_ns, 250'000u);
  EXPECT_EQ(c.heap_start_bytes, 512u << 20);
  EXPECT_EQ(c.heap_end_bytes, 640u << 20);
  EXPECT_EQ(c.live_bytes, 639u << 20);
  EXPECT_EQ(c.goal_bytes, 1287u << 20);
  EXPECT_EQ(c.stacks_bytes, 1u << 20);
  EXPECT_EQ(c.globals_bytes, 2u << 20);
  EXPECT_EQ(c.processors, 4u);
  EXPECT_FALSE(c.forced);
  EXPECT_EQ(c.cause, "heap goal");
  EXPECT_EQ(c.where.at, 1u);
  EXPECT_EQ(e.incident.facts.runtime, evidence::Runtime::kGo);
  EXPECT_EQ(e.incident.facts.processors, 4u);
  ASSERT_EQ(e.incident.heap.size(), 1u);
  EXPECT_EQ(e.incident.heap[0].at_ns, 2'884'000'000 + 1'769'230'000);
  EXPECT_EQ(e.incident.heap[0].live_bytes, 639u << 20);
}

TEST(GctraceReader, TellsWhoForcedACollection) {
  const auto e = read_text(cycle(1, "0.1") + " (forced)\n" + "GC forced\n" + cycle(2, "120.1") +
                           "\n" + cycle(3, "121") + "\n");
  ASSERT_EQ(e.incident.cycles.size(), 3u);
  EXPECT_EQ(e.incident.cycles[0].cause, "runtime.GC");
  EXPECT_TRUE(e.incident.cycles[0].forced);
  EXPECT_EQ(e.incident.cycles[1].cause, "timer");
  EXPECT_TRUE(e.incident.cycles[1].forced);
  EXPECT_EQ(e.incident.cycles[2].cause, "heap goal");
  EXPECT_FALSE(e.incident.cycles[2].forced);
}

TEST(GctraceReader, KnowsTheFormsOfOlderAndNewerRuntimes) {
  const auto old = gctrace::parse_line(
      "gc 9 @0.055s 4%: 0.018+0.28+0.002 ms clock, 0.03+0/0.2/0.1+0.01 ms cpu, 4->4->0 MB, 5 MB "
      "goal, 8 P");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->processors, 8u);
  EXPECT_EQ(old->stacks_bytes, 0u);
  const auto leaks = gctrace::parse_line(
      "gc 3 @1.5s 0% (checking for goroutine leaks): 0.018+0.28+0.002 ms clock, "
      "0.03+0/0.2/0.1+0.01 ms cpu, 4->4->0 MB, 5 MB goal, 0 MB stacks, 0 MB globals, 8 P (forced)");
  ASSERT_TRUE(leaks);
  EXPECT_TRUE(leaks->leak_check);
  EXPECT_TRUE(leaks->forced);
}

TEST(GctraceReader, FindsItsLinesAmongThoseOfOthers) {
  const auto e =
      read_text("starting\nscvg: 8 MB released\n2026/11/27 10:00:00 app: " + cycle(1, "0.1") +
                "\npacer: assist ratio=1\nhalf a line " + cycle(2, "0.2") + "\n{\"log\":\"" +
                "gc 3 @0.300s 1%: 0.1+2+0.1 ms "
                "clock, 0.2+0/1/0+0.2 ms cpu, 4-\\u003e5-\\u003e7 MB, 8 MB goal, 0 MB "
                "stacks, 0 MB globals, 2 P\\n\",\"time\":\"2026-01-01T00:00:01Z\"}\n");
  ASSERT_EQ(e.incident.cycles.size(), 3u);
  EXPECT_EQ(e.incident.cycles[0].where.at, 3u);
  EXPECT_EQ(e.incident.cycles[1].where.at, 5u);
  EXPECT_EQ(e.incident.cycles[2].where.at, 6u);
  EXPECT_EQ(e.incident.cycles[2].live_bytes, 7u << 20);
  EXPECT_EQ(e.incident.artefacts[0].records_unknown, 0u);
}

TEST(GctraceReader, PutsALineTogetherThatOtherOutputHadSplit) {
  std::string text = cycle(1, "0.1") + "\n" + cycle(2, "0.2") + "\n";
  text.insert(text.find("+2+") + 2, "GET /index.html\n");
  const auto e = read_text(text);
  ASSERT_EQ(e.incident.cycles.size(), 2u);
  EXPECT_EQ(e.incident.cycles[0].mark_ns, 2'000'000u);
  EXPECT_EQ(e.incident.cycles[1].where.at, 3u);
  EXPECT_THAT(e.incident.artefacts[0].notes, ElementsAre(HasSubstr("split by other output")));
}

TEST(GctraceReader, CountsLinesThatItCannotRead) {
  const auto e = read_text(cycle(1, "0.1") + "\ngc 2 @0.2s 1%: 0.1+\n" + cycle(3, "0.3") + "\n" +
                           cycle(4, "0.4").substr(0, 60));
  EXPECT_EQ(e.incident.cycles.size(), 2u);
  EXPECT_EQ(e.incident.artefacts[0].records, 4u);
  EXPECT_EQ(e.incident.artefacts[0].records_unknown, 2u);
  EXPECT_THAT(e.incident.artefacts[0].notes, ElementsAre(HasSubstr("could not be read")));
}

TEST(GctraceReader, KeepsProgramsThatWroteIntoOneTextApart) {
  const auto e = read_text(cycle(1, "0.1") + "\n" + cycle(2, "0.5") + "\n" + cycle(1, "0.01") +
                           "\n" + cycle(3, "0.9") + "\n" + cycle(2, "0.02") + "\n");
  ASSERT_EQ(e.incident.cycles.size(), 3u);
  EXPECT_EQ(e.incident.cycles[2].start_ns, 900'000'000);
  EXPECT_EQ(e.incident.artefacts[0].records, 5u);
  EXPECT_THAT(e.incident.artefacts[0].notes, ElementsAre(HasSubstr("2 set aside")));
}

TEST(GctraceReader, TakesTheWallClockFromALogger) {
  const auto e = read_text("2026-11-27T10:00:01.5+01:00 stderr F " + cycle(1, "1") +
                           "\n2026-11-27T09:00:02.4Z stderr F " + cycle(2, "2") + "\n");
  // The second line was logged sooner after its collection: 2.4 s - 2 s - 2.2 ms.
  const std::int64_t nine = *find_wall_time("2026-11-27T09:00:00Z");
  EXPECT_EQ(nine, 1'795'770'000'000'000'000);
  EXPECT_EQ(e.incident.artefacts[0].wall_ns_at_zero, nine + 400'000'000 - 2'200'000);
  EXPECT_TRUE(e.incident.artefacts[0].zero_is_process_start);
  EXPECT_FALSE(find_wall_time("2026-11-27T09:00:00 local"));
}

TEST(GctraceReader, TellsWhatTheProgramDiedOf) {
  EXPECT_EQ(read_text(cycle(1, "0.1") + "\nfatal error: all goroutines are asleep - deadlock!\n")
                .incident.facts.crash,
            "fatal error: all goroutines are asleep - deadlock!");
  EXPECT_EQ(read_text(cycle(1, "0.1") + "\nruntime: goroutine stack exceeds 1000000000-byte limit\n"
                                        "fatal error: stack overflow\n\ngoroutine 1 [running]:\n")
                .incident.facts.crash,
            "runtime: goroutine stack exceeds 1000000000-byte limit; fatal error: stack overflow");
  EXPECT_EQ(read_text(cycle(1, "0.1") + "\npanic: boom\n").incident.facts.crash, "panic: boom");
  EXPECT_EQ(read_text("no panic: here\n" + cycle(1, "0.1")).incident.facts.crash, "");
}

TEST(GctraceReader, IsFoundByALineThatComesLate) {
  const std::string text = std::string(3 * kSniffBytes, '\n') + std::string(kLine);
  const Input input = Input::from_text("server.log", text);
  EXPECT_FALSE(sniff_gctrace(input.bytes().first(kSniffBytes)));
  EXPECT_THAT(recognise(input).format, HasSubstr("gctrace"));
  EXPECT_EQ(recognise(Input::from_text("x", "gc 1 @home, and then")).format, "");
}

TEST(GctraceReader, ThinsTheHeapToTheHighestOfEachSlice) {
  std::string text;
  for (int i = 1; i <= 3 * static_cast<int>(evidence::kHeapPointsMax); ++i) {
    text += cycle(i, std::to_string(i)) + "\n";
  }
  const auto e = read_text(text);
  EXPECT_EQ(e.incident.cycles.size(), 3 * evidence::kHeapPointsMax);
  ASSERT_EQ(e.incident.heap.size(), evidence::kHeapPointsMax);
  EXPECT_EQ(e.incident.heap[0].live_bytes, 3u << 20);
  EXPECT_EQ(e.incident.heap.back().live_bytes, 3 * evidence::kHeapPointsMax << 20);
}

TEST(GctraceReader, CountsWhatGrepCountsInCapturedLogs) {
  const std::string folder = shared_data("go-incidents");
  if (folder.empty()) GTEST_SKIP() << "the shared data is not there";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gctrace") continue;
    const auto input = Input::map(entry.path());
    ASSERT_TRUE(input.ok());
    std::istringstream lines{std::string(input->text())};
    std::size_t expected = 0;
    for (std::string line; std::getline(lines, line);) expected += line.starts_with("gc ");
    const auto e = read_gctrace(*input, {});
    ASSERT_TRUE(e.ok()) << entry.path();
    EXPECT_EQ(e->incident.cycles.size(), expected) << entry.path();
    EXPECT_EQ(e->incident.artefacts[0].records_unknown, 0u) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 20u);
}

}  // namespace
}  // namespace ullage::trace

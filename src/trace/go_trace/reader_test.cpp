// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/go_trace/assembler_testing.h"
#include "trace/go_trace/strict.h"

namespace ullage::trace::go {
namespace {

using evidence::Incident;
using evidence::PauseReason;
using testing::HasSubstr;

std::uint64_t count_of(const Incident& incident, const std::string& name) {
  for (const auto& [its, count] : incident.event_counts) {
    if (its == name) return count;
  }
  return 0;
}

TEST(GoTraceReader, KnowsItsFilesByTheirHeader) {
  EXPECT_TRUE(sniff_go_trace(assemble("Trace Go1.22\n")));
  EXPECT_TRUE(sniff_go_trace(assemble("Trace Go1.19\n")));  // to say what to do with it
  const std::string text = "go 1.22 trace, in words";
  EXPECT_FALSE(sniff_go_trace({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
  EXPECT_FALSE(sniff_go_trace({}));
}

TEST(GoTraceReader, SaysWhatToDoWithAnOldTrace) {
  for (const char* version : {"11", "19", "21"}) {
    const auto read = read_text("Trace Go1." + std::string(version) + "\n");
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, Code::kUnsupported);
    EXPECT_THAT(read.error().message, HasSubstr("Record it with a program built by Go 1.22"));
  }
  const auto future = read_text("Trace Go1.99\n");
  ASSERT_FALSE(future.ok());
  EXPECT_THAT(future.error().message, HasSubstr("1.99"));
}

TEST(GoTraceReader, NamesTheGoroutineThatDelayedAStop) {
  const auto read = read_text(
      "Trace Go1.22\n" +
          two_threads("STWBegin dt=1000 kind=12 stack=1\nSTWEnd dt=1000000\n",
                      "GoStop dt=900000 reason=10 stack=2\nGoStart dt=200000 g=2 seq=1\n"),
      true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->incident.pauses.size(), 1U);
  const evidence::Pause& pause = read->incident.pauses[0];
  EXPECT_EQ(pause.kind, "GC sweep termination");
  EXPECT_EQ(pause.start_ns, 1000);
  EXPECT_EQ(pause.duration_ns, 1000000U);
  EXPECT_EQ(pause.asker, 1U);
  EXPECT_EQ(pause.reason, PauseReason::kWaitedForOne);
  EXPECT_EQ(pause.culprit, 2U);
  EXPECT_EQ(pause.culprit_offset_ns, 899000U);
  EXPECT_TRUE(pause.culprit_grew);
  ASSERT_EQ(pause.culprit_stack.size(), 2U);
  EXPECT_EQ(pause.culprit_stack[0].function, "runtime.growslice");
  EXPECT_TRUE(pause.culprit_stack[0].library);
  EXPECT_EQ(pause.culprit_stack[1].place(), "main.go:40");
  ASSERT_EQ(read->incident.pause_kinds.size(), 1U);
  EXPECT_EQ(read->incident.pause_kinds[0].total_ns, 1000000U);
}

TEST(GoTraceReader, BlamesNobodyWhenEveryoneStoppedAtOnce) {
  const auto read = read_text("Trace Go1.22\n" +
                              two_threads("STWBegin dt=1000 kind=12 stack=1\nSTWEnd dt=1000000\n",
                                          "GoStop dt=3000 reason=10 stack=2\n"));
  ASSERT_TRUE(read.ok());
  const evidence::Pause& pause = read->incident.pauses.at(0);
  EXPECT_EQ(pause.reason, PauseReason::kNobodyLate);
  EXPECT_TRUE(pause.stopping_known);
  EXPECT_EQ(pause.stopping_ns, 2000U);
  EXPECT_FALSE(pause.culprit_grew);
}

TEST(GoTraceReader, TakesSamplesOfTheAskerForWorkInsideTheStop) {
  const auto read = read_text(
      "Trace Go1.22\n" + two_threads("STWBegin dt=1000 kind=12 stack=1\nSTWEnd dt=1000000\n", "") +
      "EventBatch gen=1 m=18446744073709551615 time=0\nCPUSamples\n"
      "CPUSample t=500000 m=1 p=0 g=1 stack=2\nCPUSample t=5000000 m=2 p=1 g=2 stack=1\n");
  ASSERT_TRUE(read.ok());
  const evidence::Pause& pause = read->incident.pauses.at(0);
  EXPECT_EQ(pause.reason, PauseReason::kWorkInside);
  EXPECT_EQ(pause.samples, 1U);
  EXPECT_EQ(pause.growth_samples, 1U);
  EXPECT_EQ(read->incident.cpu.samples, 2U);
  EXPECT_EQ(read->incident.cpu.slice_growth_samples, 1U);
}

TEST(GoTraceReader, PairsAnAssistThatMovesBetweenThreadsAndGenerations) {
  const std::string text =
      "Trace Go1.22\n" +
      two_threads("GCMarkAssistBegin dt=100 stack=1\nGoBlock dt=10 reason=11 stack=1\n",
                  "GoUnblock dt=500 g=1 seq=1 stack=4\n") +
      "EventBatch gen=2 m=1 time=2000\nProcStatus dt=0 p=0 s=1\n"
      "EventBatch gen=2 m=2 time=2000\nProcStatus dt=0 p=1 s=1\nGoStatus dt=0 g=2 m=2 s=2\n"
      "GoStatus dt=0 g=1 m=18446744073709551615 s=1\nGCMarkAssistActive dt=0 g=1\n"
      "GoBlock dt=5 reason=11 stack=1\nGoStart dt=5 g=1 seq=1\nGCMarkAssistEnd dt=90\n" +
      tables(2);
  const auto read = read_text(text, true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const Incident& incident = read->incident;
  EXPECT_EQ(incident.assist_count, 1U);
  EXPECT_EQ(incident.assist_total_ns, 1000U);  // from 1100 to 2100
  ASSERT_EQ(incident.assist_sites.size(), 1U);
  EXPECT_EQ(incident.assist_sites[0].stack.at(0).function, "main.work");
  EXPECT_EQ(incident.assist_sites[0].goroutines, 1U);
  ASSERT_EQ(incident.assist_goroutines.size(), 1U);
  EXPECT_EQ(incident.assist_goroutines[0].goroutine, 1U);
}

TEST(GoTraceReader, TellsWhoReleasedAWaitAndWhatWasBehindIt) {
  const auto read =
      read_text("Trace Go1.22\n" +
                    two_threads("GoBlock dt=100 reason=11 stack=1\nGoStart dt=60000 g=1 seq=2\n",
                                "GCMarkAssistBegin dt=200 stack=2\nGCMarkAssistEnd dt=40000\n"
                                "GoUnblock dt=10000 g=1 seq=1 stack=4\n"),
                true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->incident.waits.size(), 1U);
  const evidence::Wait& wait = read->incident.waits[0];
  EXPECT_EQ(wait.reason, "sync");
  EXPECT_EQ(wait.count, 1U);
  EXPECT_EQ(wait.total_ns, 50100U);  // from 1100 to 51200
  EXPECT_EQ(wait.stack.at(0).function, "main.work");
  EXPECT_EQ(wait.released_by.at(0).function, "main.release");
  EXPECT_EQ(wait.behind_assist, 1U);
  EXPECT_EQ(wait.behind_assist_ns, 40000U);
  EXPECT_EQ(wait.waiters_max, 1U);
  EXPECT_EQ(read->incident.scheduling.count, 1U);  // runnable at 51200, ran at 61100
  EXPECT_EQ(read->incident.scheduling.max_ns, 9900U);
}

TEST(GoTraceReader, PassesOverGoroutinesThatWaitForWork) {
  const auto read = read_text(
      "Trace Go1.22\n" + two_threads("GoBlock dt=1 reason=13 stack=1\nGoStart dt=9 g=1 seq=2\n"
                                     "GoBlock dt=1 reason=11 stack=3\nGoStart dt=9 g=1 seq=4\n",
                                     "GoUnblock dt=5 g=1 seq=1 stack=0\n"
                                     "GoUnblock dt=9 g=1 seq=3 stack=0\n"));
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->incident.waits.empty());
  EXPECT_EQ(read->incident.scheduling.count, 2U);
}

TEST(GoTraceReader, CountsGoroutinesByWhoCreatedThem) {
  const auto read =
      read_text("Trace Go1.22\n" +
                    two_threads("GoCreate dt=1 g=7 new=1 stack=4\nGoCreate dt=1 g=8 new=1 stack=4\n"
                                "GoCreate dt=1 g=9 new=1 stack=4\nGoBlock dt=1 reason=11 stack=1\n"
                                "GoStart dt=1 g=7 seq=1\nGoDestroy dt=1\nGoStart dt=1 g=8 seq=1\n"
                                "GoBlock dt=1 reason=11 stack=2\n",
                                ""),
                true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const auto& groups = read->incident.goroutines;
  ASSERT_FALSE(groups.empty());
  EXPECT_EQ(groups[0].created_by.at(0).function, "main.release");
  EXPECT_EQ(groups[0].created, 3U);
  EXPECT_EQ(groups[0].ended, 1U);
  EXPECT_EQ(groups[0].count, 2U);
}

TEST(GoTraceReader, FollowsCyclesAndTheHeap) {
  const auto read = read_text(
      "Trace Go1.22\n" +
          two_threads(
              "HeapGoal dt=1 v=4000000\nHeapAlloc dt=1 v=3900000\nGCBegin dt=8 seq=1 stack=1\n"
              "HeapAlloc dt=100000 v=4200000\nHeapAlloc dt=1 v=1000000\nGCEnd dt=9 seq=2\n"
              "ProcsChange dt=1 n=2 stack=0\n",
              ""),
      true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->incident.cycles.size(), 1U);
  const evidence::GcCycle& cycle = read->incident.cycles[0];
  EXPECT_EQ(cycle.start_ns, 10);
  EXPECT_EQ(cycle.duration_ns, 100010U);
  EXPECT_EQ(cycle.heap_start_bytes, 3900000U);
  EXPECT_EQ(cycle.heap_end_bytes, 4200000U);
  EXPECT_EQ(cycle.live_bytes, 1000000U);
  EXPECT_EQ(cycle.goal_bytes, 4000000U);
  EXPECT_EQ(cycle.cause, "heap goal");
  EXPECT_EQ(read->incident.gc_window_ns, 100010U);
  EXPECT_EQ(read->incident.heap.size(), 3U);
  EXPECT_EQ(read->incident.facts.processors, 2U);
}

TEST(GoTraceReader, PutsItsZeroOnTheWallClockWhereTheTraceTells) {
  const auto read = read_text(
      "Trace Go1.25\n"
      "EventBatch gen=1 m=1 time=1000\nProcStatus dt=0 p=0 s=1\n"
      "EventBatch gen=1 m=18446744073709551615 time=400\nSync\nFrequency f=1000000000\n"
      "ClockSnapshot dt=1100 mono=77 sec=1700000000 nsec=900\n",
      true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->incident.artefacts[0].wall_ns_at_zero, 1'700'000'000'000'000'400);
  EXPECT_EQ(read->incident.artefacts[0].version, "go1.25");
}

TEST(GoTraceReader, SkipsTheRestOfABatchAfterAnEventItDoesNotKnow) {
  const auto read = read_text(
      "Trace Go1.22\n" + two_threads("HeapAlloc dt=1 v=1\nType120 dt=1 a=1\nHeapAlloc dt=1 v=2\n",
                                     "HeapAlloc dt=1 v=3\n"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(count_of(read->incident, "HeapAlloc"), 2U);
  const evidence::Artefact& artefact = read->incident.artefacts[0];
  EXPECT_EQ(artefact.records_unknown, 1U);
  EXPECT_EQ(artefact.bytes_skipped, 6U);
  ASSERT_EQ(artefact.notes.size(), 1U);
  EXPECT_THAT(artefact.notes[0], HasSubstr("unknown type 120"));
}

TEST(GoTraceReader, SaysWhenTheFirstGenerationsHaveNoClock) {
  const auto read =
      read_text("Trace Go1.22\nEventBatch gen=1 m=1 time=5\nProcStatus dt=0 p=0 s=1\n" +
                two_threads("", "", 2));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->incident.artefacts[0].bytes_skipped, 4U);
  ASSERT_EQ(read->incident.artefacts[0].notes.size(), 1U);
  EXPECT_THAT(read->incident.artefacts[0].notes[0], HasSubstr("how long a tick is"));
}

TEST(GoTraceReader, RefusesEventsThatItsVersionDoesNotHave) {
  const std::string body = two_threads("GoSwitch dt=1 g=2 seq=1\n", "");
  EXPECT_EQ(read_text("Trace Go1.22\n" + body)->incident.artefacts[0].records_unknown, 1U);
  EXPECT_EQ(read_text("Trace Go1.23\n" + body)->incident.artefacts[0].records_unknown, 0U);
}

TEST(GoTraceReader, CountsBatchesOfExperiments) {
  const auto read = read_text("Trace Go1.23\n" + two_threads("", "") +
                              "ExperimentalBatch exp=1 gen=1 m=1 time=5\nType200 x=1 y=2\n");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(count_of(read->incident, "ExperimentalBatch"), 1U);
}

// A trace that ends anywhere is read as far as it goes, and never found to hold more.
TEST(GoTraceReader, ReadsEveryPrefixOfATraceAsFarAsItGoes) {
  const std::vector<std::uint8_t> whole = read_file(testdata() / "busy.go126.trace.gz");
  ASSERT_FALSE(whole.empty());
  const auto all = read_bytes(whole);
  ASSERT_TRUE(all.ok());
  EXPECT_FALSE(all->incident.artefacts[0].cut);
  std::size_t read_in_part = 0;
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
    const auto part =
        read_bytes({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    if (!part.ok()) {
      EXPECT_FALSE(part.error().message.empty());
      continue;
    }
    ++read_in_part;
    const evidence::Artefact& artefact = part->incident.artefacts[0];
    EXPECT_TRUE(artefact.cut) << size;
    EXPECT_FALSE(artefact.notes.empty());
    for (const evidence::PauseKind& kind : part->incident.pause_kinds) {
      EXPECT_NE(kind.kind, "") << size;
    }
    EXPECT_LE(artefact.records - artefact.records_unknown, all->incident.artefacts[0].records);
  }
  EXPECT_GT(read_in_part, 0U);
}

TEST(GoTraceReader, FindsTheSameWithAnyNumberOfThreads) {
  for (const char* name : {"busy.go122.trace.gz", "busy.go126.trace.gz"}) {
    const std::vector<std::uint8_t> bytes = read_file(testdata() / name);
    ASSERT_FALSE(bytes.empty());
    const auto one = read_bytes(bytes, false, 1);
    ASSERT_TRUE(one.ok());
    for (const unsigned threads : {2U, 5U}) {
      const auto many = read_bytes(bytes, false, threads);
      ASSERT_TRUE(many.ok());
      EXPECT_EQ(Totals::of(one->incident).difference(Totals::of(many->incident)), "");
      EXPECT_EQ(one->incident.waits.size(), many->incident.waits.size());
      EXPECT_EQ(one->incident.goroutines.size(), many->incident.goroutines.size());
    }
  }
}

TEST(GoTraceReader, FindsInARecordedTraceWhatItsProgramDid) {
  const auto read = read_bytes(read_file(testdata() / "busy.go126.trace.gz"), true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const Incident& incident = read->incident;
  EXPECT_GT(incident.assist_count, 0U);
  EXPECT_GT(incident.cycles.size(), 0U);
  EXPECT_NE(incident.artefacts[0].wall_ns_at_zero, 0);
  const auto asked = std::find_if(incident.cycles.begin(), incident.cycles.end(),
                                  [](const auto& cycle) { return cycle.cause == "runtime.GC"; });
  EXPECT_NE(asked, incident.cycles.end());
  const auto kind = std::find_if(incident.pause_kinds.begin(), incident.pause_kinds.end(),
                                 [](const auto& k) { return k.kind == "GC mark termination"; });
  ASSERT_NE(kind, incident.pause_kinds.end());
  EXPECT_EQ(kind->count, incident.cycles.size());
}

}  // namespace
}  // namespace ullage::trace::go

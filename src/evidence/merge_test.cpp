// SPDX-License-Identifier: Apache-2.0
#include "evidence/merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "evidence/align.h"

namespace ullage::evidence {
namespace {

constexpr std::int64_t kMs = 1'000'000;

// When collections of the program under test began, on a clock of their own: unequal distances.
constexpr std::int64_t kStarts[] = {4 * kMs,   10 * kMs,  34 * kMs,  61 * kMs,
                                    140 * kMs, 150 * kMs, 333 * kMs, 400 * kMs};

Evidence part(const std::string& name, const std::string& format, Runtime runtime = Runtime::kGo) {
  Evidence evidence;
  evidence.incident.facts.runtime = runtime;
  Artefact artefact;
  artefact.name = name;
  artefact.format = format;
  evidence.incident.artefacts.push_back(artefact);
  return evidence;
}

void add_pause(Evidence& evidence, std::int64_t at, std::uint64_t duration, std::uint64_t gc,
               const std::string& kind) {
  Pause pause;
  pause.start_ns = at;
  pause.duration_ns = duration;
  pause.gc = gc;
  pause.kind = kind;
  evidence.incident.pauses.push_back(pause);
  auto& kinds = evidence.incident.pause_kinds;
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const PauseKind& k) { return k.kind == kind; });
  PauseKind& into = found == kinds.end() ? kinds.emplace_back() : *found;
  if (into.count == 0) into.kind = kind, into.first_ns = at;
  into.count += 1;
  into.total_ns += duration;
  into.max_ns = std::max(into.max_ns, duration);
  into.last_ns = at;
}

// A trace: exact times from its own zero, ordinals of its own, no CPU.
Evidence trace(std::int64_t zero, std::size_t from, std::size_t to) {
  Evidence evidence = part("app.trace", "Go execution trace");
  evidence.incident.facts.version = "go1.26";
  evidence.incident.artefacts[0].has_times = true;
  evidence.incident.artefacts[0].tick_ns = 1;
  for (std::size_t i = from; i < to; ++i) {
    GcCycle cycle;
    cycle.ordinal = i - from + 1;
    cycle.ordinal_known = false;
    cycle.start_ns = kStarts[i] - zero + static_cast<std::int64_t>(i) * 1000;
    cycle.duration_ns = 2 * kMs + i;
    evidence.incident.cycles.push_back(cycle);
    add_pause(evidence, cycle.start_ns - 50'000, 61'000 + i, cycle.ordinal, "GC sweep termination");
  }
  evidence.incident.start_ns = 0;
  evidence.incident.end_ns = 450 * kMs - zero;
  return evidence;
}

// A log of the same program: whole milliseconds since its start, heap sizes and CPU.
Evidence gctrace(std::size_t from = 0, std::size_t to = std::size(kStarts)) {
  Evidence evidence = part("app.gctrace", "gctrace");
  Artefact& artefact = evidence.incident.artefacts[0];
  artefact.has_times = true;
  artefact.tick_ns = kMs;
  artefact.zero_is_process_start = true;
  for (std::size_t i = from; i < to; ++i) {
    GcCycle cycle;
    cycle.ordinal = i + 1;
    cycle.start_ns = kStarts[i];
    cycle.assist_cpu_ns = 7;
    cycle.cpu_known = true;
    cycle.live_bytes = (i + 1) << 20;
    cycle.heap_known = true;
    cycle.where = {0, Position::Unit::kLine, i + 1};
    evidence.incident.cycles.push_back(cycle);
    add_pause(evidence, cycle.start_ns, 60'000, cycle.ordinal, "GC sweep termination");
  }
  evidence.incident.end_ns = 410 * kMs;
  return evidence;
}

std::vector<Evidence> merged(std::vector<Evidence> parts) { return merge(std::move(parts)); }

template <class... Parts>
std::vector<Evidence> merge_of(Parts... parts) {
  std::vector<Evidence> list;
  (list.push_back(std::move(parts)), ...);
  return merged(std::move(list));
}

TEST(FitCycles, FindsThePairingThatMakesTheDifferencesEqual) {
  const CycleFit fit = fit_cycles(trace(30 * kMs, 2, 7).incident.cycles, gctrace().incident.cycles);
  EXPECT_TRUE(fit.found);
  EXPECT_EQ(fit.pairs, 5u);
  EXPECT_NEAR(static_cast<double>(fit.shift_ns), -30.0 * kMs, 10'000);
  EXPECT_LT(fit.error_ns, 10'000u);
}

TEST(FitCycles, SaysThatEqualDistancesProveNothing) {
  std::vector<GcCycle> ours(10), theirs(10);
  for (std::size_t i = 0; i < 10; ++i) {
    ours[i].start_ns = theirs[i].start_ns = static_cast<std::int64_t>(i) * 100 * kMs;
    ours[i].ordinal = theirs[i].ordinal = i + 1;
  }
  const CycleFit fit = fit_cycles(ours, theirs);
  EXPECT_TRUE(fit.ambiguous);
  EXPECT_FALSE(fit.found);
}

TEST(FitCycles, GoalsOrLengthsDecideWhereTimesCannot) {
  std::vector<GcCycle> ours(3), theirs(9);
  for (std::size_t i = 0; i < 9; ++i) {
    theirs[i].start_ns = static_cast<std::int64_t>(i) * 100 * kMs;
    theirs[i].goal_bytes = (i + 1) * (100u << 20);
    theirs[i].ordinal = i + 1;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    ours[i].start_ns = static_cast<std::int64_t>(i) * 100 * kMs;
    ours[i].goal_bytes = (i + 5) * (100u << 20) + 400'000;
  }
  const CycleFit fit = fit_cycles(ours, theirs);
  EXPECT_TRUE(fit.found);
  EXPECT_EQ(fit.shift_ns, -400 * kMs);
  for (std::size_t i = 0; i < 9; ++i) theirs[i].duration_ns = (i * 5 % 9 + 1) * kMs;
  for (std::size_t i = 0; i < 3; ++i) {
    ours[i].duration_ns = theirs[i + 2].duration_ns + 30'000;
  }
  EXPECT_EQ(fit_cycles(ours, theirs).shift_ns, -200 * kMs);
}

TEST(FitCycles, GoalsThatATraceTellsEarlierDoNotHinder) {
  std::vector<GcCycle> ours = trace(30 * kMs, 2, 7).incident.cycles;
  std::vector<GcCycle> theirs = gctrace().incident.cycles;
  for (std::size_t i = 0; i < ours.size(); ++i) ours[i].goal_bytes = (i + 1) * 77'000'000;
  for (std::size_t i = 0; i < theirs.size(); ++i) theirs[i].goal_bytes = (9 - i) * 50'000'000;
  EXPECT_TRUE(fit_cycles(ours, theirs).found);
}

TEST(Merge, KeepsOneCycleOfTraceAndLogWithTheFieldsOfBoth) {
  const std::vector<Evidence> whole = merge_of(gctrace(), trace(30 * kMs, 2, 7));
  ASSERT_EQ(whole.size(), 1u);
  const Incident& incident = whole[0].incident;
  ASSERT_EQ(incident.cycles.size(), 8u);
  const GcCycle& fourth = incident.cycles[3];
  EXPECT_EQ(fourth.ordinal, 4u);
  EXPECT_EQ(fourth.start_ns, 31 * kMs + 3000) << "the trace's time, on the trace's clock";
  EXPECT_EQ(fourth.duration_ns, 2u * kMs + 3);
  EXPECT_EQ(fourth.live_bytes, 4u << 20);
  EXPECT_TRUE(fourth.cpu_known);
  EXPECT_EQ(fourth.where.artefact, 1u);
  EXPECT_EQ(incident.cycles[0].where.artefact, 0u);
}

TEST(Merge, TellsHowEachClockWasAligned) {
  const std::vector<Evidence> whole = merge_of(gctrace(), trace(30 * kMs, 2, 7));
  const Artefact& log = whole[0].incident.artefacts[0];
  EXPECT_EQ(log.alignment.how, Alignment::How::kGcOrdinal);
  EXPECT_NEAR(static_cast<double>(log.alignment.shift_ns), -30.0 * kMs, 10'000);
  EXPECT_EQ(log.alignment.error_ns, 1u * kMs) << "the log writes whole milliseconds";
  EXPECT_EQ(whole[0].incident.artefacts[1].alignment.how, Alignment::How::kReference);
}

TEST(Merge, CountsNoPauseTwice) {
  const std::vector<Evidence> whole = merge_of(trace(30 * kMs, 2, 7), gctrace());
  const Incident& incident = whole[0].incident;
  ASSERT_EQ(incident.pause_kinds.size(), 1u);
  EXPECT_EQ(incident.pause_kinds[0].count, 8u);
  EXPECT_EQ(incident.pauses.size(), 8u);
  EXPECT_EQ(incident.pause_kinds[0].total_ns, 3 * 60'000u + 5 * 61'000 + 2 + 3 + 4 + 5 + 6);
  EXPECT_EQ(pause_totals(incident).count, 8u);
  for (const Pause& pause : incident.pauses) {
    const auto cycle = std::find_if(incident.cycles.begin(), incident.cycles.end(),
                                    [&](const GcCycle& c) { return c.ordinal == pause.gc; });
    ASSERT_NE(cycle, incident.cycles.end());
    EXPECT_LT(std::abs(cycle->start_ns - pause.start_ns), kMs) << "of its own collection";
  }
}

TEST(Merge, KeepsPausesThatOnlyOneOfThemTells) {
  Evidence other = trace(30 * kMs, 2, 7);
  add_pause(other, 200 * kMs, 5 * kMs, 0, "read mem stats");
  const std::vector<Evidence> whole = merge_of(gctrace(), std::move(other));
  EXPECT_EQ(pause_totals(whole[0].incident).count, 9u);
  EXPECT_EQ(pause_totals(whole[0].incident).max_ns, 5u * kMs);
}

TEST(Merge, AProfileDoesNotTakeTheClockFromWhoSawTheCollections) {
  std::vector<Evidence> parts;
  Evidence ticking = trace(20 * kMs, 0, 8);
  ticking.incident.artefacts[0].tick_ns = 64;
  parts.push_back(ticking);
  parts.push_back(gctrace());
  Evidence profile = part("app.cpu", "pprof CPU profile");
  profile.incident.artefacts[0].has_times = true;
  profile.incident.artefacts[0].tick_ns = 1;
  profile.incident.artefacts[0].wall_ns_at_zero = 1'700'000'000'000'000'000;
  parts.push_back(profile);
  const std::vector<Evidence> whole = merge(std::move(parts));
  ASSERT_EQ(whole.size(), 1u);
  const auto how = [&whole](const std::string& name) {
    for (const Artefact& artefact : whole[0].incident.artefacts) {
      if (artefact.name == name) return artefact.alignment.how;
    }
    return Alignment::How::kNone;
  };
  EXPECT_EQ(how("app.trace"), Alignment::How::kReference);
  EXPECT_EQ(how("app.gctrace"), Alignment::How::kGcOrdinal);
}

TEST(Merge, KeepsTwoLogsOfTwoRunsApartByWhenTheirCollectionsWere) {
  Evidence first = gctrace(), second = gctrace();
  for (std::size_t i = 0; i < first.incident.cycles.size(); ++i) {
    first.incident.cycles[i].ordinal = second.incident.cycles[i].ordinal = i + 1;
    second.incident.cycles[i].start_ns += 200 * kMs + 400 * kMs * static_cast<std::int64_t>(i);
  }
  std::vector<Evidence> same = {first, first}, other = {first, second};
  EXPECT_EQ(merge(std::move(same)).size(), 1u);
  EXPECT_EQ(merge(std::move(other)).size(), 2u);
}

TEST(Merge, PrefersTheWallClockWhereBothKnowIt) {
  Evidence a = trace(30 * kMs, 2, 7), b = gctrace();
  a.incident.artefacts[0].wall_ns_at_zero = 1'700'000'000'030'000'000;
  b.incident.artefacts[0].wall_ns_at_zero = 1'700'000'000'000'000'000;
  const std::vector<Evidence> whole = merge_of(std::move(a), std::move(b));
  const Artefact& log = whole[0].incident.artefacts[1];
  EXPECT_EQ(log.alignment.how, Alignment::How::kWallClock);
  EXPECT_EQ(log.alignment.shift_ns, -30 * kMs);
}

TEST(Merge, PutsSnapshotsOnTheClockWhenItsWallTimeIsKnown) {
  Evidence a = trace(30 * kMs, 2, 7), profile = part("app.heap", "pprof heap profile");
  a.incident.artefacts[0].wall_ns_at_zero = 1'700'000'000'000'000'000;
  profile.incident.snapshots.push_back({0, "heap", 1'700'000'001'000'000'000, true, 0, 0, 0});
  HeapSite site;
  site.snapshot = 0;
  profile.incident.heap_sites.push_back(site);
  Evidence second = profile;
  const std::vector<Evidence> whole = merge_of(std::move(a), std::move(profile), std::move(second));
  const Incident& incident = whole[0].incident;
  ASSERT_EQ(incident.snapshots.size(), 2u);
  EXPECT_EQ(incident.snapshots[0].at_ns, 1000 * kMs);
  EXPECT_FALSE(incident.snapshots[0].wall);
  EXPECT_EQ(incident.snapshots[1].artefact, 2u);
  EXPECT_EQ(incident.heap_sites[1].snapshot, 1u);
  EXPECT_EQ(incident.heap_sites[1].where.artefact, 2u);
}

TEST(Merge, SaysHowMuchOfAllArtefactsWasUnderstood) {
  Evidence whole_trace = trace(0, 0, 4), cut_log = gctrace();
  whole_trace.incident.artefacts[0].bytes = 1000;
  cut_log.incident.artefacts[0].bytes = 500;
  cut_log.incident.artefacts[0].bytes_skipped = 100;
  for (auto& parts : {std::vector{whole_trace}, std::vector{whole_trace, cut_log}}) {
    const std::vector<Evidence> whole = merge(parts);
    ASSERT_EQ(whole.size(), 1u);
    EXPECT_EQ(whole[0].understood.bytes_total, parts.size() == 1 ? 1000u : 1500u);
    EXPECT_EQ(whole[0].understood.bytes_used, parts.size() == 1 ? 1000u : 1400u);
  }
}

TEST(Merge, KnowsTheWallClockAtZeroWhereAnybodyDoes) {
  EXPECT_EQ(merge({trace(0, 0, 4)})[0].process.started_realtime_ns, 0u);
  Evidence wall = trace(0, 0, 4);
  wall.incident.artefacts[0].wall_ns_at_zero = 1'795'813'152'000'000'000;
  const Evidence whole = merge({gctrace(), wall})[0];
  std::int64_t shift = 0;
  for (const Artefact& artefact : whole.incident.artefacts) {
    if (artefact.wall_ns_at_zero != 0) shift = artefact.alignment.shift_ns;
  }
  EXPECT_EQ(whole.process.started_realtime_ns, 1'795'813'152'000'000'000u - shift);
}

TEST(Merge, KeepsAnotherRuntimeApartAndSaysWhy) {
  const std::vector<Evidence> whole =
      merge_of(gctrace(), part("gc.log", "JVM GC log", Runtime::kJvm));
  ASSERT_EQ(whole.size(), 2u);
  ASSERT_EQ(whole[1].incident.artefacts[0].notes.size(), 1u);
  EXPECT_NE(whole[1].incident.artefacts[0].notes[0].find("Kept apart from app.gctrace"),
            std::string::npos);
}

TEST(Merge, KeepsAnotherBuildApart) {
  Evidence a = part("a.heap", "pprof"), b = part("b.heap", "pprof"), c = part("c.heap", "pprof");
  a.incident.facts.build_ids = {"abc/def", "0123"};
  b.incident.facts.build_ids = {"4567"};
  c.incident.facts.build_ids = {"xyz/uvw"};
  EXPECT_EQ(merge_of(a, b).size(), 2u);
  EXPECT_EQ(merge_of(a, c).size(), 2u);
  EXPECT_EQ(merge_of(b, c).size(), 1u) << "one of the linker, one of Go: they say nothing";
}

TEST(Merge, KeepsARunApartWhoseCollectionsMatchNoOthers) {
  Evidence other = trace(0, 0, 8);
  for (std::size_t i = 0; i < other.incident.cycles.size(); ++i) {
    other.incident.cycles[i].start_ns = static_cast<std::int64_t>(i * i * i + 3 * i) * 40 * kMs;
  }
  const std::vector<Evidence> whole = merge_of(gctrace(), std::move(other));
  EXPECT_EQ(whole.size(), 2u);
}

TEST(Merge, NotesWhatContradicts) {
  Evidence a = gctrace(), b = trace(30 * kMs, 2, 7);
  a.incident.facts.processors = 8;
  b.incident.facts.processors = 4;
  const std::vector<Evidence> whole = merge_of(std::move(a), std::move(b));
  EXPECT_EQ(whole[0].incident.facts.processors, 8u);
  ASSERT_EQ(whole[0].incident.artefacts[1].notes.size(), 1u);
  EXPECT_EQ(whole[0].incident.artefacts[1].notes[0],
            "It says 4 for the processors, what was read before says 8.");
}

TEST(Merge, TakesAModulesPathAndTheNameOfItsFileForOneProgram) {
  const auto notes = [](const std::string& first, const std::string& second) {
    Evidence a = part("1.heap", "pprof heap profile"), b = part("2.heap", "pprof heap profile");
    a.incident.facts.program = first;
    b.incident.facts.program = second;
    std::vector<Evidence> whole = merge_of(std::move(a), std::move(b));
    EXPECT_EQ(whole[0].incident.facts.program, first);
    return whole[0].incident.artefacts[1].notes.size();
  };
  EXPECT_EQ(notes("p1.bin", "ex/p1"), 0u);
  EXPECT_EQ(notes("ex/p1", "p1.bin"), 0u);
  EXPECT_EQ(notes("/usr/bin/shop", "acme.org/shop"), 0u);
  EXPECT_EQ(notes("shop", "bank"), 1u);
}

TEST(Merge, AnExactVersionStandsOverTheFormatOfATrace) {
  Evidence a = trace(30 * kMs, 2, 7), b = part("app.heap", "pprof heap profile");
  b.incident.facts.version = "go1.26.10";
  const std::vector<Evidence> whole = merge_of(std::move(a), std::move(b));
  EXPECT_EQ(whole[0].incident.facts.version, "go1.26.10");
  EXPECT_TRUE(whole[0].incident.artefacts[1].notes.empty());
}

TEST(Merge, TakesATraceThatCannotTellTwoVersionsApartForEither) {
  Evidence a = part("app.heap", "pprof heap profile"), b = trace(30 * kMs, 2, 7);
  a.incident.facts.version = "go1.24.4";
  b.incident.facts.version = "go1.23 or go1.24";
  const std::vector<Evidence> whole = merge_of(std::move(a), std::move(b));
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].incident.facts.version, "go1.24.4");
}

TEST(Merge, SumsWhatTwoTracesTellOfOneSite) {
  Evidence a = part("1.trace", "Go execution trace"), b = part("2.trace", "Go execution trace");
  Frame frame;
  frame.function = "main.handle";
  frame.line = 7;
  AssistSite site;
  site.stack = {frame};
  site.count = 2;
  site.total_ns = 10;
  site.max_ns = 9;
  a.incident.assist_sites = {site};
  site.max_ns = 10;
  b.incident.assist_sites = {site};
  const std::vector<Evidence> whole = merge_of(std::move(a), std::move(b));
  ASSERT_EQ(whole[0].incident.assist_sites.size(), 1u);
  EXPECT_EQ(whole[0].incident.assist_sites[0].total_ns, 20u);
  EXPECT_EQ(whole[0].incident.assist_sites[0].max_ns, 10u);
  EXPECT_EQ(whole[0].incident.assist_sites[0].longest.artefact, 1u);
}

TEST(Merge, LeavesRecordingsOfNativeProgramsAlone) {
  Evidence native;
  native.process.program = "shop";
  const std::vector<Evidence> whole = merge_of(native, gctrace(), native);
  ASSERT_EQ(whole.size(), 3u);
  EXPECT_FALSE(whole[0].incident.empty());
  EXPECT_EQ(whole[2].process.program, "shop");
}

}  // namespace
}  // namespace ullage::evidence

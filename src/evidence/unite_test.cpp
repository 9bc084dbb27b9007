// SPDX-License-Identifier: Apache-2.0
#include "evidence/unite.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "evidence/merge.h"

namespace ullage::evidence {
namespace {

constexpr std::int64_t kMs = 1'000'000;

template <class... Parts>
std::vector<Evidence> merge_of(Parts... parts) {
  std::vector<Evidence> list;
  (list.push_back(std::move(parts)), ...);
  return merge(std::move(list));
}

// One file of a rotated log: collections that follow each other by a millisecond.
Evidence piece_of_a_log(std::uint64_t from, std::uint64_t to, bool numbered) {
  Evidence evidence;
  Incident& incident = evidence.incident;
  incident.facts.runtime = Runtime::kJvm;
  Artefact& artefact = incident.artefacts.emplace_back();
  artefact.name = "gc.log";
  artefact.format = "JVM GC log";
  artefact.has_times = true;
  artefact.tick_ns = kMs;
  artefact.zero_is_process_start = true;
  PauseKind kind;
  kind.kind = "Pause Young";
  for (std::uint64_t i = from; i < to; ++i) {
    GcCycle cycle;
    cycle.ordinal = numbered ? i + 1 : i - from + 1;
    cycle.ordinal_known = numbered;
    cycle.kind = "Young";
    cycle.start_ns = kMs * static_cast<std::int64_t>(100 + i);
    cycle.duration_ns = 500'000 + i;
    incident.cycles.push_back(cycle);
    Pause pause;
    pause.kind = "Pause Young";
    pause.start_ns = cycle.start_ns;
    pause.duration_ns = cycle.duration_ns;
    pause.gc = cycle.ordinal;
    incident.pauses.push_back(pause);
    kind.total_ns += pause.duration_ns;
    kind.count += 1;
  }
  incident.pause_kinds.push_back(kind);
  return evidence;
}

TEST(Unite, LosesNoCollectionBetweenTheFilesOfARotatedLog) {
  for (const bool numbered : {true, false}) {
    const std::vector<Evidence> whole =
        merge_of(piece_of_a_log(20, 31, numbered), piece_of_a_log(0, 10, numbered),
                 piece_of_a_log(10, 20, numbered));
    ASSERT_EQ(whole.size(), 1u);
    EXPECT_EQ(whole[0].incident.cycles.size(), 31u) << numbered;
    EXPECT_EQ(pause_totals(whole[0].incident).count, 31u) << numbered;
  }
}

TEST(Unite, CountsWhatTwoFilesOfOneLogBothTellOnce) {
  for (const bool numbered : {true, false}) {
    const std::vector<Evidence> whole =
        merge_of(piece_of_a_log(0, 20, numbered), piece_of_a_log(10, 30, numbered));
    ASSERT_EQ(whole.size(), 1u);
    EXPECT_EQ(whole[0].incident.cycles.size(), 30u) << numbered;
    EXPECT_EQ(pause_totals(whole[0].incident).count, 30u) << numbered;
  }
}

TEST(Unite, JoinsTheTwoPartsOfACollectionThatALogWasRotatedIn) {
  Evidence first = piece_of_a_log(0, 10, true), second = piece_of_a_log(9, 15, true);
  first.incident.cycles.back().duration_ns = 0;  // its end is in the other file
  second.incident.cycles.front().start_ns += 2 * kMs;
  second.incident.cycles.front().duration_ns = 3 * kMs;
  const std::vector<Evidence> whole = merge_of(std::move(second), std::move(first));
  ASSERT_EQ(whole.size(), 1u);
  const std::vector<GcCycle>& cycles = whole[0].incident.cycles;
  ASSERT_EQ(cycles.size(), 15u);
  const auto tenth = std::find_if(cycles.begin(), cycles.end(),
                                  [](const GcCycle& cycle) { return cycle.ordinal == 10; });
  ASSERT_NE(tenth, cycles.end());
  EXPECT_EQ(tenth->start_ns, 109 * kMs);
  EXPECT_EQ(tenth->duration_ns, 5u * kMs);
}

}  // namespace
}  // namespace ullage::evidence

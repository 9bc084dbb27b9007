// SPDX-License-Identifier: Apache-2.0
//
// go-forced-gc: collections that the heap did not ask for.
//
// Two things force one: the program (runtime.GC(), debug.FreeOSMemory()), and the runtime's timer
// when two minutes passed without any. The second is what makes a glitch every two minutes.
//
// Rule      kForced or more collections forced by the program, kShare of all: a finding. Or kTimed
//           or more of the timer, by its stack (forcegchelper) or by intervals of two minutes with
//           a heap below its goal: a note.
// Silent    for the one or two that writing a heap profile forces; for those the heap asked for.
#include <algorithm>
#include <cstdlib>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::GcCycle;
using evidence::Incident;

constexpr std::uint64_t kForced = 5;
constexpr double kShare = 0.2;
constexpr std::uint64_t kTimed = 2;
constexpr std::int64_t kTimerNs = 120'000'000'000;
constexpr std::int64_t kTimerApartNs = 2'000'000'000;

bool by_timer(const std::vector<GcCycle>& cycles, std::size_t i) {
  const GcCycle& cycle = cycles[i];
  if (cycle.cause == "timer" || go::has_function(cycle.asker_stack, "runtime.forcegchelper")) {
    return true;
  }
  if (cycle.cause == "runtime.GC" || !cycle.asker_stack.empty()) return false;
  if (i == 0 || !cycle.times_known || !cycles[i - 1].times_known) return false;
  const std::int64_t apart = cycle.start_ns - cycles[i - 1].start_ns;
  const bool two_minutes = std::abs(apart - kTimerNs) <= kTimerApartNs;
  return two_minutes && (cycle.goal_bytes == 0 || cycle.heap_start_bytes < cycle.goal_bytes);
}

bool by_program(const GcCycle& cycle) {
  return cycle.forced || cycle.cause == "runtime.GC" ||
         go::has_function(cycle.asker_stack, "runtime.GC") ||
         go::has_function(cycle.asker_stack, "runtime/debug.freeOSMemory");
}

// The same collection is in the trace and in the log: whoever has the stack counts.
struct Sum {
  std::uint64_t count = 0, all = 0, stop_ns = 0, stop_ns_max = 0, cpu_ns = 0;
  const GcCycle* first = nullptr;
  const GcCycle* with_stack = nullptr;
};

// Stops of forced collections that waited for a goroutine belong to that goroutine.
std::uint64_t ordinary(std::uint64_t stop_ns) {
  constexpr std::uint64_t kOrdinaryNs = 1'000'000;
  return std::min(stop_ns, kOrdinaryNs);
}

void add(Sum& sum, const GcCycle& cycle) {
  ++sum.count;
  const std::uint64_t stop = ordinary(cycle.stop_first_ns) + ordinary(cycle.stop_last_ns);
  sum.stop_ns += stop;
  sum.stop_ns_max = std::max(sum.stop_ns_max, stop);
  sum.cpu_ns += cycle.assist_cpu_ns + cycle.worker_cpu_ns + cycle.idle_cpu_ns;
  if (!sum.first) sum.first = &cycle;
  if (!sum.with_stack && go::user_frame(cycle.asker_stack)) sum.with_stack = &cycle;
}

Finding program(const Incident& incident, const Sum& sum) {
  Finding finding = sum.with_stack ? go::at_stack(sum.with_stack->asker_stack)
                                   : go::at_position(incident, sum.first->where);
  finding.family = "pause";
  finding.confidence = sum.with_stack ? 0.95 : 0.85;
  finding.title = format_counted(sum.count, "collection") + " of " + format_count(sum.all) +
                  " were forced by the program";
  finding.cost.stall_ns = sum.stop_ns;
  finding.cost.stall_ns_max = sum.stop_ns_max;
  finding.cost.cpu_ns = sum.cpu_ns;
  finding.cost.events = sum.count;
  finding.cost.events_unit = "collections";
  finding.evidence.push_back(
      go::position_text(incident, sum.first->where) + ": " + format_count(sum.count) + " of " +
      format_counted(sum.all, "collection") + " were forced, the first " +
      go::window_text(sum.first->start_ns, sum.first->start_ns) + " with " +
      format_bytes(sum.first->heap_start_bytes) + " of heap" +
      (sum.first->goal_bytes > 0 ? " and a goal of " + format_bytes(sum.first->goal_bytes) : "") +
      ".");
  finding.evidence.push_back(
      "They stopped the world for " + format_ns(sum.stop_ns) +
      " (each stop counted up to 1 ms: "
      "longer ones waited for somebody) and used " +
      format_ns(sum.cpu_ns) +
      " of processors; and each caller of runtime.GC() waits until its collection is done.");
  if (!sum.with_stack) {
    finding.evidence.push_back(
        "A log does not say who called. Two minutes after another collection it would be the "
        "runtime's timer; these are not.");
  }
  finding.remedy =
      "remove the calls of runtime.GC() and debug.FreeOSMemory(). To bound memory set GOMEMLIMIT "
      "(debug.SetMemoryLimit), to collect less or more often GOGC (debug.SetGCPercent).";
  finding.check =
      sum.with_stack
          ? "go tool trace " + go::artefact_name(incident, sum.with_stack->where)
          : "grep -rnE 'runtime\\.GC\\(\\)|debug\\.FreeOSMemory\\(\\)' --include='*.go' .";
  return finding;
}

Finding timer(const Incident& incident, const Sum& sum) {
  Finding finding = go::at_position(incident, sum.first->where);
  finding.severity = Severity::kNote;
  finding.confidence = 0.9;
  finding.title = format_counted(sum.count, "collection") +
                  " came from the runtime's timer of two minutes, not from heap growth";
  finding.cost.events = sum.count;
  finding.cost.events_unit = "collections";
  finding.evidence.push_back(go::position_text(incident, sum.first->where) + ": the first " +
                             go::window_text(sum.first->start_ns, sum.first->start_ns) + ", with " +
                             format_bytes(sum.first->heap_start_bytes) +
                             " of heap. The runtime collects when nothing else did for 120 s.");
  finding.remedy =
      "nothing: an idle program is collected every two minutes. If requests feel it, look at what "
      "one collection does to them (assists, long stops), not at the timer.";
  finding.check = "ullage explain go-forced-gc";
  return finding;
}

}  // namespace

void go_forced_gc(const evidence::Evidence& evidence, const DetectorOptions&,
                  std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  // By artefact: two artefacts tell of the same collections.
  std::map<std::uint32_t, std::pair<Sum, Sum>> sums;
  std::map<std::uint32_t, std::vector<GcCycle>> cycles;
  for (const GcCycle& cycle : incident.cycles) cycles[cycle.where.artefact].push_back(cycle);
  for (const auto& [artefact, list] : cycles) {
    auto& [forced, timed] = sums[artefact];
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (by_timer(list, i)) {
        add(timed, list[i]);
      } else if (by_program(list[i])) {
        add(forced, list[i]);
      }
    }
    forced.all = timed.all = list.size();
  }
  const Sum* forced = nullptr;
  const Sum* timed = nullptr;
  for (const auto& [artefact, pair] : sums) {
    const auto better = [](const Sum& a, const Sum* b) {
      return !b || std::make_pair(a.with_stack != nullptr, a.count) >
                       std::make_pair(b->with_stack != nullptr, b->count);
    };
    if (pair.first.count >= kForced && better(pair.first, forced)) forced = &pair.first;
    if (pair.second.count >= kTimed && better(pair.second, timed)) timed = &pair.second;
  }
  if (forced && static_cast<double>(forced->count) >= kShare * static_cast<double>(forced->all)) {
    findings.push_back(program(incident, *forced));
  }
  if (timed) findings.push_back(timer(incident, *timed));
}

}  // namespace ullage::diagnose

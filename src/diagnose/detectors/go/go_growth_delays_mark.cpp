// SPDX-License-Identifier: Apache-2.0
//
// go-growth-delays-mark: marking took long although there was next to nothing to mark.
//
// A collection ends when every goroutine has been looked at. One that copies a large slice can't be
// stopped to be looked at, so marking waits for the copy, and whoever owes assistance waits along.
//
// Rule      marking took kMarkNs or more, and kOverCpu times the processor time it used, or
//           kOverOthers times the median of at least kOthers collections with a heap about as
//           large; the heap holds kHeapBytes, enough for a copy that long.
// Silent    where goroutines wait long for a processor (the machine was short of them), where
//           marking is simply work: pointers by the gigabyte.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"
#include "diagnose/detectors/go/stops.h"

namespace ullage::diagnose {
namespace {

using evidence::GcCycle;

constexpr std::uint64_t kMarkNs = 50'000'000;
constexpr double kOverCpu = 10;
constexpr double kOverOthers = 5;
constexpr std::size_t kOthers = 3;
constexpr double kSimilarHeap = 1.5;
constexpr std::uint64_t kHeapBytes = 16 << 20;
// Runnable goroutines that wait this long (99 of 100 less) are short of processors.
constexpr std::uint64_t kStarvedNs = 20'000'000;
constexpr std::uint64_t kErrorNs = 1'000'000'000;

std::uint64_t cpu_ns(const GcCycle& cycle) {
  return cycle.assist_cpu_ns + cycle.worker_cpu_ns + cycle.idle_cpu_ns;
}

// Median marking time of other collections with about as much to mark; 0 = too few.
std::uint64_t usual_ns(const std::vector<GcCycle>& cycles, const GcCycle& one) {
  std::vector<std::uint64_t> others;
  const auto live = static_cast<double>(one.live_bytes);
  for (const GcCycle& cycle : cycles) {
    const auto other = static_cast<double>(cycle.live_bytes);
    if (&cycle == &one || other * kSimilarHeap < live || live * kSimilarHeap < other) continue;
    others.push_back(cycle.mark_ns);
  }
  if (others.size() < kOthers) return 0;
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
  std::nth_element(others.begin(), middle, others.end());
  return std::max<std::uint64_t>(*middle, 1);
}

struct Delay {
  const GcCycle* cycle = nullptr;
  std::uint64_t delay_ns = 0, usual_ns = 0;
  bool by_cpu = false;
};

Delay delay_of(const std::vector<GcCycle>& cycles, const GcCycle& cycle) {
  Delay delay;
  if (cycle.mark_ns < kMarkNs) return delay;
  if (cycle.heap_known && std::max(cycle.heap_end_bytes, cycle.live_bytes) < kHeapBytes) {
    return delay;
  }
  const auto mark = static_cast<double>(cycle.mark_ns);
  if (cycle.cpu_known && mark >= kOverCpu * static_cast<double>(cpu_ns(cycle))) {
    delay = {&cycle, cycle.mark_ns - std::min(cpu_ns(cycle), cycle.mark_ns), 0, true};
  } else if (cycle.heap_known) {
    const std::uint64_t usual = usual_ns(cycles, cycle);
    if (usual > 0 && mark >= kOverOthers * static_cast<double>(usual)) {
      delay = {&cycle, cycle.mark_ns - usual, usual, false};
    }
  }
  return delay;
}

Finding make(const evidence::Incident& incident, const std::vector<Delay>& delays) {
  const Delay* worst = &delays.front();
  std::uint64_t total_ns = 0;
  const Delay* sampled = nullptr;
  for (const Delay& delay : delays) {
    total_ns += delay.delay_ns;
    if (delay.delay_ns > worst->delay_ns) worst = &delay;
    if (delay.cycle->growth_samples > 0 &&
        (!sampled || delay.cycle->growth_samples > sampled->cycle->growth_samples)) {
      sampled = &delay;
    }
  }
  const GcCycle& cycle = *worst->cycle;
  // Without samples, a line whose copies are large enough to have taken that long.
  const std::vector<go::HeapPlace> places = go::heap_places(incident);
  const go::HeapPlace* place = go::explains(places, worst->delay_ns);
  const bool at_sample = sampled && !sampled->cycle->growth_stack.empty();
  Finding finding = at_sample ? go::at_stack(sampled->cycle->growth_stack)
                    : place   ? go::at_stack(place->stack)
                              : go::at_position(incident, cycle.where);
  finding.title = "marking took up to " + format_ns(cycle.mark_ns) +
                  " with almost no marking done: it waited for a copy";
  finding.family = "append";
  finding.symptom = true;
  finding.severity = worst->delay_ns >= kErrorNs ? Severity::kError : Severity::kWarning;
  finding.confidence = at_sample ? 0.9 : worst->by_cpu ? 0.6 : 0.5;
  finding.cost.stall_ns = total_ns;
  finding.cost.stall_ns_max = worst->delay_ns;
  finding.cost.events = delays.size();
  finding.cost.events_unit = "collections";
  std::string text = go::position_text(incident, cycle.where) + ": collection " +
                     std::to_string(cycle.ordinal) + " " +
                     go::window_text(cycle.start_ns, cycle.start_ns) + " marked for " +
                     format_ns(cycle.mark_ns);
  if (cycle.cpu_known) text += " and used " + format_ns(cpu_ns(cycle)) + " of processors";
  if (worst->usual_ns > 0) {
    text += "; others with such a heap took " + format_ns(worst->usual_ns);
  }
  if (cycle.heap_known) text += " (" + format_bytes(cycle.live_bytes) + " live)";
  finding.evidence.push_back(text + ".");
  finding.evidence.push_back(
      format_counted(delays.size(), "collection") + " of " + format_count(incident.cycles.size()) +
      " were delayed, by " + format_ns(total_ns) +
      " in all (an estimate: the wait of the goroutine that copied, and the most that others who "
      "owed assistance can have waited).");
  if (at_sample) {
    finding.evidence.push_back(format_counted(sampled->cycle->growth_samples, "CPU sample") +
                               " within collection " + std::to_string(sampled->cycle->ordinal) +
                               " are in growth, at " + go::site_text(finding.where) + ".");
  } else if (place) {
    finding.largest_copy_bytes = place->rungs.rbegin()->first;
    finding.evidence.push_back(
        "No CPU sample names the line. " + go::position_text(incident, place->where) + " has " +
        go::site_text(place->user) + " copying up to " + format_bytes(finding.largest_copy_bytes) +
        " in one piece, which can take that long.");
  } else {
    finding.evidence.push_back(
        "No CPU sample names the line. A machine short of processors would look the same: compare "
        "with the cgroup's cpu.stat (nr_throttled).");
  }
  finding.remedy =
      "grow in small parts: a [][]T of parts of 1 MB each, or make([]T, 0, N) before the load "
      "begins; shards where many write.";
  finding.check = at_sample ? "go tool trace " + go::artefact_name(incident, cycle.where)
                            : "ullage explain go-growth-delays-mark";
  return finding;
}

}  // namespace

void go_growth_delays_mark(const evidence::Evidence& evidence, const DetectorOptions&,
                           std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  if (incident.scheduling.percentile(0.99) >= kStarvedNs) return;
  std::vector<Delay> delays;
  for (const GcCycle& cycle : incident.cycles) {
    const Delay delay = delay_of(incident.cycles, cycle);
    if (delay.cycle) delays.push_back(delay);
  }
  if (!delays.empty()) findings.push_back(make(incident, delays));
}

}  // namespace ullage::diagnose

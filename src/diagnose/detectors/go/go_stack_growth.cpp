// SPDX-License-Identifier: Apache-2.0
//
// go-stack-growth: goroutines copy their stacks again and again to make them larger.
//
// A goroutine begins with a small stack (2 kB, later what was usual) and doubles it by copying.
// Deep recursion in fresh goroutines pays that every time, and large stacks are scanned by every
// cycle.
//
// Rule      growing stacks takes kShare of the CPU samples (kSamples at least), under stacks that
//           are kDepth frames deep; or stacks are kOfLive of the live heap, kStackBytes at least,
//           and kPerGoroutine each where the number of goroutines is known.
// Silent    for bursts of shallow goroutines: each grows once, by little; for many small stacks.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::CpuSite;
using evidence::GcCycle;
using evidence::Incident;

constexpr double kShare = 0.05;
constexpr std::uint64_t kSamples = 10;
constexpr std::size_t kDepth = 16;
constexpr double kOfLive = 0.10;
constexpr std::uint64_t kStackBytes = 16 << 20;
constexpr std::uint64_t kPerGoroutine = 64 << 10;

const char* kRemedy =
    "turn the recursion into a loop with a slice of what is still to do (make([]node, 0, N)), or "
    "let "
    "a fixed set of workers do it: a goroutine keeps the stack it grew until a collection "
    "halves it, a fresh one begins anew.";

bool grows_stack(const CpuSite& site) {
  return site.call == CallKind::kStack || go::has_function(site.stack, "runtime.newstack") ||
         go::has_function(site.stack, "runtime.copystack");
}

void look_at_samples(const Incident& incident, std::vector<Finding>& findings) {
  struct Sum {
    const CpuSite* worst = nullptr;
    std::uint64_t samples = 0, cpu_ns = 0;
    std::size_t depth = 0;
  };
  std::map<std::string, Sum> functions;
  std::uint64_t all = 0;
  std::uint64_t all_ns = 0;
  for (const CpuSite& site : incident.cpu_sites) {
    if (site.stack.empty() || !grows_stack(site)) continue;
    const go::Frame* user = go::user_frame(site.stack);
    Sum& sum = functions[user->function];
    sum.samples += site.samples;
    sum.cpu_ns += site.cpu_ns;
    sum.depth = std::max(sum.depth, go::user_depth(site.stack));
    if (!sum.worst || site.samples > sum.worst->samples) sum.worst = &site;
    all += site.samples;
    all_ns += site.cpu_ns;
  }
  const auto total = static_cast<double>(incident.cpu.samples);
  if (all < kSamples || static_cast<double>(all) < kShare * total) return;
  const Sum* most = nullptr;
  for (const auto& [function, sum] : functions) {
    if (!most || sum.samples > most->samples) most = &sum;
  }
  if (most->depth < kDepth) return;

  Finding finding = go::at_stack(most->worst->stack);
  finding.family = "stack";
  finding.confidence = 0.9;
  finding.title = "growing stacks takes " + go::share_text(static_cast<double>(all), total) +
                  " of the processor time";
  finding.cost.cpu_ns = all_ns;
  finding.cost.events = all;
  finding.cost.events_unit = "CPU samples";
  evidence::Position where;
  where.artefact = most->worst->artefact;
  finding.evidence.push_back(go::position_text(incident, where) + ": " + format_count(all) +
                             " of " + format_counted(incident.cpu.samples, "CPU sample") +
                             " copy stacks to larger ones (runtime.newstack, copystack), about " +
                             format_ns(all_ns) + "; " + format_count(most->samples) +
                             " of these below " + go::site_text(finding.where) +
                             ", under stacks of " + format_count(most->depth) + " frames or more.");
  finding.remedy = kRemedy;
  finding.check = go::pprof_list(finding.where, "cpu", go::artefact_name(incident, where));
  findings.push_back(std::move(finding));
}

std::uint64_t goroutines_most(const Incident& incident) {
  std::uint64_t most = 0;
  for (const evidence::Snapshot& snapshot : incident.snapshots) {
    most = std::max(most, snapshot.goroutines);
  }
  for (const evidence::Metric& metric : incident.metrics) {
    if (metric.name == "/sched/goroutines:goroutines") {
      most = std::max(most, go::whole_number(metric.value));
    }
  }
  return most;
}

void look_at_cycles(const Incident& incident, std::vector<Finding>& findings) {
  const GcCycle* worst = nullptr;
  for (const GcCycle& cycle : incident.cycles) {
    const bool large =
        cycle.heap_known && cycle.stacks_bytes >= kStackBytes &&
        static_cast<double>(cycle.stacks_bytes) >= kOfLive * static_cast<double>(cycle.live_bytes);
    if (large && (!worst || cycle.stacks_bytes > worst->stacks_bytes)) worst = &cycle;
  }
  if (!worst) return;
  const std::uint64_t goroutines = goroutines_most(incident);
  if (goroutines > 0 && worst->stacks_bytes / goroutines < kPerGoroutine) return;
  Finding finding = go::at_position(incident, worst->where);
  finding.family = "stack";
  finding.symptom = true;
  finding.confidence = goroutines > 0 ? 0.7 : 0.5;
  finding.title = "stacks are " + format_bytes(worst->stacks_bytes) + " beside " +
                  format_bytes(worst->live_bytes) + " of live heap";
  finding.cost.wasted_bytes = worst->stacks_bytes;
  finding.cost.events_unit = "goroutines";
  finding.cost.events = goroutines;
  std::string text = go::position_text(incident, worst->where) + ": collection " +
                     std::to_string(worst->ordinal) + " scanned " +
                     format_bytes(worst->stacks_bytes) + " of stacks, " +
                     go::share_text(static_cast<double>(worst->stacks_bytes),
                                    static_cast<double>(worst->live_bytes)) +
                     " of what is live";
  if (goroutines > 0) {
    text += ", " + format_bytes(worst->stacks_bytes / goroutines) + " for each of " +
            format_counted(goroutines, "goroutine");
  } else {
    text += "; how many goroutines share them is not known";
  }
  finding.evidence.push_back(text + ".");
  finding.remedy = kRemedy;
  finding.check = go::fetch_command(incident, "goroutine?debug=2", "goroutine.txt") +
                  " && ullage diagnose goroutine.txt";
  findings.push_back(std::move(finding));
}

}  // namespace

void go_stack_growth(const evidence::Evidence& evidence, const DetectorOptions&,
                     std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  look_at_samples(evidence.incident, findings);
  look_at_cycles(evidence.incident, findings);
}

}  // namespace ullage::diagnose

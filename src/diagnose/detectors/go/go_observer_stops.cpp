// SPDX-License-Identifier: Apache-2.0
//
// go-observer-stops: the world is stopped to be looked at.
//
// ReadMemStats, goroutine profiles and heap dumps stop every goroutine. Called by a metrics loop,
// they are a pause that no collector is to blame for.
//
// Rule      pauses of such kinds: one of kLongNs or more, or kPerSecond of them a second (kMany at
//           least). By the line that asks.
// Silent    for what profilers ask for themselves, now and then and shortly.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::Incident;
using evidence::Pause;

constexpr std::uint64_t kLongNs = 1'000'000;
constexpr double kPerSecond = 1;
constexpr std::uint64_t kMany = 5;
// A few long ones are a note: whoever takes a profile by hand knows of it.
constexpr std::uint64_t kFewNs = 10'000'000;

// Beginnings of the runtime's own names for them.
constexpr std::array kKinds = {"read mem stats", "goroutine profile", "write heap dump",
                               "all goroutines stack trace"};

bool observes(const std::string& kind) {
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](const char* name) { return kind.starts_with(name); });
}

bool profiles(const evidence::Stack& stack) {
  return go::has_function(stack, "runtime/pprof.") || go::has_function(stack, "runtime/trace.");
}

struct Sum {
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
  std::int64_t first_ns = 0, last_ns = 0;
  const Pause* worst = nullptr;
  std::map<std::string, std::uint64_t> kinds;
};

const char* remedy(const std::string& kind) {
  if (kind.starts_with("read mem stats")) {
    return "read runtime/metrics instead (metrics.Read stops nobody): "
           "/memory/classes/heap/objects:bytes, /gc/heap/live:bytes, "
           "/sched/pauses/total/gc:seconds. "
           "If ReadMemStats must stay, call it once a minute, in one place.";
  }
  if (kind.starts_with("goroutine profile") || kind.starts_with("all goroutines")) {
    return "count goroutines with runtime.NumGoroutine() or /sched/goroutines:goroutines; take "
           "whole profiles by hand, not from a loop.";
  }
  return "take heap dumps by hand only: the world stands still while the whole heap is written.";
}

Finding make(const Incident& incident, const Sum& sum, double seconds) {
  Finding finding = go::at_stack(sum.worst->asker_stack);
  if (finding.where.function.empty()) finding = go::at_position(incident, sum.worst->where);
  const bool often = sum.count >= kMany;
  finding.severity = often || sum.total_ns >= kFewNs ? Severity::kWarning : Severity::kNote;
  finding.family = "pause";
  finding.confidence = 0.95;
  finding.title = "the world was stopped " + format_counted(sum.count, "time") +
                  " to be looked at (" + sum.worst->kind + ")";
  finding.cost.stall_ns = sum.total_ns;
  finding.cost.stall_ns_max = sum.max_ns;
  finding.cost.events = sum.count;
  finding.cost.events_unit = "pauses";
  std::string kinds;
  for (const auto& [kind, count] : sum.kinds) {
    kinds += (kinds.empty() ? "" : ", ") + format_count(count) + " x " + kind;
  }
  std::string text = go::position_text(incident, sum.worst->where) + ": " + kinds;
  if (!finding.where.function.empty()) text += ", asked for at " + go::site_text(finding.where);
  text += ", " + go::window_text(sum.first_ns, sum.last_ns) + ": " + format_ns(sum.total_ns) +
          " in all, the longest " + format_ns(sum.max_ns);
  if (seconds > 0 && often) {
    text += ", " + format_count(go::whole_number(static_cast<double>(sum.count) / seconds)) +
            " a second";
  }
  finding.evidence.push_back(text + ".");
  finding.evidence.push_back("No collection asked for these, so no setting of GOGC changes them.");
  finding.remedy = remedy(sum.worst->kind);
  finding.check = "go tool trace " + go::artefact_name(incident, sum.worst->where);
  return finding;
}

}  // namespace

void go_observer_stops(const evidence::Evidence& evidence, const DetectorOptions&,
                       std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  std::map<std::string, Sum> sums;
  for (const Pause& pause : incident.pauses) {
    if (!observes(pause.kind) || profiles(pause.asker_stack)) continue;
    const go::Frame* user = go::user_frame(pause.asker_stack);
    const std::string key =
        user ? user->function + ':' + std::to_string(user->line) : "?" + pause.kind;
    Sum& sum = sums[key];
    if (sum.count++ == 0) sum.first_ns = pause.start_ns;
    sum.last_ns = pause.start_ns;
    sum.total_ns += pause.duration_ns;
    sum.max_ns = std::max(sum.max_ns, pause.duration_ns);
    ++sum.kinds[pause.kind];
    if (!sum.worst || pause.duration_ns > sum.worst->duration_ns) sum.worst = &pause;
  }
  for (const auto& [line, sum] : sums) {
    const double seconds = static_cast<double>(go::span_ns(sum.first_ns, sum.last_ns)) / 1e9;
    const bool often = sum.count >= kMany && static_cast<double>(sum.count) >= kPerSecond * seconds;
    if (sum.max_ns >= kLongNs || often) findings.push_back(make(incident, sum, seconds));
  }
}

}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
//
// go-cpu-starvation: pauses were long because threads had no processor to run on.
//
// A stop of the world is a few microseconds of work on every thread. When the machine or the
// cgroup's quota does not run those threads, the world stands still until it does; no code is to
// blame.
//
// Rule      kStarvedNs in all of pauses of 1 ms or more in which nobody was late, or somebody who
//           did nothing special; and goroutines that are ready wait kDelayNs for a processor (99
//           of 100 wait less), or the pauses come from kCulprits lines or more. Where 99 of 100
//           hardly wait: kManyNs in kManyStops stops at least.
// Silent    where the late one was copying (go-growth-delays-stop), and for a program that is
//           merely busy: ready goroutines queue up, but pauses are short.
#include <algorithm>
#include <set>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"
#include "diagnose/detectors/go/stops.h"

namespace ullage::diagnose {
namespace {

using evidence::Incident;
using evidence::Pause;
using go::WaitedFor;

constexpr std::uint64_t kStarvedNs = 10'000'000;
constexpr std::uint64_t kDelayNs = 10'000'000;
constexpr std::size_t kCulprits = 2;
constexpr std::uint64_t kErrorNs = 100'000'000;
constexpr std::uint64_t kManyNs = 100'000'000;
constexpr std::size_t kManyStops = 5;
// Versions from here on take the cgroup's quota for GOMAXPROCS by themselves.
constexpr int kQuotaSince = 25;

struct Sum {
  std::uint64_t count = 0, nobody = 0, total_ns = 0, max_ns = 0;
  const Pause* worst = nullptr;
  std::set<std::string> lines;
};

std::string remedy(const Incident& incident) {
  const std::string& version = incident.facts.version;
  const std::size_t at = version.find("go1.");
  const bool by_itself =
      at != std::string::npos && std::atoi(version.c_str() + at + 4) >= kQuotaSince;
  std::string text =
      "give the process the processors it schedules for: a higher CPU limit, or none, and fewer "
      "neighbours. ";
  text += by_itself
              ? "This Go takes GOMAXPROCS from the cgroup's limit unless it is set: don't set it "
                "higher."
              : "Set GOMAXPROCS to the limit, rounded up (Go does so itself from 1.25 on, "
                "before that go.uber.org/automaxprocs does).";
  return text;
}

}  // namespace

void go_cpu_starvation(const evidence::Evidence& evidence, const DetectorOptions&,
                       std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  const std::vector<go::HeapPlace> places = go::heap_places(incident);
  Sum sum;
  const std::vector<go::Judged> judgements = go::judge_all(incident, places);
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    const Pause& pause = incident.pauses[i];
    const WaitedFor what = judgements[i].what;
    if (what != WaitedFor::kProcessor && what != WaitedFor::kGoroutine) continue;
    ++sum.count;
    sum.nobody += what == WaitedFor::kProcessor;
    sum.total_ns += pause.duration_ns;
    sum.max_ns = std::max(sum.max_ns, pause.duration_ns);
    if (const go::Frame* user = go::user_frame(pause.culprit_stack)) {
      sum.lines.insert(user->function + ':' + std::to_string(user->line));
    }
    if (!sum.worst || pause.duration_ns > sum.worst->duration_ns) sum.worst = &pause;
  }
  if (sum.total_ns < kStarvedNs) return;
  const std::uint64_t delay = incident.scheduling.percentile(0.99);
  // 2^i: the edge of a bucket, so half of it has been reached.
  const bool delayed = delay / 2 >= kDelayNs || delay >= 2 * kDelayNs;
  if (!delayed && sum.lines.size() < kCulprits && sum.nobody < kCulprits) return;
  // Everyone else ran at once. A server that starts a goroutine a thousand times a second hides its
  // few long waits that way: many stops, with a different one late each time, prove them as well.
  const bool many = sum.total_ns >= kManyNs && sum.nobody >= kCulprits &&
                    sum.nobody + sum.lines.size() >= kManyStops;
  if (incident.scheduling.count > 0 && delay < kDelayNs / 10 && !many) return;

  Finding finding = go::at_position(incident, sum.worst->where);
  finding.family = "pause";
  finding.severity = sum.max_ns >= kErrorNs ? Severity::kError : Severity::kWarning;
  finding.confidence = delayed ? 0.8 : 0.5;
  finding.title = format_counted(sum.count, "long stop") + " of up to " + format_ns(sum.max_ns) +
                  " because threads were not run";
  finding.cost.stall_ns = sum.total_ns;
  finding.cost.stall_ns_max = sum.max_ns;
  finding.cost.events = sum.count;
  finding.cost.events_unit = "pauses";
  std::string text = go::position_text(incident, sum.worst->where) + ": " + sum.worst->kind +
                     " took " + format_ns(sum.worst->duration_ns) + " " +
                     go::window_text(sum.worst->start_ns, sum.worst->start_ns);
  if (sum.worst->reason == evidence::PauseReason::kNobodyLate) {
    text += "; the last goroutine had stopped after " + format_ns(sum.worst->culprit_offset_ns);
  } else if (const go::Frame* user = go::user_frame(sum.worst->culprit_stack)) {
    text += "; it waited for " + go::site_text(*user) + ", which copies nothing";
  }
  finding.evidence.push_back(text + ".");
  finding.evidence.push_back(format_counted(sum.count, "pause") + " of 1 ms or more, " +
                             format_ns(sum.total_ns) + " in all: in " + format_count(sum.nobody) +
                             " nobody was late, in " + format_count(sum.count - sum.nobody) +
                             " a goroutine that did nothing special (" +
                             format_counted(sum.lines.size(), "different line") + ").");
  if (incident.scheduling.count > 0) {
    finding.evidence.push_back("Goroutines that were ready waited up to " + format_ns(delay) +
                               " for a processor (99 of 100 less), " +
                               format_ns(incident.scheduling.max_ns) + " at most; GOMAXPROCS is " +
                               format_count(incident.facts.processors) + ".");
  }
  finding.remedy = remedy(incident);
  finding.check = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu.stat /proc/pressure/cpu";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

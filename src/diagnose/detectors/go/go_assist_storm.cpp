// SPDX-License-Identifier: Apache-2.0
//
// go-assist-storm: goroutines that allocate are made to mark, and their requests wait.
//
// While the collector marks, whoever allocates faster than it keeps up pays with marking of its
// own before it gets memory. Requests that arrive just then take that much longer.
//
// Rule      assists take kShare of what all processors could do while marking ran, or one single
//           goroutine was held for kStallNs. Without a trace the share comes from the collector's
//           own account of processor time (gctrace), or of assists in all time (runtime/metrics).
// Silent    for single long ones while ready goroutines wait kStarvedNs for a processor; for a
//           start-up: assists that all lie in the first tenth of a longer run, and for a handful of
//           assists of microseconds each.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::AssistSite;
using evidence::Incident;

constexpr double kShare = 0.10;
constexpr std::uint64_t kStallNs = 10'000'000;
// Less than this in all is not worth a finding, whatever its share of a short run.
constexpr std::uint64_t kTotalNs = 5'000'000;
constexpr std::uint64_t kStarvedNs = 20'000'000;
constexpr double kStartShare = 0.1;
constexpr std::uint64_t kLongRunNs = 5'000'000'000;
// Less in all than this is a note: every program that allocates assists a little.
constexpr std::uint64_t kFeltNs = 50'000'000;
constexpr std::uint64_t kErrorNs = 100'000'000;
// Of all processor time, by runtime/metrics.
constexpr double kMetricShare = 0.05;
constexpr std::size_t kOthers = 3;
constexpr double kWaitedConfidence = 0.6;

const char* kRemedy =
    "allocate less there while requests wait (reuse with sync.Pool, give slices and maps their "
    "size, keep buffers per worker). If memory is to spare, let the heap grow further between "
    "collections: GOGC=200, and GOMEMLIMIT at 90 % of the container's memory as the bound.";

bool only_at_start(const Incident& incident) {
  const std::uint64_t run = go::span_ns(incident.start_ns, incident.end_ns);
  if (run < kLongRunNs) return false;
  std::int64_t last = incident.start_ns;
  for (const AssistSite& site : incident.assist_sites) last = std::max(last, site.last_ns);
  return static_cast<double>(go::span_ns(incident.start_ns, last)) <
         kStartShare * static_cast<double>(run);
}

// "2.4"
std::string times_text(double ratio) {
  const std::uint64_t tenths = go::whole_number(ratio * 10);
  return format_count(tenths / 10) + '.' + std::to_string(tenths % 10);
}

Finding from_trace(const Incident& incident, double possible_ns) {
  const AssistSite& top = incident.assist_sites.front();
  Finding finding = go::at_stack(top.stack);
  finding.family = "any";
  finding.symptom = true;
  const auto total = static_cast<double>(incident.assist_total_ns);
  finding.cost.stall_ns = top.total_ns;
  finding.cost.stall_ns_max = top.max_ns;
  finding.cost.events = top.count;
  finding.cost.events_unit = "assists";
  finding.severity = top.max_ns >= kErrorNs                ? Severity::kError
                     : incident.assist_total_ns >= kFeltNs ? Severity::kWarning
                                                           : Severity::kNote;
  finding.confidence = 0.95;
  finding.title = "allocation here had to mark for the collector, up to " + format_ns(top.max_ns) +
                  " at a time";
  finding.evidence.push_back(
      go::position_text(incident, top.longest) + ": " + format_counted(top.count, "assist") +
      " at " + go::site_text(finding.where) + " took " + format_ns(top.total_ns) + " " +
      go::window_text(top.first_ns, top.last_ns) + ", the longest " + format_ns(top.max_ns) +
      (top.goroutines > 0 ? ", in " + format_counted(top.goroutines, "goroutine") : "") + ".");
  std::string sentence = "All assists: " + format_count(incident.assist_count) + ", " +
                         format_ns(incident.assist_total_ns) + ", of which " +
                         go::share_text(static_cast<double>(top.total_ns), total) + " here";
  if (possible_ns > 0 && total > possible_ns) {
    // Assists are timed from begin to end: more than the processors can do is waiting for one.
    finding.confidence = kWaitedConfidence;
    sentence += "; that is " + times_text(total / possible_ns) +
                " times what the processors could do while marking ran: " +
                (total >= 2 * possible_ns ? "most" : "part") + " of it was waiting for a processor";
  } else if (possible_ns > 0) {
    sentence += "; that is " + go::share_text(total, possible_ns) +
                " of what the processors could do while marking ran";
  }
  finding.evidence.push_back(sentence + ".");
  std::string others;
  for (std::size_t i = 1; i < incident.assist_sites.size() && i <= kOthers; ++i) {
    const AssistSite& site = incident.assist_sites[i];
    const go::Frame* user = go::user_frame(site.stack);
    if (user)
      others += (others.empty() ? "" : ", ") + user->place() + " " + format_ns(site.total_ns);
  }
  if (!others.empty()) finding.evidence.push_back("Then: " + others + ".");
  finding.remedy = kRemedy;
  finding.check = "go tool trace " + go::artefact_name(incident, top.longest);
  return finding;
}

void look_at_logs(const Incident& incident, std::vector<Finding>& findings) {
  std::uint64_t assist_ns = 0;
  double possible_ns = 0;
  const evidence::GcCycle* worst = nullptr;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    if (!cycle.cpu_known || cycle.processors == 0) continue;
    assist_ns += cycle.assist_cpu_ns;
    possible_ns += static_cast<double>(cycle.mark_ns) * static_cast<double>(cycle.processors);
    if (!worst || cycle.assist_cpu_ns > worst->assist_cpu_ns) worst = &cycle;
  }
  if (!worst || assist_ns < kStallNs || static_cast<double>(assist_ns) < kShare * possible_ns) {
    return;
  }
  Finding finding = go::at_position(incident, worst->where);
  finding.title = "allocating goroutines do " +
                  go::share_text(static_cast<double>(assist_ns), possible_ns) +
                  " of what the processors can do while the collector marks";
  finding.family = "any";
  finding.symptom = true;
  finding.confidence = 0.6;
  finding.cost.stall_ns = assist_ns;
  finding.cost.stall_ns_max = worst->assist_cpu_ns;
  finding.cost.events = incident.cycles.size();
  finding.cost.events_unit = "collections";
  finding.evidence.push_back(
      go::position_text(incident, worst->where) + ": collection " + std::to_string(worst->ordinal) +
      " had " + format_ns(worst->assist_cpu_ns) + " of assists; all collections " +
      format_ns(assist_ns) +
      ". That is processor time; the wait is longer, since an assist that finds no work waits.");
  finding.evidence.push_back("A log does not name the lines: an execution trace does.");
  finding.remedy = kRemedy;
  finding.check = go::fetch_command(incident, "trace?seconds=10", "load.trace") +
                  " && ullage diagnose load.trace";
  findings.push_back(std::move(finding));
}

double metric(const Incident& incident, const char* name) {
  double value = 0;
  for (const evidence::Metric& m : incident.metrics) {
    if (m.name == name) value = std::max(value, m.value);
  }
  return value;
}

void look_at_metrics(const Incident& incident, std::vector<Finding>& findings) {
  const double assist = metric(incident, "/cpu/classes/gc/mark/assist:cpu-seconds");
  const double total = metric(incident, "/cpu/classes/total:cpu-seconds");
  if (total <= 0 || assist < kMetricShare * total || assist * 1e9 < kStallNs) return;
  evidence::Position where;
  for (const evidence::Metric& m : incident.metrics) {
    if (m.name == "/cpu/classes/gc/mark/assist:cpu-seconds") where.artefact = m.artefact;
  }
  Finding finding = go::at_position(incident, where);
  finding.title = go::share_text(assist, total) + " of all processor time is assists";
  finding.family = "any";
  finding.symptom = true;
  finding.confidence = 0.5;
  finding.cost.stall_ns = go::whole_number(assist * 1e9);
  finding.cost.events_unit = "assists";
  finding.evidence.push_back(
      go::artefact_name(incident, where) + ": /cpu/classes/gc/mark/assist:cpu-seconds is " +
      format_ns(finding.cost.stall_ns) + " of " + format_ns(go::whole_number(total * 1e9)) +
      ". Metrics count processors, not waiting, and name no line.");
  finding.remedy = kRemedy;
  finding.check = go::fetch_command(incident, "trace?seconds=10", "load.trace") +
                  " && ullage diagnose load.trace";
  findings.push_back(std::move(finding));
}

}  // namespace

void go_assist_storm(const evidence::Evidence& evidence, const DetectorOptions&,
                     std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  const std::size_t before = findings.size();
  if (!incident.assist_sites.empty() && !only_at_start(incident)) {
    const double possible =
        static_cast<double>(incident.gc_window_ns) * static_cast<double>(incident.facts.processors);
    const auto total = static_cast<double>(incident.assist_total_ns);
    const bool much =
        possible > 0 && total >= kShare * possible && incident.assist_total_ns >= kTotalNs;
    // One long assist on a machine that is short of processors is the machine's.
    const bool starved = incident.scheduling.percentile(0.99) >= kStarvedNs;
    if (much || (incident.assist_max_ns >= kStallNs && !starved)) {
      findings.push_back(from_trace(incident, possible));
    }
  }
  if (!only_at_start(incident)) look_at_logs(incident, findings);
  if (findings.size() == before) look_at_metrics(incident, findings);
}

}  // namespace ullage::diagnose

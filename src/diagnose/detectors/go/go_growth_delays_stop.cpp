// SPDX-License-Identifier: Apache-2.0
//
// go-growth-delays-stop: the world waited for one goroutine that was copying a large slice.
//
// memmove and memclr can't be interrupted. A goroutine inside them stops only when they are done,
// and everyone who has already stopped waits with it.
//
// Rule      pauses of kLongStopNs or more whose last goroutine stopped in their last fifth, with
//           growth in its stack or in CPU samples of the pause, twice (two samples in one pause or
//           two such pauses at one line); or whose line a heap profile knows to handle kLargeBytes
//           at once. Without a trace: a stop of kLogStopNs in a log, and a line whose growth is
//           large enough to have caused it.
// Silent    for one pause with one sample, since busy servers append all the time; where the late
//           goroutine did something short: its thread was not run (go-cpu-starvation looks at
//           these); where nobody was late, where the runtime itself worked in the pause.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"
#include "diagnose/detectors/go/stops.h"

namespace ullage::diagnose {
namespace {

using evidence::Pause;
using go::HeapPlace;
using go::Judged;
using go::WaitedFor;

// A log does not say for whom a stop waited, so only what is far from ordinary counts.
constexpr std::uint64_t kLogStopNs = 10'000'000;
constexpr std::uint64_t kErrorNs = 100'000'000;

struct Group {
  std::vector<const Pause*> pauses;
  const HeapPlace* place = nullptr;
  std::uint64_t sampled = 0;
};

std::string remedy(std::uint64_t bytes) {
  std::string text =
      "keep no slice of that size: a [][]T of parts of 1 MB each grows without copying. Where it "
      "must be one, give it its capacity before others wait (make([]T, 0, N)), or spread it over "
      "shards";
  if (bytes > 0) text += "; now " + format_bytes(bytes) + " are handled in one piece";
  return text + ".";
}

Finding make(const evidence::Incident& incident, const Group& group) {
  const Pause* worst = group.pauses.front();
  Finding finding = go::at_stack(worst->culprit_stack);
  std::map<std::string, std::uint64_t> kinds;
  for (const Pause* pause : group.pauses) {
    finding.cost.stall_ns += pause->culprit_offset_ns;
    if (pause->duration_ns > worst->duration_ns) worst = pause;
    ++kinds[pause->kind];
  }
  finding.cost.stall_ns_max = worst->culprit_offset_ns;
  finding.cost.events = group.pauses.size();
  finding.cost.events_unit = "pauses";
  finding.severity = worst->culprit_offset_ns >= kErrorNs ? Severity::kError : Severity::kWarning;
  finding.title = format_counted(group.pauses.size(), "stop") +
                  " of the world waited for one goroutine that was copying memory";
  finding.family = "append";
  if (group.place && group.place->call == evidence::CallKind::kMapAssign) finding.family = "map";
  finding.symptom = true;
  finding.confidence = group.sampled > 0 ? 0.9 : 0.7;
  if (group.place) finding.largest_copy_bytes = group.place->rungs.rbegin()->first;
  finding.evidence.push_back(
      go::position_text(incident, worst->where) + ": " + worst->kind + " took " +
      format_ns(worst->duration_ns) + " " + go::window_text(worst->start_ns, worst->start_ns) +
      ", asked for by goroutine " + std::to_string(worst->asker) +
      ". The last to stop was goroutine " + std::to_string(worst->culprit) + ", after " +
      format_ns(worst->culprit_offset_ns) + ", at " + go::site_text(finding.where) + ".");
  std::string all;
  for (const auto& [kind, count] : kinds) {
    all += (all.empty() ? "" : ", ") + format_count(count) + " x " + kind;
  }
  finding.evidence.push_back("In all " + format_ns(finding.cost.stall_ns) +
                             " of waiting for it in " +
                             format_counted(group.pauses.size(), "pause") + " (" + all + ").");
  if (group.sampled > 0) {
    finding.evidence.push_back(
        "Its stack, or CPU samples within " + format_counted(group.sampled, "pause") +
        " of them, are in growth, memmove or memclr, which can't be interrupted.");
  } else {
    finding.evidence.push_back(
        "No CPU samples fell into these pauses. That it was copying is inferred: " +
        go::position_text(incident, group.place->where) + " has this line " +
        (group.place->call == evidence::CallKind::kUnknown
             ? std::string("allocating")
             : std::string("in ") + to_string(group.place->call) + ",") +
        " objects of up to " + format_bytes(finding.largest_copy_bytes) +
        ". A thread that the system did not run, or page faults, would look the same.");
  }
  finding.remedy = remedy(finding.largest_copy_bytes);
  finding.check = "go tool trace " + go::artefact_name(incident, worst->where);
  return finding;
}

Finding from_log(const evidence::Incident& incident, const HeapPlace& place, std::uint64_t count,
                 std::uint64_t total_ns, const evidence::GcCycle& worst, std::uint64_t worst_ns) {
  Finding finding = go::at_stack(place.stack);
  if (!place.hidden.empty()) finding.growth = place.hidden.front();
  finding.title = "stops of up to " + format_ns(worst_ns) + ", and a slice large enough for them";
  finding.family = "append";
  finding.symptom = true;
  finding.confidence = 0.4;
  finding.largest_copy_bytes = place.rungs.rbegin()->first;
  finding.cost.stall_ns = total_ns;
  finding.cost.stall_ns_max = worst_ns;
  finding.cost.events = count;
  finding.cost.events_unit = "pauses";
  finding.evidence.push_back(go::position_text(incident, worst.where) + ": collection " +
                             std::to_string(worst.ordinal) + " stopped the world for " +
                             format_ns(worst_ns) + "; " + format_counted(count, "stop") + " of " +
                             format_ns(kLogStopNs) + " or more took " + format_ns(total_ns) + ".");
  finding.evidence.push_back(
      "A log does not say for whom they waited. " + go::position_text(incident, place.where) +
      " has " + go::site_text(place.user) + " copying up to " +
      format_bytes(finding.largest_copy_bytes) + " in one piece, which can take that long.");
  finding.remedy = remedy(finding.largest_copy_bytes);
  finding.check = go::fetch_command(incident, "trace?seconds=10", "stop.trace") +
                  " && ullage diagnose stop.trace";
  return finding;
}

void look_at_logs(const evidence::Incident& incident, const std::vector<HeapPlace>& places,
                  std::vector<Finding>& findings) {
  std::uint64_t count = 0;
  std::uint64_t total_ns = 0;
  std::uint64_t worst_ns = 0;
  const evidence::GcCycle* worst = nullptr;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    for (const std::uint64_t stop : {cycle.stop_first_ns, cycle.stop_last_ns}) {
      if (stop < kLogStopNs) continue;
      ++count;
      total_ns += stop;
      if (stop <= worst_ns) continue;
      worst_ns = stop;
      worst = &cycle;
    }
  }
  if (!worst) return;
  const HeapPlace* place = go::explains(places, worst_ns);
  if (!place) return;
  findings.push_back(from_log(incident, *place, count, total_ns, *worst, worst_ns));
}

}  // namespace

void go_growth_delays_stop(const evidence::Evidence& evidence, const DetectorOptions&,
                           std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  const std::vector<HeapPlace> places = go::heap_places(incident);
  std::map<std::string, Group> groups;
  const std::vector<Judged> judgements = go::judge_all(incident, places);
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    const Pause& pause = incident.pauses[i];
    const Judged& judged = judgements[i];
    if (judged.what != WaitedFor::kGrowth) continue;
    const go::Frame* user = go::user_frame(pause.culprit_stack);
    Group& group = groups[user ? user->function + ':' + std::to_string(user->line) : ""];
    group.pauses.push_back(&pause);
    group.sampled += judged.sampled;
    if (judged.place) group.place = judged.place;
  }
  for (const auto& [place, group] : groups) findings.push_back(make(incident, group));
  if (incident.pauses.empty()) look_at_logs(incident, places, findings);
}

}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
//
// go-waits-on-stop: a stop of the world was multiplied, because everyone who waits waits for it.
//
// A parked goroutine never delays a stop. But whoever holds what others need is stopped with the
// rest, and when the callers give up and try again without cancelling, each stop leaves more
// callers behind than it found.
//
// Rule      at one line, kWaits or more waits lay across stops of the world, for kBehindNs in all,
//           and these are kShare of all that was waited there.
// Silent    for waits that were long anyway: sleepers, idle workers, pools.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::Wait;

constexpr std::uint64_t kWaits = 8;
constexpr std::uint64_t kBehindNs = 10'000'000;
constexpr double kShare = 0.3;

}  // namespace

void go_waits_on_stop(const evidence::Evidence& evidence, const DetectorOptions&,
                      std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  for (const Wait& wait : incident.waits) {
    const bool much = wait.behind_stop >= kWaits && wait.behind_stop_ns >= kBehindNs;
    if (!much ||
        static_cast<double>(wait.behind_stop_ns) < kShare * static_cast<double>(wait.total_ns)) {
      continue;
    }
    Finding finding = go::at_stack(wait.stack);
    finding.family = "wait";
    finding.symptom = true;
    finding.confidence = 0.7;
    finding.title =
        format_counted(wait.behind_stop, "wait") + " here lay across stops of the world";
    finding.cost.stall_ns = std::min(wait.behind_stop_ns, wait.total_ns);
    finding.cost.stall_ns_max = std::min(wait.max_ns, finding.cost.stall_ns);
    finding.cost.events = wait.behind_stop;
    finding.cost.events_unit = "waits";
    finding.evidence.push_back(
        go::position_text(incident, wait.longest) + ": at " + go::site_text(finding.where) + " " +
        format_counted(wait.count, "wait") + " (" + wait.reason + ") took " +
        format_ns(wait.total_ns) + " " + go::window_text(wait.first_ns, wait.last_ns) + "; " +
        format_count(wait.behind_stop) + " of them, " + format_ns(wait.behind_stop_ns) +
        ", lay across a stop.");
    if (const go::Frame* holder = go::user_frame(wait.released_by)) {
      finding.evidence.push_back("They were released at " + go::site_text(*holder) +
                                 ", which was stopped as well.");
    }
    const evidence::Pause* longest = nullptr;
    for (const evidence::Pause& pause : incident.pauses) {
      const bool within =
          pause.start_ns <= wait.last_ns &&
          pause.start_ns + static_cast<std::int64_t>(pause.duration_ns) >= wait.first_ns;
      if (within && (!longest || pause.duration_ns > longest->duration_ns)) longest = &pause;
    }
    if (longest) {
      finding.evidence.push_back("The longest stop meanwhile: " + longest->kind + ", " +
                                 format_ns(longest->duration_ns) + " " +
                                 go::at_text(longest->start_ns) + " after the start.");
    }
    finding.remedy =
        "shorten the stop first (the finding about it names the line). Then bound what piles up: "
        "ctx, cancel := context.WithTimeout(ctx, d) with select on ctx.Done() beside the wait, and "
        "retries with a limit and growing pauses.";
    finding.check = "go tool trace -pprof=sync " + go::artefact_name(incident, wait.longest) +
                    " > sync.pb.gz && go tool pprof -top sync.pb.gz";
    findings.push_back(std::move(finding));
  }
}

}  // namespace ullage::diagnose

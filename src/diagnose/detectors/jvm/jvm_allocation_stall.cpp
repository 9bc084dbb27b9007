// SPDX-License-Identifier: Apache-2.0
//
// jvm-allocation-stall: threads waited for memory, because the concurrent collector (ZGC,
// Shenandoah) had not freed any in time.
//
// Rule      ZGC: allocation stalls of at least kStallNs in all. Shenandoah: degenerated collections
//           of at least as much. An error when one took kErrorNs.
// Silent    below that: a millisecond now and then, as while warming up.
#include <algorithm>
#include <map>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {
namespace {

using evidence::AllocationStall;

constexpr std::uint64_t kStallNs = 10'000'000;

struct Stalls {
  std::uint64_t count = 0, total_ns = 0;
  const AllocationStall* longest = nullptr;
  std::map<std::string, std::uint64_t> by_thread;
  std::int64_t first_ns = 0, last_ns = 0;
};

Stalls sum(const evidence::Incident& incident) {
  Stalls stalls;
  for (const AllocationStall& stall : incident.stalls) {
    if (stalls.count == 0) stalls.first_ns = stall.at_ns;
    ++stalls.count;
    stalls.total_ns += stall.duration_ns;
    stalls.by_thread[stall.thread] += stall.duration_ns;
    stalls.last_ns = stall.at_ns + static_cast<std::int64_t>(stall.duration_ns);
    if (stalls.longest == nullptr || stall.duration_ns > stalls.longest->duration_ns) {
      stalls.longest = &stall;
    }
  }
  return stalls;
}

void say_stalls(const evidence::Incident& incident, const Stalls& stalls, Finding& finding) {
  const auto worst =
      std::max_element(stalls.by_thread.begin(), stalls.by_thread.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool times = !incident.artefacts.empty() && incident.artefacts.front().has_times;
  const std::string when = jvm::window(stalls.first_ns, stalls.last_ns, times);
  finding.evidence.push_back(format_counted(stalls.count, "allocation stall") + " in " +
                             format_counted(stalls.by_thread.size(), "thread") +
                             (when.empty() ? "" : ", " + when) + ": " + format_ns(stalls.total_ns) +
                             " in all, the longest " + format_ns(stalls.longest->duration_ns) +
                             " in \"" + stalls.longest->thread + "\" (" +
                             jvm::at(incident, stalls.longest->where) + ").");
  finding.evidence.push_back("Most of it met \"" + worst->first +
                             "\": " + format_ns(worst->second) + ".");
}

}  // namespace

void jvm_allocation_stall(const evidence::Evidence& evidence, const DetectorOptions&,
                          std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  const Stalls stalls = sum(incident);
  jvm::Sum degenerated;
  std::uint64_t live = 0;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    if (cycle.kind == "Degenerated") degenerated.add(cycle);
    live = std::max(live, cycle.live_bytes);
  }
  if (stalls.total_ns + degenerated.total_ns < kStallNs) return;
  const bool z = stalls.count > 0;
  Finding finding;
  finding.family = "room";
  finding.symptom = true;
  finding.where = jvm::place_of(incident, z ? stalls.longest->where : degenerated.longest->where);
  finding.cost.stall_ns = stalls.total_ns + degenerated.total_ns;
  finding.cost.stall_ns_max = std::max(z ? stalls.longest->duration_ns : 0, degenerated.max_ns);
  finding.cost.events = stalls.count + degenerated.count;
  finding.cost.events_unit = z ? "stalls" : "degenerated collections";
  finding.severity =
      finding.cost.stall_ns_max >= jvm::kErrorNs ? Severity::kError : Severity::kWarning;
  finding.confidence = 0.95;
  finding.title = z ? "threads waited for the collector to free memory"
                    : "concurrent collections could not finish and went on at a stop";
  if (z) say_stalls(incident, stalls, finding);
  if (degenerated.count > 0) {
    finding.evidence.push_back(format_counted(degenerated.count, "degenerated collection") + ": " +
                               format_ns(degenerated.total_ns) + " in all, the longest " +
                               format_ns(degenerated.max_ns) + " (" +
                               jvm::at(incident, degenerated.longest->where) + ").");
  }
  const std::uint64_t heap = incident.facts.heap_max_bytes;
  if (live > 0 && heap > 0) {
    finding.evidence.push_back("After collections " + format_bytes(live) + " of " +
                               format_bytes(heap) + " were in use.");
  }
  finding.remedy = "leave the collector ullage: " + jvm::larger_heap(incident, 1.5) +
                   ", and more threads with -XX:ConcGCThreads=" +
                   std::to_string(std::max<std::uint64_t>(2, incident.facts.processors / 2)) +
                   "; allocate less where it is most (buffers used again, collections given their "
                   "size at birth).";
  if (z && !incident.facts.generational) {
    finding.remedy +=
        " From JDK 21 on, generational ZGC (-XX:+ZGenerational; the default since "
        "23) frees young garbage earlier.";
  }
  finding.check = jvm::kHistogramCommand;
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

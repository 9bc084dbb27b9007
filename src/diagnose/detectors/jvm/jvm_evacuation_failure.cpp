// SPDX-License-Identifier: Apache-2.0
//
// jvm-evacuation-failure: G1 had no free region to copy survivors to.
//
// Rule      any collection with "To-space exhausted" (JDK 9 to 17), "(to-space exhausted)" (JDK 8)
//           or "(Evacuation Failure: Allocation)" (JDK 18 and later).
// Silent    for regions that could not be emptied because native code pinned them (Evacuation
//           Failure: Pinned): nothing was short. Where full collections bring nothing back, the
//           heap is full: jvm-full-gc-loop has the word, and this only says so.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/futile.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {
namespace {

using evidence::GcCycle;

// Humongous objects fragment a heap from this share of it on.
constexpr double kHumongousShare = 0.2;

}  // namespace

void jvm_evacuation_failure(const evidence::Evidence& evidence, const DetectorOptions&,
                            std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  const bool heap_full = jvm::futile_collections(incident).loops();
  jvm::Sum failed, full_after;
  std::int64_t humongous = 0;
  bool after = false;
  for (const GcCycle& cycle : incident.cycles) {
    if (cycle.to_space_exhausted) {
      failed.add(cycle);
      humongous = std::max(humongous, cycle.humongous_before);
      after = true;
    } else if (cycle.kind == "Full" && after) {
      full_after.add(cycle);
      after = false;
    } else if (cycle.kind == "Young" || cycle.kind == "Mixed") {
      after = false;
    }
  }
  if (failed.count == 0) return;
  Finding finding;
  finding.family = "room";
  finding.symptom = true;
  finding.where = jvm::place_of(incident, failed.longest->where);
  finding.cost.stall_ns = failed.total_ns + full_after.total_ns;
  finding.cost.stall_ns_max = std::max(failed.max_ns, full_after.max_ns);
  finding.cost.events = failed.count;
  finding.cost.events_unit = "collections";
  const bool costly = finding.cost.stall_ns_max >= jvm::kErrorNs || full_after.count > 0;
  finding.severity = heap_full ? Severity::kNote : costly ? Severity::kError : Severity::kWarning;
  finding.confidence = heap_full ? 0.6 : 0.95;
  finding.title = "G1 had no room to evacuate to, " + format_counted(failed.count, "time");
  const std::string when = jvm::window(failed.first_ns, failed.last_ns, failed.times_known);
  finding.evidence.push_back(format_counted(failed.count, "collection") +
                             " ran out of free regions while copying" +
                             (when.empty() ? "" : ", " + when) + ": " + format_ns(failed.total_ns) +
                             " in all, the longest " + format_ns(failed.max_ns) + " (" +
                             jvm::at(incident, failed.longest->where) + ").");
  if (failed.longest->heap_known) {
    finding.evidence.push_back("In the longest the heap went from " +
                               format_bytes(failed.longest->heap_start_bytes) + " to " +
                               format_bytes(failed.longest->heap_end_bytes) + " of " +
                               format_bytes(failed.longest->goal_bytes) + ".");
  }
  if (full_after.count > 0) {
    finding.evidence.push_back(format_counted(full_after.count, "full collection") +
                               " had to clean up at once: " + format_ns(full_after.total_ns) +
                               ", the longest " + format_ns(full_after.max_ns) + " (" +
                               jvm::at(incident, full_after.longest->where) + ").");
  }
  if (heap_full) {
    finding.evidence.push_back(
        "Full collections brought nothing back either: the heap is full, and room to evacuate to "
        "is the lesser problem.");
  }
  const double humongous_bytes = static_cast<double>(std::max<std::int64_t>(humongous, 0)) *
                                 static_cast<double>(incident.facts.region_bytes);
  const bool fragmented =
      humongous_bytes >
      kHumongousShare * static_cast<double>(std::max<std::uint64_t>(1, failed.longest->goal_bytes));
  finding.remedy =
      "keep more room free: -XX:G1ReservePercent=20 (default 10), begin marking "
      "earlier with -XX:InitiatingHeapOccupancyPercent=35, and " +
      jvm::larger_heap(incident, 1.3) + " if the live data needs it.";
  if (fragmented) {
    finding.evidence.push_back("Up to " + format_count(static_cast<std::uint64_t>(humongous)) +
                               " regions were humongous: they cannot be moved to make room.");
    finding.remedy +=
        " First make fewer humongous objects: sizes at birth, smaller buffers, or a "
        "larger -XX:G1HeapRegionSize.";
  }
  finding.check = jvm::kHistogramCommand;
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

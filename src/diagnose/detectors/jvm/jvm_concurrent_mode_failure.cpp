// SPDX-License-Identifier: Apache-2.0
//
// jvm-concurrent-mode-failure: CMS lost the race against allocation, and collected everything at
// a stop with one thread.
//
// Rule      CMS; any collection with "concurrent mode failure" or "promotion failed".
// Silent    for the "--" of the Parallel collector, whose full collections are parallel; for
//           "concurrent mode interrupted", which System.gc() causes.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {

void jvm_concurrent_mode_failure(const evidence::Evidence& evidence, const DetectorOptions&,
                                 std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident) || incident.facts.collector != "CMS") return;
  jvm::Sum failed;
  std::uint64_t promotion = 0, concurrent = 0;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    if (!cycle.promotion_failed && !cycle.concurrent_failure) continue;
    failed.add(cycle);
    promotion += cycle.promotion_failed ? 1 : 0;
    concurrent += cycle.concurrent_failure ? 1 : 0;
  }
  if (failed.count == 0) return;
  Finding finding;
  finding.family = "room";
  finding.symptom = true;
  finding.where = jvm::place_of(incident, failed.longest->where);
  finding.severity = failed.max_ns >= jvm::kErrorNs ? Severity::kError : Severity::kWarning;
  finding.confidence = 0.95;
  finding.title = concurrent > 0 ? "CMS fell behind and stopped the world to collect everything"
                                 : "CMS could not promote: the old generation is full or in pieces";
  finding.cost.stall_ns = failed.total_ns;
  finding.cost.stall_ns_max = failed.max_ns;
  finding.cost.events = failed.count;
  finding.cost.events_unit = "collections";
  const std::string when = jvm::window(failed.first_ns, failed.last_ns, failed.times_known);
  std::string what;
  if (concurrent > 0) what = format_counted(concurrent, "concurrent mode failure");
  if (concurrent > 0 && promotion > 0) what += " and ";
  if (promotion > 0) what += format_counted(promotion, "failed promotion");
  finding.evidence.push_back(what + (when.empty() ? "" : " " + when) + ": " +
                             format_ns(failed.total_ns) + " in all, the longest " +
                             format_ns(failed.max_ns) + " (" +
                             jvm::at(incident, failed.longest->where) + ").");
  const evidence::GcCycle& worst = *failed.longest;
  if (worst.old_known && worst.old_capacity_bytes > 0) {
    finding.evidence.push_back("Then the old generation went from " +
                               format_bytes(worst.old_before_bytes) + " to " +
                               format_bytes(worst.old_after_bytes) + " of " +
                               format_bytes(worst.old_capacity_bytes) + ".");
  }
  finding.remedy =
      "move to G1 or ZGC (CMS is gone since JDK 14). To stay a while: begin earlier with "
      "-XX:CMSInitiatingOccupancyFraction=60 -XX:+UseCMSInitiatingOccupancyOnly, and give " +
      jvm::larger_heap(incident, 1.3) +
      ". Large arrays that grow break the old generation into pieces: give them their size at "
      "birth.";
  finding.check =
      "java -XX:+UseG1GC -Xloggc:gc.log -XX:+PrintGCDetails ...; ullage diagnose gc.log";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

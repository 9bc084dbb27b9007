// SPDX-License-Identifier: Apache-2.0
//
// jvm-full-gc-loop: one full collection after another, and none brings anything back.
//
// Rule      at least kFutileMin full collections that reclaimed less than 5 % and left the old
//           generation 95 % (or the heap 85 %) full; or two in a row that left the heap 97 % full.
//           Any collector. An error.
// Silent    for System.gc(), for the metadata threshold, for a full collection that helped.
#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/futile.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {

void jvm_full_gc_loop(const evidence::Evidence& evidence, const DetectorOptions&,
                      std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  const jvm::Futile futile = jvm::futile_collections(incident);
  if (!futile.loops()) return;
  const jvm::Sum& sum = futile.collections;
  Finding finding;
  finding.severity = Severity::kError;
  finding.family = "held";
  finding.symptom = true;
  finding.where = jvm::place_of(incident, sum.first->where);
  finding.confidence = sum.count >= jvm::kFutileMin ? 0.95 : 0.8;
  finding.title =
      "the heap is full: " + format_counted(sum.count, "full collection") + " brought nothing back";
  finding.cost.stall_ns = futile.all.total_ns;
  finding.cost.stall_ns_max = futile.all.max_ns;
  finding.cost.wasted_bytes = futile.live_bytes_max;
  finding.cost.events = sum.count;
  finding.cost.events_unit = "full collections";
  const std::string when = jvm::window(sum.first_ns, sum.last_ns, sum.times_known);
  finding.evidence.push_back(
      format_count(sum.count) + " of " + format_counted(futile.all.count, "full collection") +
      (sum.longest->cause.empty() ? std::string() : " (" + sum.longest->cause + ")") +
      " reclaimed less than 5 %" + (when.empty() ? "" : ", " + when) + ": " +
      format_ns(sum.total_ns) + " in all, the longest " + format_ns(sum.max_ns) + " (" +
      jvm::at(incident, sum.longest->where) + ").");
  finding.evidence.push_back(
      format_bytes(futile.live_bytes_max) + " of " + format_bytes(futile.capacity_bytes) +
      " stayed alive; afterwards the " + (futile.old_generation ? "old generation" : "heap") +
      " was " + format_percent(futile.fill_max) + " full.");
  if (!incident.facts.crash.empty()) {
    finding.evidence.push_back("It ended with " + incident.facts.crash + ".");
  }
  finding.remedy =
      "find what holds it and bound it (a cache with a limit and a TTL, a queue with a capacity, "
      "listeners that are removed). If all of it is needed: " +
      jvm::larger_heap(incident, 1.5) + ". " +
      "-XX:+HeapDumpOnOutOfMemoryError -XX:+ExitOnOutOfMemoryError end the loop early.";
  finding.check = jvm::kHistogramCommand;
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

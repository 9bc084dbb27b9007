// SPDX-License-Identifier: Apache-2.0
//
// jvm-humongous-churn: buffers of half a region or more are made again and again, and start
// collections by themselves.
//
// Rule      G1; at least kCollections with cause "G1 Humongous Allocation", at least kShare of all
//           young ones, and no ladder of growing sizes.
// Silent    for a growing array (jvm-humongous-growth), for now and then one large object.
#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/jvm.h"
#include "diagnose/detectors/jvm/ladder.h"

namespace ullage::diagnose {
namespace {

constexpr std::uint64_t kCollections = 10;
constexpr double kShare = 0.25;

}  // namespace

void jvm_humongous_churn(const evidence::Evidence& evidence, const DetectorOptions&,
                         std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  jvm::Sum humongous;
  std::uint64_t all = 0, reclaimed = 0, allocated = 0;
  std::int64_t left = 0;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    all += cycle.kind == "Young" || cycle.kind == "Mixed" ? 1 : 0;
    if (cycle.cause == "G1 Humongous Allocation") humongous.add(cycle);
    if (cycle.humongous_before < 0) continue;
    if (cycle.humongous_before > left) {
      allocated += static_cast<std::uint64_t>(cycle.humongous_before - left);
    }
    if (cycle.humongous_before > cycle.humongous_after) {
      reclaimed += static_cast<std::uint64_t>(cycle.humongous_before - cycle.humongous_after);
    }
    left = cycle.humongous_after;
  }
  if (humongous.count < kCollections ||
      static_cast<double>(humongous.count) < kShare * static_cast<double>(all) ||
      !jvm::humongous_ladder(incident).rungs.empty()) {
    return;
  }
  Finding finding;
  finding.family = "churn";
  finding.where = jvm::place_of(incident, humongous.longest->where);
  finding.severity = humongous.max_ns >= jvm::kErrorNs ? Severity::kError : Severity::kWarning;
  finding.confidence = 0.8;
  finding.title = "humongous buffers start " + format_counted(humongous.count, "collection");
  finding.cost.stall_ns = humongous.total_ns;
  finding.cost.stall_ns_max = humongous.max_ns;
  finding.cost.events = humongous.count;
  finding.cost.events_unit = "collections";
  finding.evidence.push_back(
      format_count(humongous.count) + " of " + format_counted(all, "young collection") +
      " had the cause G1 Humongous Allocation, " + format_ns(humongous.total_ns) +
      " in all, the longest " + format_ns(humongous.max_ns) + " (" +
      jvm::at(incident, humongous.longest->where) + "), " +
      jvm::window(humongous.first_ns, humongous.last_ns, humongous.times_known) + ".");
  if (allocated > 0 && incident.facts.region_bytes > 0) {
    finding.evidence.push_back(
        format_bytes(allocated * incident.facts.region_bytes) + " of humongous regions of " +
        format_bytes(incident.facts.region_bytes) + " were allocated, and " +
        format_bytes(reclaimed * incident.facts.region_bytes) + " reclaimed: short-lived buffers.");
  }
  std::string region = "a larger -XX:G1HeapRegionSize";
  if (incident.facts.region_bytes > 0 && incident.facts.region_bytes < (32ULL << 20)) {
    region = "-XX:G1HeapRegionSize=" +
             std::to_string(std::min<std::uint64_t>(32, (incident.facts.region_bytes >> 20) * 8)) +
             "m";
  }
  finding.remedy =
      "keep the buffers and use them again (a pool, or one per thread), read and write in pieces "
      "below half a region, or choose regions more than twice as large as a buffer: " +
      region + ".";
  finding.check =
      "java -Xlog:gc*,gc+humongous=debug:file=gc.log ... (names the size of each); ullage diagnose "
      "gc.log";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

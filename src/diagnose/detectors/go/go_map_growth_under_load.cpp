// SPDX-License-Identifier: Apache-2.0
//
// go-map-growth-under-load: a map grows while requests are being served.
//
// Until Go 1.23 a map allocates twice its buckets at once and moves them, two with each write.
// Since 1.24 a table of at most 1024 slots splits at a time, and small maps are rehashed whole.
// Either way the work lies on whoever writes; the collector has no part in it.
//
// Rule      frames that split, rehash or evacuate are in kShare of the CPU samples, kSamples at
//           least; or a heap profile has buckets doubling on one line (kRungs sizes, kTopBytes).
// Silent    for churn: a map that is deleted from as much as written to is rehashed at its size,
//           and its line allocated more than kChurn times what it holds; for plain writes.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"
#include "diagnose/detectors/go/ladder.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::CpuSite;
using go::HeapPlace;

constexpr double kShare = 0.05;
constexpr std::uint64_t kSamples = 10;
constexpr double kChurn = 8;
constexpr std::size_t kRungs = 4;
constexpr std::uint64_t kTopBytes = 1 << 20;

struct Growth {
  const CpuSite* worst = nullptr;
  std::uint64_t samples = 0, cpu_ns = 0;
};

const HeapPlace* place_of(const std::vector<HeapPlace>& places, const go::Frame& user) {
  const HeapPlace* best = nullptr;
  for (const HeapPlace& place : places) {
    const bool map = place.call == CallKind::kMapAssign || place.call == CallKind::kUnknown;
    if (map && go::same_place(place.user, user) &&
        (!best || place.alloc_bytes > best->alloc_bytes)) {
      best = &place;
    }
  }
  return best;
}

bool churns(const HeapPlace* place) {
  return place && place->inuse_bytes > 0 && place->alloc_bytes > kChurn * place->inuse_bytes;
}

std::string remedy(const HeapPlace* place) {
  std::string text = "give the map its number of entries at birth, make(map[K]V, N)";
  if (place && place->inuse_bytes > 0) {
    text += " (its tables hold " + format_bytes(go::whole_number(place->inuse_bytes)) +
            "; N = that / bytes per entry of K and V, / 0.8 filled)";
  }
  return text +
         ". Or fill a new map aside and swap it in (atomic.Pointer), or spread keys over shards so "
         "that one growth is a fraction.";
}

std::string held(const evidence::Incident& incident, const HeapPlace& place) {
  return go::position_text(incident, place.where) + ": " + go::site_text(place.user) +
         " allocated " + format_bytes(go::whole_number(place.alloc_bytes)) + " of tables, " +
         format_bytes(go::whole_number(place.inuse_bytes)) + " are in use.";
}

// What was allocated for tables that grew out of use.
std::uint64_t outgrown(const HeapPlace* place) {
  return place ? go::whole_number(place->alloc_bytes - place->inuse_bytes) : 0;
}

Finding from_samples(const evidence::Evidence& evidence, const Growth& growth,
                     const HeapPlace* place) {
  const evidence::Incident& incident = evidence.incident;
  Finding finding = go::at_stack(growth.worst->stack);
  finding.family = "map";
  finding.confidence = 0.85;
  finding.cost.cpu_ns = growth.cpu_ns;
  finding.cost.wasted_bytes = outgrown(place);
  finding.cost.events = growth.samples;
  finding.cost.events_unit = "CPU samples";
  if (place) finding.cost.growths = go::whole_number(go::ladder_of(*place).growths);
  const auto total = static_cast<double>(incident.cpu.samples);
  const std::string share = go::share_text(static_cast<double>(growth.samples), total);
  finding.title = "a map grows while it is written to: " + share + " of the processor time";
  evidence::Position where;
  where.artefact = growth.worst->artefact;
  finding.evidence.push_back(
      go::position_text(incident, where) + ": " + format_count(growth.samples) + " of " +
      format_counted(incident.cpu.samples, "CPU sample") +
      " split, rehash or evacuate tables under " + go::site_text(finding.where) + " (most in " +
      growth.worst->stack.front().label() + "), about " + format_ns(growth.cpu_ns) +
      " of processors.");
  if (place) finding.evidence.push_back(held(incident, *place));
  finding.remedy = remedy(place);
  finding.check = go::pprof_list(finding.where, "cpu", go::artefact_name(incident, where));
  return finding;
}

Finding from_heap(const evidence::Incident& incident, const HeapPlace& place,
                  const go::Ladder& ladder) {
  Finding finding = go::at_stack(place.stack);
  if (!place.hidden.empty()) finding.growth = place.hidden.front();
  finding.family = "map";
  finding.confidence = 0.7 * go::confidence_of(place.proof);
  finding.largest_copy_bytes = ladder.top_bytes;
  finding.cost.copied_bytes = finding.cost.wasted_bytes = go::whole_number(ladder.waste_bytes);
  finding.cost.events = go::whole_number(ladder.growths);
  finding.title = "a map doubles its buckets up to " + format_bytes(ladder.top_bytes);
  finding.evidence.push_back(held(incident, place) + " " + format_counted(ladder.rungs, "size") +
                             " of buckets, from " + format_bytes(ladder.bottom_bytes) + " to " +
                             format_bytes(ladder.top_bytes) + ", each about " +
                             go::factor_text(ladder.factor) + " times the one before.");
  finding.evidence.push_back("About " + format_bytes(finding.cost.copied_bytes) +
                             " were moved from bucket to bucket (an estimate from the sizes).");
  finding.remedy = remedy(&place);
  finding.check =
      go::pprof_list(place.user, "alloc_space", go::artefact_name(incident, place.where));
  return finding;
}

}  // namespace

void go_map_growth_under_load(const evidence::Evidence& evidence, const DetectorOptions&,
                              std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  const std::vector<HeapPlace> places = go::heap_places(incident);
  std::map<std::string, Growth> growths;
  for (const CpuSite& site : incident.cpu_sites) {
    if (site.stack.empty() || !go::grows_map(site.stack)) continue;
    const go::Frame* user = go::user_frame(site.stack);
    Growth& growth = growths[user->function + ':' + std::to_string(user->line)];
    growth.samples += site.samples;
    growth.cpu_ns += site.cpu_ns;
    if (!growth.worst || site.samples > growth.worst->samples) growth.worst = &site;
  }
  std::vector<go::Frame> told;
  for (const auto& [line, growth] : growths) {
    const go::Frame user = *go::user_frame(growth.worst->stack);
    const HeapPlace* place = place_of(places, user);
    const bool much =
        static_cast<double>(growth.samples) >= kShare * static_cast<double>(incident.cpu.samples);
    if (!much || growth.samples < kSamples || churns(place)) continue;
    findings.push_back(from_samples(evidence, growth, place));
    told.push_back(user);
  }
  for (const HeapPlace& place : places) {
    if (place.call != CallKind::kMapAssign || churns(&place)) continue;
    const go::Ladder ladder = go::ladder_of(place);
    const bool doubles =
        ladder.rungs >= kRungs && ladder.geometric && ladder.top_bytes >= kTopBytes;
    const bool known = std::any_of(told.begin(), told.end(), [&](const go::Frame& user) {
      return go::same_place(user, place.user);
    });
    if (doubles && !known) findings.push_back(from_heap(incident, place, ladder));
  }
}

}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
//
// go-pointer-map: one large map or slice holds pointers, and every collection follows all of them.
//
// The collector skips memory without pointers. A map of a hundred million values is looked at in a
// millisecond, a map of as many pointers in seconds; its load factor and layout are the same.
//
// Rule      a heap of kLiveBytes or more whose marking takes kNsPerByte (0.1 s per GB) or more of
//           wall time, and kCpuNsPerByte of processors; and one line that writes to a map,
//           allocates single objects or appends holds kShare of the heap in kObjects or more.
// Silent    for maps of values (marking is quick), for heaps made of many small structures at many
//           lines, where marking only waited (go-growth-delays-mark).
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::GcCycle;
using go::HeapPlace;

constexpr std::uint64_t kLiveBytes = 100'000'000;
// Two idle processors mark pointers at 0.6 s per GB (Go 1.26) or 0.23 (1.27), busy ones at 6;
// values take 0.01 at most. Of processors 1.27 takes 0.45 s per GB for pointers.
constexpr double kNsPerByte = 0.1;
constexpr double kCpuNsPerByte = 0.2;
constexpr double kShare = 0.3;
// A map that itself holds less than this share is not what the pointers are for.
constexpr double kMapShare = 0.1;
constexpr double kObjects = 100'000;
// Objects that hold pointers to others by the hundred: tables of a map, blocks of a slice.
constexpr double kTableBytes = 1024;

std::uint64_t mark_cpu_ns(const GcCycle& cycle) {
  return cycle.assist_cpu_ns + cycle.worker_cpu_ns + cycle.idle_cpu_ns;
}

bool slow(const GcCycle& cycle) {
  if (!cycle.heap_known || cycle.live_bytes < kLiveBytes) return false;
  const auto live = static_cast<double>(cycle.live_bytes);
  if (static_cast<double>(cycle.mark_ns) < kNsPerByte * live) return false;
  return !cycle.cpu_known || static_cast<double>(mark_cpu_ns(cycle)) >= kCpuNsPerByte * live;
}

// The map when there is one, else what most of the heap's objects are allocated by.
const HeapPlace* holder(const std::vector<HeapPlace>& places, double inuse) {
  const HeapPlace* map = nullptr;
  const HeapPlace* objects = nullptr;
  double of_objects = 0;
  for (const HeapPlace& place : places) {
    if (place.call == CallKind::kMapAssign && place.inuse_bytes >= kMapShare * inuse &&
        (!map || place.inuse_bytes > map->inuse_bytes)) {
      map = &place;
    }
    const bool single = place.call == CallKind::kNew || place.call == CallKind::kUnknown ||
                        place.call == CallKind::kAppend;
    if (single && place.inuse_objects >= kObjects) {
      of_objects += place.inuse_bytes;
      if (!objects || place.inuse_bytes > objects->inuse_bytes) objects = &place;
    }
  }
  // Without the calls: what the same function holds in few, large objects is what points to them.
  for (const HeapPlace& place : places) {
    if (map && map->call == CallKind::kMapAssign) break;
    if (!objects || place.call != CallKind::kUnknown ||
        !go::same_function(place.user, objects->user)) {
      continue;
    }
    const bool large =
        place.inuse_objects > 0 && place.inuse_bytes / place.inuse_objects >= kTableBytes;
    if (large && place.inuse_bytes >= kMapShare * inuse &&
        (!map || place.inuse_bytes > map->inuse_bytes)) {
      map = &place;
    }
  }
  const double share = (map ? map->inuse_bytes : 0) + of_objects;
  if (share < kShare * inuse) return nullptr;
  return map ? map : objects && objects->inuse_bytes >= kShare * inuse ? objects : nullptr;
}

}  // namespace

void go_pointer_map(const evidence::Evidence& evidence, const DetectorOptions&,
                    std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  const GcCycle* worst = nullptr;
  std::uint64_t cpu_ns = 0;
  std::uint64_t assist_ns = 0;
  std::size_t count = 0;
  for (const GcCycle& cycle : incident.cycles) {
    if (!slow(cycle)) continue;
    ++count;
    cpu_ns += mark_cpu_ns(cycle);
    assist_ns += cycle.assist_cpu_ns;
    if (!worst || cycle.mark_ns > worst->mark_ns) worst = &cycle;
  }
  if (!worst) return;
  const std::vector<HeapPlace> places = go::heap_places(incident);
  const double inuse = go::inuse_bytes_total(places);
  const HeapPlace* place = holder(places, inuse);
  if (!place) return;

  Finding finding = go::at_stack(place->stack);
  if (!place->hidden.empty()) finding.growth = place->hidden.front();
  finding.title =
      "every collection follows the pointers of one large structure: " + format_ns(worst->mark_ns) +
      " of marking for " + format_bytes(worst->live_bytes);
  finding.family = place->call == CallKind::kAppend ? "append" : "map";
  finding.confidence = place->call == CallKind::kUnknown ? 0.5 : 0.8;
  finding.cost.cpu_ns = cpu_ns;
  finding.cost.stall_ns = assist_ns;
  finding.cost.events = count;
  finding.cost.events_unit = "collections";
  const double per_gb =
      static_cast<double>(worst->mark_ns) / (static_cast<double>(worst->live_bytes) / 1e9);
  finding.evidence.push_back(go::position_text(incident, worst->where) + ": collection " +
                             std::to_string(worst->ordinal) + " marked " +
                             format_bytes(worst->live_bytes) + " in " + format_ns(worst->mark_ns) +
                             ", " + format_ns(go::whole_number(per_gb)) +
                             " per GB; memory without pointers takes a few milliseconds. " +
                             format_counted(count, "collection") + " used " + format_ns(cpu_ns) +
                             " of processors for it.");
  finding.evidence.push_back(
      go::position_text(incident, place->where) + ": " + go::site_text(place->user) + " holds " +
      format_bytes(go::whole_number(place->inuse_bytes)) + " (" +
      go::share_text(place->inuse_bytes, inuse) + " of the heap) in " +
      format_counted(go::whole_number(place->inuse_objects), "object") + ".");
  for (const HeapPlace& other : places) {
    if (&other == place || other.call == CallKind::kMake || other.inuse_bytes < kShare * inuse ||
        other.inuse_objects < kObjects) {
      continue;
    }
    finding.evidence.push_back("What it points to: " + go::site_text(other.user) + ", " +
                               format_bytes(go::whole_number(other.inuse_bytes)) + " in " +
                               format_counted(go::whole_number(other.inuse_objects), "object") +
                               ".");
    break;
  }
  finding.remedy =
      "hold values instead of pointers: map[K]V with a V without pointers, strings and slices "
      "(up to 128 bytes stay in the table), or map[K]uint32 as an index into one []V. Shards make "
      "each piece smaller, not the marking. A higher GOGC marks less often.";
  finding.check =
      go::pprof_list(place->user, "inuse_objects", go::artefact_name(incident, place->where));
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

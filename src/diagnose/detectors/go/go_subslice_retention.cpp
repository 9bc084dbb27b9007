// SPDX-License-Identifier: Apache-2.0
//
// go-subslice-retention: small slices of large buffers keep the whole buffers alive.
//
// A slice points into its array; the collector frees arrays whole. A profile sees only that the
// buffers stay; a heap dump shows who reaches them, where, and how far.
//
// Rule      proof, by heap dump: buffers of kObjectBytes or more that are reached only by slices
//           (or strings) of less than kReached of them, wasting kWasteBytes. Suspicion, by heap
//           profile alone: one line made kBuffers or more of one size of kSuspectBytes, all are
//           still alive, and they are kShare of the heap.
// Silent    where a dump shows them used in full, where buffers die, for single large arrays.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::Incident;
using evidence::Retention;
using go::HeapPlace;

constexpr std::uint64_t kObjectBytes = 4 << 10;
constexpr double kReached = 0.10;
constexpr double kWasteBytes = 1 << 20;
constexpr std::uint64_t kSuspectBytes = 64 << 10;
constexpr double kBuffers = 16;
constexpr double kShare = 0.5;
constexpr double kSuspectWaste = 16 << 20;
// All alive: sampling and a collection between two figures make it a little less.
constexpr double kAlive = 0.95;

const char* kRemedy =
    "keep a copy of what is needed and let the buffer go: bytes.Clone(b[i:j]) or "
    "slices.Clone(s[i:j]) (strings.Clone for strings); slices.Clip does not help, it only lowers "
    "the capacity. b[i:j:j] keeps the array, too: it merely makes the next append copy.";

bool makes_buffers(const HeapPlace& place) {
  return place.call == CallKind::kMake || place.call == CallKind::kUnknown ||
         place.call == CallKind::kConvert || place.call == CallKind::kAppend;
}

// The line that allocates objects of this size (a dump has what the allocator made of what was
// asked for: up to an eighth more) and still has as many; null when several do, or none.
const HeapPlace* allocator(const std::vector<HeapPlace>& places, std::uint64_t bytes,
                           std::size_t count) {
  const HeapPlace* only = nullptr;
  for (const HeapPlace& place : places) {
    if (!makes_buffers(place)) continue;
    const auto fits = [&](const auto& rung) {
      return rung.first <= bytes && bytes - rung.first <= bytes / 8 &&
             rung.second.inuse_objects >= 0.5 * static_cast<double>(count);
    };
    if (std::none_of(place.rungs.begin(), place.rungs.end(), fits)) continue;
    if (only) return nullptr;
    only = &place;
  }
  return only;
}

Finding proved(const Incident& incident, const std::vector<HeapPlace>& places,
               const std::vector<const Retention*>& group) {
  const Retention& worst = *group.front();
  const HeapPlace* place = allocator(places, worst.object_bytes, group.size());
  Finding finding = place ? go::at_stack(place->stack) : go::at_position(incident, worst.where);
  std::uint64_t wasted = 0;
  std::uint64_t held = 0;
  std::uint64_t reached_most = 0;
  bool may_use_rest = false;
  for (const Retention* one : group) {
    wasted += one->wasted_bytes;
    held += one->object_bytes;
    reached_most = std::max(reached_most, one->length_bytes);
    may_use_rest = may_use_rest || one->capacity_bytes > one->length_bytes;
  }
  finding.family = "held";
  finding.confidence = may_use_rest ? 0.85 : 0.95;
  finding.title = format_counted(group.size(), "buffer") + " of " +
                  format_bytes(worst.object_bytes) + " kept alive by slices of up to " +
                  format_bytes(reached_most);
  finding.cost.wasted_bytes = wasted;
  finding.cost.events = group.size();
  finding.cost.events_unit = "buffers";
  finding.evidence.push_back(go::position_text(incident, worst.where) + ": " + format_bytes(held) +
                             " are held and " + format_bytes(wasted) +
                             " of them are reached by nobody (" +
                             format_counted(group.size(), "buffer") + ").");
  std::string one = "For example: bytes " + format_count(worst.offset) + " to " +
                    format_count(worst.offset + worst.length_bytes) + " of " +
                    format_count(worst.object_bytes) + ", len " + format_count(worst.length_bytes) +
                    ", cap " + format_count(worst.capacity_bytes) + " bytes, from " +
                    format_counted(worst.holders, "slice header");
  if (!worst.root.empty()) one += ", reached from " + worst.root;
  finding.evidence.push_back(one + ".");
  if (may_use_rest) {
    finding.evidence.push_back(
        "Its capacity goes further than its length: a holder that slices up to it again would use "
        "the rest.");
  }
  if (place) {
    finding.evidence.push_back("They were allocated at " + go::site_text(place->user) + " (" +
                               go::position_text(incident, place->where) + ", by their size).");
  } else {
    finding.evidence.push_back(
        "A dump does not say where they were allocated: give a heap profile of the same process "
        "as well.");
  }
  finding.remedy = kRemedy;
  finding.check =
      place ? go::pprof_list(place->user, "inuse_space", go::artefact_name(incident, place->where))
            : go::fetch_command(incident, "heap", "heap.pb.gz") + " && ullage diagnose " +
                  go::artefact_name(incident, worst.where) + " heap.pb.gz";
  return finding;
}

Finding suspected(const Incident& incident, const HeapPlace& place, double inuse) {
  Finding finding = go::at_stack(place.stack);
  const std::uint64_t bytes = place.rungs.rbegin()->first;
  finding.family = "held";
  finding.confidence = 0.35;
  finding.title = "every buffer of " + format_bytes(bytes) +
                  " that was made here is still alive: perhaps small slices hold them";
  finding.cost.wasted_bytes = go::whole_number(place.inuse_bytes);
  finding.cost.events = go::whole_number(place.inuse_objects);
  finding.cost.events_unit = "buffers";
  finding.evidence.push_back(
      go::position_text(incident, place.where) + ": " + go::site_text(place.user) + " allocated " +
      format_counted(go::whole_number(place.alloc_objects), "buffer") + " of " +
      format_bytes(bytes) + " and " + format_count(go::whole_number(place.inuse_objects)) +
      " are in use, " + format_bytes(go::whole_number(place.inuse_bytes)) + ", " +
      go::share_text(place.inuse_bytes, inuse) + " of the heap.");
  finding.evidence.push_back(
      "That is a suspicion: a profile does not show how much of each is reached. The cost is all "
      "that they hold, the most that can be wasted. A heap dump proves it or clears it.");
  finding.remedy = std::string("if only a part of each buffer is kept: ") + kRemedy;
  finding.check =
      "take a dump where they are alive, debug.WriteHeapDump(f.Fd()), then: ullage "
      "diagnose heap.dump " +
      go::artefact_name(incident, place.where);
  return finding;
}

bool suspicious(const HeapPlace& place, double inuse) {
  if (!makes_buffers(place) || place.rungs.size() != 1 || place.call == CallKind::kAppend) {
    return false;
  }
  return place.rungs.begin()->first >= kSuspectBytes && place.inuse_objects >= kBuffers &&
         place.inuse_bytes >= kSuspectWaste && place.inuse_bytes >= kShare * inuse &&
         place.inuse_objects >= kAlive * place.alloc_objects;
}

bool has_dump(const Incident& incident) {
  return std::any_of(incident.snapshots.begin(), incident.snapshots.end(),
                     [](const evidence::Snapshot& s) { return s.kind == "heap dump"; });
}

}  // namespace

void go_subslice_retention(const evidence::Evidence& evidence, const DetectorOptions&,
                           std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  const std::vector<HeapPlace> places = go::heap_places(incident);
  std::map<std::uint64_t, std::vector<const Retention*>> sizes;
  for (const Retention& one : incident.retentions) {
    const auto object = static_cast<double>(one.object_bytes);
    const auto reached = object - static_cast<double>(std::min(one.wasted_bytes, one.object_bytes));
    if (one.object_bytes >= kObjectBytes && reached < kReached * object) {
      sizes[one.object_bytes].push_back(&one);
    }
  }
  for (auto& [bytes, group] : sizes) {
    std::stable_sort(group.begin(), group.end(), [](const Retention* a, const Retention* b) {
      return a->wasted_bytes > b->wasted_bytes;
    });
    double wasted = 0;
    for (const Retention* one : group) wasted += static_cast<double>(one->wasted_bytes);
    if (wasted >= kWasteBytes) findings.push_back(proved(incident, places, group));
  }
  if (!incident.retentions.empty() || has_dump(incident)) return;
  const double inuse = go::inuse_bytes_total(places);
  for (const HeapPlace& place : places) {
    if (suspicious(place, inuse)) findings.push_back(suspected(incident, place, inuse));
  }
}

}  // namespace ullage::diagnose

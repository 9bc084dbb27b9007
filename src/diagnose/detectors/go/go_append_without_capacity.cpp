// SPDX-License-Identifier: Apache-2.0
//
// go-append-without-capacity: a slice reaches its size by append alone.
//
// A heap profile hides growslice, but every step of the growth leaves objects of its own size: a
// ladder of rungs on one line. What all rungs but the last hold was copied once and thrown away.
//
// Rule      on one line that calls append (or nobody knows): kRungs sizes, most of them apart by a
//           factor of growth, the largest kTopBytes or more, and kWaste times as much allocated as
//           the largest ones hold. Or: append is proved, and allocates kShare of everything.
// Silent    for lines that make slices of many sizes (factors outside of append's), for slices that
//           were made large enough, for what another call is proved to allocate.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"
#include "diagnose/detectors/go/ladder.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::CallProof;
using go::HeapPlace;
using go::Ladder;

constexpr std::size_t kRungs = 4;
constexpr std::uint64_t kTopBytes = 64 << 10;
constexpr double kWaste = 1.8;
constexpr double kDoubling = 1.8;
// A proved append below the ladder's size still counts when it is this much of all allocation.
constexpr double kShare = 0.05;
constexpr std::uint64_t kShareBytes = 1 << 20;

std::string remedy(const HeapPlace& place, const Ladder& ladder, std::uint64_t elements) {
  const std::string top = format_bytes(ladder.top_bytes);
  std::string text;
  if (go::is_standard(place.stack.empty() ? std::string() : place.stack.front().function)) {
    text = "give the buffer its size before it is filled: buf.Grow(" +
           go::literal(ladder.top_bytes) + ") for a bytes.Buffer or strings.Builder";
  } else if (elements > 0) {
    text = "make it with its capacity, s := make([]T, 0, " + go::literal(elements) + ") (" + top +
           " / " + format_bytes(place.element_bytes) +
           " each), or s = slices.Grow(s, n) once n is known";
  } else {
    text = "make it with its capacity, s := make([]T, 0, N) with N = " + top +
           " / unsafe.Sizeof(T{}), or s = slices.Grow(s, n) once n is known";
  }
  return text +
         ". Where nobody can know the size, keep a list of blocks (a [][]T of equal parts) "
         "instead of one slice.";
}

Finding make(const evidence::Incident& incident, const HeapPlace& place, const Ladder& ladder,
             double total_bytes) {
  Finding finding = go::at_stack(place.stack);
  if (!place.hidden.empty()) finding.growth = place.hidden.front();
  const std::uint64_t elements =
      place.element_bytes > 0 ? ladder.top_bytes / place.element_bytes : 0;
  finding.title = "a slice grows to " + format_bytes(ladder.top_bytes) +
                  " by append: " + format_counted(ladder.rungs, "size") + " on one line";
  finding.family = "append";
  finding.largest_copy_bytes = ladder.top_bytes;
  finding.confidence = go::confidence_of(place.proof);
  finding.cost.copied_bytes = finding.cost.wasted_bytes = go::whole_number(ladder.waste_bytes);
  finding.cost.events = go::whole_number(ladder.growths);
  finding.advised_elements = elements > 0 ? elements : ladder.top_bytes;
  finding.evidence.push_back(
      go::position_text(incident, place.where) + ": " + go::site_text(place.user) + " allocated " +
      format_bytes(go::whole_number(place.alloc_bytes)) + " (" +
      go::share_text(place.alloc_bytes, total_bytes) + " of all) in " +
      format_counted(go::whole_number(place.alloc_objects), "object") + " of " +
      format_counted(ladder.rungs, "size") + " from " + format_bytes(ladder.bottom_bytes) + " to " +
      format_bytes(ladder.top_bytes) + ", each about " + go::factor_text(ladder.factor) +
      " times the one before.");
  finding.evidence.push_back(
      "The " + format_counted(go::whole_number(ladder.tops), "largest one", "largest ones") +
      " hold " + format_bytes(go::whole_number(ladder.top_total_bytes)) + ": " +
      go::factor_text(ladder.waste) + " times as much was allocated as is needed, and about " +
      format_bytes(go::whole_number(ladder.waste_bytes)) +
      " copied and thrown away (an estimate: every step taken to be full when it grew).");
  finding.evidence.push_back("That it is append: " + go::proof_text(place.proof) + ".");
  finding.remedy = remedy(place, ladder, elements);
  finding.check =
      go::pprof_list(place.user, "alloc_space", go::artefact_name(incident, place.where));
  return finding;
}

bool stands(const HeapPlace& place, const Ladder& ladder, double total_bytes) {
  const bool append = place.call == CallKind::kAppend;
  if (!append && place.call != CallKind::kUnknown) return false;
  if (ladder.waste < kWaste) return false;
  // Above 256 elements append no longer doubles; buckets of a map do, and so do the buffers of the
  // standard library. Without proof of the call, what doubles to the end is none of ours.
  const bool proved = append && place.proof > CallProof::kLadder;
  const bool buffer = !place.stack.empty() && go::is_standard(place.stack.front().function);
  if (!proved && !buffer && ladder.top_factor >= kDoubling) return false;
  if (ladder.rungs >= kRungs && ladder.geometric && ladder.top_bytes >= kTopBytes) return true;
  // Steps too small for a ladder (a sampled profile misses them), but the call is certain.
  return append && place.proof > CallProof::kLadder && ladder.rungs >= 2 &&
         place.alloc_bytes >= static_cast<double>(kShareBytes) &&
         place.alloc_bytes >= kShare * total_bytes;
}

}  // namespace

void go_append_without_capacity(const evidence::Evidence& evidence, const DetectorOptions&,
                                std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const std::vector<HeapPlace> places = go::heap_places(evidence.incident);
  const double total = go::alloc_bytes_total(places);
  for (const HeapPlace& place : places) {
    const Ladder ladder = go::ladder_of(place);
    if (stands(place, ladder, total)) {
      findings.push_back(make(evidence.incident, place, ladder, total));
    }
  }
}

}  // namespace ullage::diagnose

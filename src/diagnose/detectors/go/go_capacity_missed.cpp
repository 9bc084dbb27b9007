// SPDX-License-Identifier: Apache-2.0
//
// go-capacity-missed: a slice was made with a capacity just below what it came to hold.
//
// One append too many allocates again (twice the size below 256 elements, then less, down to a
// quarter more) and copies all of it. A spare element costs nothing; a missing one costs this.
//
// Rule      in one function, make allocates blocks of one size, and append, on the same line or up
//           to kLinesApart below, as many blocks of one size larger by kFactorMin to kFactorMax;
//           kBlocks or more, wasting kWasteBytes.
// Silent    where the numbers differ (a pool, a ring buffer: made once, used often), where append
//           went on growing (that is go-append-without-capacity), where make was enough.
#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::CallProof;
using go::HeapPlace;

constexpr int kLinesApart = 12;
constexpr double kFactorMin = 1.2;
constexpr double kFactorMax = 2.3;
constexpr double kBlocks = 8;
constexpr double kWasteBytes = 256 << 10;
// Numbers of blocks that count as equal: sampling makes each an estimate.
constexpr double kCountsApart = 0.15;

struct Step {
  std::uint64_t bytes = 0;
  double blocks = 0;
};

// The sizes of a place, without those that are noise beside the most frequent one.
std::vector<Step> steps_of(const HeapPlace& place) {
  double most = 0;
  for (const auto& [bytes, rung] : place.rungs) most = std::max(most, rung.allocated_objects);
  std::vector<Step> steps;
  for (const auto& [bytes, rung] : place.rungs) {
    if (rung.allocated_objects >= most * 0.02) steps.push_back({bytes, rung.allocated_objects});
  }
  return steps;
}

bool follow(const Step& made, const Step& grown) {
  const double factor = static_cast<double>(grown.bytes) / static_cast<double>(made.bytes);
  const double apart = std::abs(grown.blocks - made.blocks);
  return factor >= kFactorMin && factor <= kFactorMax && made.blocks >= kBlocks &&
         apart <= kCountsApart * made.blocks + std::sqrt(made.blocks) &&
         made.blocks * static_cast<double>(made.bytes) >= kWasteBytes;
}

Finding make(const evidence::Incident& incident, const HeapPlace& made, const HeapPlace& grown,
             const Step& first, const Step& second) {
  Finding finding = go::at_stack(grown.stack);
  if (!grown.hidden.empty()) finding.growth = grown.hidden.front();
  const std::uint64_t element = std::max(made.element_bytes, grown.element_bytes);
  const std::string size =
      element > 0 ? go::literal(first.bytes / element) + " elements" : format_bytes(first.bytes);
  finding.title = "a capacity of " + size + " is too small, and all of it is copied once";
  finding.family = "append";
  finding.largest_copy_bytes = first.bytes;
  finding.confidence = std::min(go::confidence_of(made.proof), go::confidence_of(grown.proof)) -
                       (made.call == CallKind::kMake && grown.call == CallKind::kAppend ? 0 : 0.1);
  const double waste = first.blocks * static_cast<double>(first.bytes);
  finding.cost.copied_bytes = finding.cost.wasted_bytes = go::whole_number(waste);
  finding.cost.events = go::whole_number(second.blocks);
  finding.advised_elements = element > 0 ? second.bytes / element : second.bytes;
  finding.evidence.push_back(go::position_text(incident, made.where) + ": " +
                             go::site_text(made.user) + " made " +
                             format_counted(go::whole_number(first.blocks), "block") + " of " +
                             format_bytes(first.bytes) + ", and " + go::site_text(grown.user) +
                             " grew " + format_count(go::whole_number(second.blocks)) +
                             " of them to " + format_bytes(second.bytes) + ".");
  finding.evidence.push_back("About " + format_bytes(finding.cost.copied_bytes) +
                             " were copied and thrown away: each block once (an estimate from the "
                             "sizes; " +
                             go::proof_text(grown.proof) + ").");
  const std::string count =
      element > 0
          ? "more than " + go::literal(first.bytes / element) + ", at most " +
                go::literal(second.bytes / element) + " elements"
          : "more than " + format_bytes(first.bytes) + ", at most " + format_bytes(second.bytes);
  finding.remedy = "give make the count the slice ends with (" + count +
                   "): make([]T, 0, n + what is appended after the loop). A spare element is "
                   "harmless, a missing one copies everything.";
  finding.check = go::pprof_list(made.user, "alloc_space", go::artefact_name(incident, made.where));
  return finding;
}

// The lower size comes from make and the upper from append, or nobody knows what they come from.
bool may_pair(const HeapPlace& made, const HeapPlace& grown) {
  if (made.call != CallKind::kMake && made.call != CallKind::kUnknown) return false;
  if (grown.call != CallKind::kAppend && grown.call != CallKind::kUnknown) return false;
  // Two unknown calls on two lines are one slice only when as many were made as grew.
  const bool known = made.call == CallKind::kMake || grown.call == CallKind::kAppend;
  const int apart = grown.user.line - made.user.line;
  if (!go::same_function(made.user, grown.user) || made.snapshot != grown.snapshot) return false;
  const double more = std::abs(made.alloc_objects - grown.alloc_objects);
  const bool exactly = more <= 0.01 * std::max(made.alloc_objects, grown.alloc_objects);
  return apart >= 0 && apart <= kLinesApart && (known || exactly);
}

}  // namespace

void go_capacity_missed(const evidence::Evidence& evidence, const DetectorOptions&,
                        std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const std::vector<HeapPlace> places = go::heap_places(evidence.incident);
  std::map<std::string, std::vector<const HeapPlace*>> functions;
  for (const HeapPlace& place : places) functions[place.user.function].push_back(&place);
  for (const auto& [name, group] : functions) {
    for (const HeapPlace* grown : group) {
      const std::vector<Step> sizes = steps_of(*grown);
      if (sizes.size() == 2 && grown->call == CallKind::kUnknown && follow(sizes[0], sizes[1])) {
        findings.push_back(make(evidence.incident, *grown, *grown, sizes[0], sizes[1]));
        continue;
      }
      if (sizes.size() != 1) continue;
      for (const HeapPlace* made : group) {
        const std::vector<Step> first = steps_of(*made);
        if (made == grown || first.size() != 1 || !may_pair(*made, *grown)) continue;
        if (!follow(first[0], sizes[0])) continue;
        findings.push_back(make(evidence.incident, *made, *grown, first[0], sizes[0]));
        break;
      }
    }
  }
}

}  // namespace ullage::diagnose

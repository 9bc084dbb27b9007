// SPDX-License-Identifier: Apache-2.0
//
// go-defer-in-loop: defer inside a loop; nothing is released before the function returns.
//
// Records of defer in a loop are objects of the heap, chained to the goroutine, and so is what
// their closures hold. It is heap that piles up, not stack; after the return nothing is left to
// see.
//
// Rule      kRecords or more records on one goroutine (heap dump, or a dump of goroutines), or
//           a line of defer that holds kBytes in a heap profile taken meanwhile. Or, after the
//           fact, one that allocated kMany records of kBytes in all.
// Silent    for a recursion with one defer per call: as many records as frames.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::DeferPile;
using evidence::Incident;
using go::HeapPlace;

constexpr std::uint64_t kRecords = 1000;
constexpr double kBytes = 1 << 20;
constexpr double kMany = 10'000;
// What the same function allocated and still holds counts to it when nearly all is alive.
constexpr double kAlive = 0.95;

// One defer per frame: the stack is as deep as the pile is high, or repeats itself.
bool is_recursion(const Incident& incident, const DeferPile& pile) {
  if (pile.stack.size() >= pile.records) return true;
  const auto times = [&](const go::Frame& frame) {
    return static_cast<std::uint64_t>(
        std::count_if(pile.stack.begin(), pile.stack.end(),
                      [&](const go::Frame& other) { return go::same_function(frame, other); }));
  };
  constexpr std::uint64_t kRepeats = 8;
  if (std::any_of(pile.stack.begin(), pile.stack.end(), [&](const go::Frame& frame) {
        return !go::is_standard(frame.function) && times(frame) >= kRepeats;
      })) {
    return true;
  }
  return std::any_of(incident.recursions.begin(), incident.recursions.end(),
                     [&](const evidence::Recursion& r) { return r.frames * 2 >= pile.records; });
}

bool defers(const HeapPlace& place) {
  return place.call == CallKind::kDefer || go::has_function(place.hidden, "runtime.deferproc") ||
         go::has_function(place.hidden, "runtime.newdefer");
}

// Bytes that lines of the same function hold and never released.
double held_bytes(const std::vector<HeapPlace>& places, const go::Frame& function) {
  double bytes = 0;
  for (const HeapPlace& place : places) {
    if (!go::same_function(place.user, function)) continue;
    if (place.inuse_objects >= kAlive * place.alloc_objects) bytes += place.inuse_bytes;
  }
  return bytes;
}

const char* kRemedy =
    "let each pass release its own: for ... { func() { f := open(); defer f.Close(); ... }() }, "
    "or call Close() at the end of the pass (and on its error paths) without defer.";

// A profile taken after the return shows that records were allocated, which only defer in a loop
// does, and no longer how many there were at once.
Finding afterwards(const Incident& incident, const std::vector<HeapPlace>& places,
                   const HeapPlace& line) {
  Finding finding = go::at_stack(line.stack);
  finding.family = "held";
  finding.confidence = 0.5;
  double allocated = 0;
  for (const HeapPlace& place : places) {
    if (go::same_function(place.user, line.user)) allocated += place.alloc_bytes;
  }
  finding.cost.wasted_bytes = go::whole_number(allocated);
  finding.cost.events = go::whole_number(line.alloc_objects);
  finding.cost.events_unit = "records and closures";
  finding.title = "defer in a loop allocated " + format_bytes(go::whole_number(line.alloc_bytes)) +
                  " of records and closures";
  finding.evidence.push_back(go::position_text(incident, line.where) + ": defer at " +
                             go::site_text(line.user) + " allocated " +
                             format_counted(go::whole_number(line.alloc_objects), "object") +
                             ". Outside of loops records lie in the frame, not on the heap.");
  finding.evidence.push_back("Lines of " + line.user.function + " allocated " +
                             format_bytes(finding.cost.wasted_bytes) +
                             ", and the function has returned: how much of it was held at once is "
                             "no longer to be seen (at "
                             "most all). A profile taken within the loop shows it.");
  finding.remedy = kRemedy;
  finding.check = go::pprof_list(line.user, "alloc_space", go::artefact_name(incident, line.where));
  return finding;
}

}  // namespace

void go_defer_in_loop(const evidence::Evidence& evidence, const DetectorOptions&,
                      std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  const std::vector<HeapPlace> places = go::heap_places(incident);
  const HeapPlace* line = nullptr;
  for (const HeapPlace& place : places) {
    if (defers(place) && (!line || place.inuse_bytes > line->inuse_bytes)) line = &place;
  }
  const DeferPile* pile = nullptr;
  for (const DeferPile& one : incident.defers) {
    if (one.records < kRecords || is_recursion(incident, one)) continue;
    if (!pile || one.records > pile->records) pile = &one;
  }
  const bool by_heap = line && line->inuse_bytes >= kBytes;
  if (!pile && !by_heap) {
    if (line && line->alloc_bytes >= kBytes && line->alloc_objects >= kMany) {
      findings.push_back(afterwards(incident, places, *line));
    }
    return;
  }

  const go::Frame* piled = pile ? go::user_frame(pile->stack) : nullptr;
  // The dump knows the function; the profile knows its line of defer.
  // It may have called others since, and these stand further in.
  const bool one_function =
      line &&
      (!piled || std::any_of(pile->stack.begin(), pile->stack.end(), [&](const go::Frame& frame) {
        return go::same_function(frame, line->user);
      }));
  const bool at_line = one_function && (by_heap || piled);
  Finding finding = at_line ? go::at_stack(line->stack)
                    : piled ? go::at_stack(pile->stack)
                            : go::at_position(incident, pile->where);
  finding.family = "held";
  finding.confidence = pile ? 0.95 : 0.85;
  const double held = finding.where.function.empty() ? 0 : held_bytes(places, finding.where);
  finding.cost.wasted_bytes = go::whole_number(held);
  finding.cost.events = pile ? pile->records : go::whole_number(line->inuse_objects);
  finding.cost.events_unit = "deferred calls";
  finding.title =
      format_counted(finding.cost.events, "deferred call") + " wait for one function to return";
  if (pile) {
    finding.evidence.push_back(
        go::position_text(incident, pile->where) + ": goroutine " +
        std::to_string(pile->goroutine) + " has " + format_counted(pile->records, "record") +
        " of defer" +
        (piled ? ", in " + go::site_text(at_line ? line->user : *piled) : std::string()) + ".");
  }
  if (at_line) {
    finding.evidence.push_back(
        go::position_text(incident, line->where) + ": defer at " + go::site_text(line->user) +
        " holds " + format_bytes(go::whole_number(line->inuse_bytes)) + " in " +
        format_counted(go::whole_number(line->inuse_objects), "record") + " and closures.");
  }
  if (held > 0) {
    finding.evidence.push_back(
        "Lines of " + finding.where.function + " hold " + format_bytes(go::whole_number(held)) +
        " of the heap and released nothing yet (an estimate: all that it allocated and is "
        "alive). It is heap that piles up, the stack stays small.");
  }
  finding.remedy = kRemedy;
  finding.check =
      at_line
          ? go::pprof_list(finding.where, "inuse_space", go::artefact_name(incident, line->where))
          : go::fetch_command(incident, "heap?debug=1", "") + " | grep -B3 deferproc";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
//
// jvm-humongous-growth: an array that grows outgrows G1's regions, and each of its copies is a
// humongous object beside the old one.
//
// Rule      G1; humongous regions allocated between collections form a ladder (ladder.h). With
//           collections caused by "G1 Humongous Allocation", or full or failed ones after it began:
//           a warning, an error from kErrorNs or with a full collection. Without: a note.
// Silent    for large buffers of one size (jvm-humongous-churn), for arrays given their size.
#include <algorithm>
#include <cstdio>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/growing.h"
#include "diagnose/detectors/jvm/jvm.h"
#include "diagnose/detectors/jvm/ladder.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GcCycle;
using evidence::Incident;
using jvm::Ladder;

// Between what ArrayList does (1.5) and what tables and buffers do (2).
constexpr double kDoubles = 1.75;
constexpr double kLoadFactor = 0.75;
constexpr std::uint64_t kRegionBytesMax = 32ULL << 20;
// An object that takes half a region or more is humongous.
constexpr std::uint64_t kRegionsHalf = 2;

std::string rungs_text(const Ladder& ladder) {
  std::string text;
  for (const std::uint64_t rung : ladder.rungs) {
    text += (text.empty() ? "" : ", ") + std::to_string(rung);
  }
  return text;
}

std::string factor_text(double factor) {
  char text[16];
  std::snprintf(text, sizeof text, "%.2f", factor);
  return text;
}

void say_growth(const Incident& incident, const Ladder& ladder, Finding& finding) {
  const std::uint64_t region = incident.facts.region_bytes;
  if (ladder.factor == 0) {
    finding.evidence.push_back(
        "Between collections, " + std::to_string(ladder.rungs.front()) + " to " +
        std::to_string(ladder.rungs.back()) + " humongous regions were allocated, " +
        std::to_string(ladder.rungs.size()) +
        " different sizes, and young collections reclaimed next to none: arrays of references that "
        "were outgrown (" +
        jvm::at(incident, ladder.last->where) + ").");
    return;
  }
  std::string sentence = "Between collections, " + rungs_text(ladder) +
                         " humongous regions were allocated, each time " +
                         factor_text(ladder.factor) + " times as many";
  if (region != 0) {
    sentence += ": the last array took " + format_bytes(ladder.rungs.back() * region);
  }
  sentence += ladder.factor < kDoubles ? ". So grows an ArrayList."
                                       : ". So grow hash tables, queues and buffers.";
  finding.evidence.push_back(sentence + " (" + jvm::at(incident, ladder.first->where) +
                             " to line " + format_count(ladder.last->where.at) + ")");
}

std::string remedy(const Incident& incident, const Ladder& ladder, Finding& finding) {
  const std::uint64_t region = incident.facts.region_bytes;
  std::string text = "give it its size at birth: ";
  if (region == 0 || ladder.factor == 0) {
    text += "new ArrayList<>(n), new HashMap<>((int) (n / 0.75f) + 1)";
  } else {
    const std::uint64_t slots = ladder.rungs.back() * region / jvm::reference_bytes(incident);
    if (ladder.factor < kDoubles) {
      finding.advised_elements = slots;
      text += "new ArrayList<>(" + std::to_string(slots) + ") (" + format_count(slots) +
              " references fill its last array; less where you know the count)";
    } else {
      const auto entries = static_cast<std::uint64_t>(static_cast<double>(slots) * kLoadFactor);
      finding.advised_elements = entries;
      text += "for n entries new HashMap<>((int) (n / 0.75f) + 1), n up to " +
              format_count(entries) +
              " (its last table); a buffer or queue gets its capacity in its constructor";
    }
    const std::uint64_t wanted = ladder.rungs.back() * region * kRegionsHalf;
    std::uint64_t size = region;
    while (size < wanted && size < kRegionBytesMax) size *= 2;
    if (size >= wanted && size > region) {
      text += ". With -XX:G1HeapRegionSize=" + std::to_string(size >> 20) +
              "m its copies are not humongous";
    }
  }
  return text + ". Where the size can't be known, fill a list of chunks instead of one array.";
}

// A log names no line. A thread dump does, when it caught the growth (most copies take long).
void name_line(const Incident& incident, Finding& finding) {
  const evidence::GoroutineGroup* caught = nullptr;
  std::optional<jvm::Growing> how;
  for (const evidence::GoroutineGroup& group : incident.goroutines) {
    if (caught && group.count <= caught->count) continue;
    std::optional<jvm::Growing> growing = jvm::growing(group.stack);
    if (!growing) continue;
    caught = &group;
    how = std::move(growing);
  }
  if (!caught) return;
  const evidence::Frame& user = *jvm::user_frame(caught->stack);
  if (user.library) return;
  evidence::Position dump;
  dump.artefact = caught->artefact;
  finding.where = user;
  finding.growth = how->growth;
  finding.stack = caught->stack;
  finding.evidence.push_back(jvm::at(incident, dump) + ": " + how->what + " was growing at " +
                             jvm::site_text(user) + " when the threads were dumped.");
}

}  // namespace

void jvm_humongous_growth(const evidence::Evidence& evidence, const DetectorOptions&,
                          std::vector<Finding>& findings) {
  const Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  const Ladder ladder = jvm::humongous_ladder(incident);
  if (ladder.rungs.empty()) return;
  jvm::Sum humongous, full, failed;
  bool begun = false;
  for (const GcCycle& cycle : incident.cycles) {
    begun |= &cycle == ladder.first;
    if (cycle.cause == "G1 Humongous Allocation") {
      humongous.add(cycle);
    } else if (begun && cycle.kind == "Full" && !cycle.forced) {
      full.add(cycle);
    } else if (begun && cycle.to_space_exhausted) {
      failed.add(cycle);  // the arrays took the room to evacuate to
    }
  }
  Finding finding;
  finding.where = jvm::place_of(incident, ladder.last->where);
  finding.family = "array";
  name_line(incident, finding);
  finding.cost.stall_ns = humongous.total_ns + full.total_ns + failed.total_ns;
  finding.cost.stall_ns_max = std::max({humongous.max_ns, full.max_ns, failed.max_ns});
  finding.cost.events = humongous.count + full.count + failed.count;
  finding.cost.events_unit = "collections";
  finding.cost.growths = ladder.rungs.size();  // those that collections saw
  std::uint64_t copied = 0;
  for (std::size_t i = 0; i + 1 < ladder.rungs.size(); ++i) copied += ladder.rungs[i];
  finding.cost.copied_bytes = copied * incident.facts.region_bytes;
  const bool paid = finding.cost.events > 0;
  if (ladder.factor == 0 && humongous.count + full.count == 0) return;
  finding.severity = !paid ? Severity::kNote
                     : full.count > 0 || finding.cost.stall_ns_max >= jvm::kErrorNs
                         ? Severity::kError
                         : Severity::kWarning;
  finding.confidence = ladder.factor == 0                                            ? 0.5
                       : ladder.rungs.size() > jvm::kRungsMin || humongous.count > 0 ? 0.9
                                                                                     : 0.6;
  finding.title = "an array grows through humongous regions, copy beside copy";
  say_growth(incident, ladder, finding);
  if (humongous.count > 0) {
    finding.evidence.push_back(format_counted(humongous.count, "collection") +
                               " with cause G1 Humongous Allocation took " +
                               format_ns(humongous.total_ns) + ", the longest " +
                               format_ns(humongous.max_ns) + " (" +
                               jvm::at(incident, humongous.longest->where) + ").");
  }
  if (full.count > 0) {
    std::string sentence = format_counted(full.count, "full collection") + " followed, " +
                           format_ns(full.total_ns) + " in all, the longest " +
                           format_ns(full.max_ns) + " (" + jvm::at(incident, full.longest->where) +
                           ")";
    if (full.longest->humongous_before > full.longest->humongous_after &&
        full.longest->humongous_after >= 0) {
      sentence += ": humongous regions " + std::to_string(full.longest->humongous_before) + " -> " +
                  std::to_string(full.longest->humongous_after);
    }
    finding.evidence.push_back(sentence + ".");
  }
  if (failed.count > 0) {
    finding.evidence.push_back(
        format_counted(failed.count, "collection") + " found no room to evacuate to beside it: " +
        format_ns(failed.total_ns) + " (" + jvm::at(incident, failed.longest->where) + ").");
  }
  if (!paid) {
    finding.evidence.push_back("No collection was caused by it here: the heap had room.");
  }
  finding.remedy = remedy(incident, ladder, finding);
  finding.check =
      "java -Xlog:gc*,gc+humongous=debug:file=gc.log ... (names the size of each); ullage diagnose "
      "gc.log";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose

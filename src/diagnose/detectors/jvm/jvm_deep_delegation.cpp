// SPDX-License-Identifier: Apache-2.0
//
// jvm-deep-delegation: a stack of the same few frames over and over: views of views of views, each
// asking the next, until the stack ends.
//
// Rule      at least kFrames frames in a cycle, with a StackOverflowError (an error), or in a
//           thread dump without one (a note: it is deep, and that is all that is known).
// Silent    for recursion that stays below kFrames: trees, parsers, directories.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {
namespace {

using evidence::Frame;
using evidence::Recursion;

constexpr std::uint64_t kFrames = 200;

// Methods with which one collection, stream or buffer asks the one below.
bool delegates(const Recursion& recursion) {
  for (const Frame& frame : recursion.cycle) {
    for (const char* method :
         {".get", ".size", ".iterator", ".next", ".hasNext", ".read", ".write", ".contains", ".add",
          ".put", ".charAt", ".length", ".apply", ".accept", ".invoke"}) {
      if (frame.function.ends_with(method)) return true;
    }
  }
  return false;
}

// Where the compiler put a bridge before an override (Integer get for E get), both have one name,
// and the bridge has the line of the class; which of the two stands on top is chance.
const Frame& past_bridge(const Recursion& recursion, const Frame& from) {
  const Frame* found = &from;
  for (const Frame& frame : recursion.cycle) {
    const bool same = frame.function == from.function && frame.file == from.file;
    if (same && frame.line > found->line) found = &frame;
  }
  return *found;
}

Frame place(const Recursion& recursion) {
  for (const Frame& frame : recursion.cycle) {
    if (!frame.library) return past_bridge(recursion, frame);
  }
  return recursion.entered_from.function.empty() ? recursion.cycle.front() : recursion.entered_from;
}

}  // namespace

void jvm_deep_delegation(const evidence::Evidence& evidence, const DetectorOptions&,
                         std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  for (const Recursion& recursion : incident.recursions) {
    const std::uint64_t frames = recursion.repeats * recursion.cycle.size();
    if (recursion.cycle.empty() || frames < kFrames) continue;
    const bool views = delegates(recursion);
    Finding finding;
    finding.family = "recursion";
    finding.where = place(recursion);
    finding.stack = recursion.cycle;
    finding.growth = recursion.cycle.front();
    finding.severity = recursion.overflowed ? Severity::kError : Severity::kNote;
    finding.confidence = recursion.overflowed ? (views ? 0.9 : 0.7) : 0.4;
    finding.cost.events = recursion.count;
    finding.cost.events_unit = recursion.overflowed ? "overflows" : "stacks";
    finding.title =
        std::string(views ? "views nested so deep that " : "recursion so deep that ") +
        (recursion.overflowed ? "the stack overflowed" : "the stack is nearly all of it");
    std::string cycle;
    for (const Frame& frame : recursion.cycle) {
      cycle += (cycle.empty() ? "" : ", ") + frame.function;
      if (frame.line > 0) cycle += " (" + frame.file + ":" + std::to_string(frame.line) + ")";
    }
    finding.evidence.push_back(
        format_count(frames) + " of " + format_count(recursion.frames) + " frames are " +
        format_count(recursion.repeats) + " times the same " +
        format_counted(recursion.cycle.size(), "frame") + ": " + cycle +
        (recursion.thread.empty() ? "" : ", in thread \"" + recursion.thread + "\"") + " (" +
        jvm::at(incident, recursion.where) + ").");
    if (recursion.cut) {
      finding.evidence.push_back(
          "The trace ends inside the cycle: the JVM writes 1024 frames "
          "(-XX:MaxJavaStackTraceDepth), the stack went on.");
    } else if (!recursion.entered_from.function.empty()) {
      finding.evidence.push_back("It was entered from " + recursion.entered_from.function +
                                 (recursion.entered_from.line > 0
                                      ? " (" + recursion.entered_from.place() + ")"
                                      : std::string()) +
                                 ".");
    }
    if (recursion.count > 1) {
      finding.evidence.push_back("Seen in " + format_counted(recursion.count, "trace") + ".");
    }
    finding.remedy =
        views ? "flatten at the place that wraps: keep the innermost and an offset instead of a "
                "wrapper around a wrapper, or copy when depth grows (new ArrayList<>(view)). A "
                "larger -Xss only postpones it."
              : "turn the recursion into a loop with a stack of its own (ArrayDeque), or bound its "
                "depth. A larger -Xss only postpones it.";
    finding.check = "jcmd PID Thread.print > threads.txt; ullage diagnose threads.txt";
    findings.push_back(std::move(finding));
  }
}

}  // namespace ullage::diagnose

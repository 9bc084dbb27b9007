// SPDX-License-Identifier: Apache-2.0
//
// jvm-explicit-gc: collections that somebody asked for, and the heap did not.
//
// System.gc() collects the whole heap at a stop, however little there is to collect: called by the
// program, by a library (RMI once an hour, NIO when direct memory runs short), by an agent, or from
// outside by jcmd GC.run. Histograms and dumps ask for the same, to count the living only.
//
// Rule      kAsked or more calls (causes System.gc(), Diagnostic Command, or a JVMTI agent's), or
//           one collection of 100 ms: a warning; an error with both. Those of histograms and dumps:
//           a note, from kAsked of them and kLookedNs in all.
// Silent    for one or two short ones (a start-up, a test); for concurrent cycles they begin, but
//           for their stops.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {
namespace {

using evidence::GcCycle;
using evidence::Incident;

constexpr std::uint64_t kAsked = 3;
constexpr std::uint64_t kLookedNs = 50'000'000;

enum class Asker { kNobody, kProgram, kCommand, kAgent, kLook };

Asker asker_of(const std::string& cause) {
  if (cause.starts_with("System")) return Asker::kProgram;  // JDK 8: "System"
  if (cause == "Diagnostic Command") return Asker::kCommand;
  if (cause == "JvmtiEnv ForceGarbageCollection") return Asker::kAgent;
  return cause.ends_with(" Initiated GC") ? Asker::kLook : Asker::kNobody;
}

std::uint64_t stopped_ns(const GcCycle& cycle) {
  const bool stops = cycle.kind == "Full" || cycle.kind == "Young" || cycle.kind == "Mixed" ||
                     cycle.kind == "Degenerated";
  return stops ? cycle.duration_ns : cycle.stop_first_ns + cycle.stop_last_ns;
}

struct Asked {
  std::uint64_t count = 0, total_ns = 0, max_ns = 0, reclaimed_bytes = 0, full = 0;
  const GcCycle* first = nullptr;
  const GcCycle* last = nullptr;
  const GcCycle* longest = nullptr;
  // Parallel collects the young generation first and then everything: one call is two collections.
  std::uint64_t calls() const { return full > 0 ? std::max(full, count - full) : count; }
  void add(const GcCycle& cycle) {
    const std::uint64_t ns = stopped_ns(cycle);
    if (!first) first = &cycle;
    if (!longest || ns > max_ns) longest = &cycle;
    last = &cycle;
    ++count;
    full += cycle.kind == "Full";
    total_ns += ns;
    max_ns = std::max(max_ns, ns);
    if (cycle.heap_known && cycle.heap_start_bytes > cycle.heap_end_bytes) {
      reclaimed_bytes += cycle.heap_start_bytes - cycle.heap_end_bytes;
    }
  }
};

// Who calls, where a thread dump caught it in the act.
const evidence::Stack* caller(const Incident& incident) {
  for (const evidence::GoroutineGroup& group : incident.goroutines) {
    for (const evidence::Frame& frame : group.stack) {
      if (frame.function == "java.lang.Runtime.gc" || frame.function == "java.lang.System.gc") {
        return &group.stack;
      }
    }
  }
  return nullptr;
}

std::string apart(const Asked& asked) {
  if (asked.calls() < kAsked || !asked.first->times_known || !asked.last->times_known) return {};
  const std::int64_t span = asked.last->start_ns - asked.first->start_ns;
  if (span <= 0) return {};
  return ", one in " + format_ns(static_cast<std::uint64_t>(span) / (asked.calls() - 1)) +
         " on average";
}

void place(const Incident& incident, const Asked& asked, Finding& finding) {
  finding.where = jvm::place_of(incident, asked.longest->where);
  const evidence::Stack* stack = caller(incident);
  if (!stack) return;
  for (const evidence::Frame& frame : *stack) {
    if (frame.library) continue;
    finding.where = frame;
    finding.stack = *stack;
    finding.evidence.push_back("A thread dump caught the call at " + jvm::site_text(frame) + ".");
    return;
  }
}

void say(const Incident& incident, const Asked& asked, Finding& finding) {
  finding.cost.stall_ns = asked.total_ns;
  finding.cost.stall_ns_max = asked.max_ns;
  finding.cost.events = asked.count;
  finding.cost.events_unit = "collections";
  std::string sentence =
      jvm::at(incident, asked.longest->where) + ": " + format_count(asked.count) + " of " +
      format_counted(incident.cycles.size(), "collection") + " (" + asked.longest->cause +
      ") stopped the program for " + format_ns(asked.total_ns) + " in all, the longest for " +
      format_ns(asked.max_ns) + apart(asked) + ".";
  finding.evidence.push_back(std::move(sentence));
  if (asked.longest->heap_known) {
    const GcCycle& cycle = *asked.longest;
    std::string heap =
        "The longest found " + format_bytes(cycle.heap_start_bytes) +
        (cycle.goal_bytes > 0 ? " in a heap of " + format_bytes(cycle.goal_bytes) : std::string()) +
        " and left " + format_bytes(cycle.heap_end_bytes);
    finding.evidence.push_back(heap + "; all of them freed " + format_bytes(asked.reclaimed_bytes) +
                               ", which an ordinary collection would have as well.");
  }
}

void speak_of_calls(const Incident& incident, const Asked& asked, Asker asker,
                    std::vector<Finding>& findings) {
  if (asked.calls() < kAsked && asked.max_ns < jvm::kErrorNs) return;
  Finding finding;
  finding.family = "asked";
  finding.severity = asked.calls() >= kAsked && asked.max_ns >= jvm::kErrorNs ? Severity::kError
                                                                              : Severity::kWarning;
  finding.confidence = 0.95;
  const char* by = asker == Asker::kProgram   ? "System.gc()"
                   : asker == Asker::kCommand ? "jcmd (Diagnostic Command)"
                                              : "a JVMTI agent";
  finding.title =
      format_counted(asked.count, "collection") + " asked for by " + by + ", not by the heap";
  if (asker == Asker::kProgram) place(incident, asked, finding);
  if (finding.where.file.empty()) finding.where = jvm::place_of(incident, asked.longest->where);
  say(incident, asked, finding);
  if (asker == Asker::kProgram) {
    finding.remedy =
        "remove the call: the collector knows better when. Where it is a library's: RMI asks once "
        "an hour (-Dsun.rmi.dgc.server.gcInterval=86400000 and ...client.gcInterval), direct "
        "buffers when -XX:MaxDirectMemorySize is reached (raise it, release them). "
        "-XX:+ExplicitGCInvokesConcurrent makes each a concurrent cycle; -XX:+DisableExplicitGC "
        "ignores them, also where direct buffers need them.";
    finding.check =
        "jcmd PID JFR.start duration=60s filename=/tmp/gc.jfr; sleep 61; jfr print --stack-depth "
        "20 --events jdk.SystemGC /tmp/gc.jfr";
  } else if (asker == Asker::kCommand) {
    finding.remedy =
        "find what runs jcmd PID GC.run (cron, a sidecar, a monitoring agent) and stop it: a full "
        "collection asked for by the clock frees nothing that the next one would not.";
    finding.check = "grep -rn 'GC.run' /etc/cron* ; ps -ef | grep -i jcmd";
  } else {
    finding.remedy =
        "find the agent that asks (-agentlib, -agentpath, a profiler attached) and take it out, or "
        "make it ask less often.";
    finding.check = "jcmd PID VM.command_line";
  }
  findings.push_back(std::move(finding));
}

void speak_of_looks(const Incident& incident, const Asked& asked, std::vector<Finding>& findings) {
  if (asked.calls() < kAsked || asked.total_ns < kLookedNs) return;
  Finding finding;
  finding.family = "asked";
  finding.severity = Severity::kNote;
  finding.confidence = 0.95;
  finding.title = format_counted(asked.count, "collection") +
                  " so that a histogram or dump counts the living only";
  finding.where = jvm::place_of(incident, asked.longest->where);
  say(incident, asked, finding);
  finding.remedy =
      "take them less often, or with jcmd PID GC.class_histogram -all, which collects nothing and "
      "counts the dead as well. `ullage record` takes one after 1, 2, 4, ... seconds.";
  finding.check = "ullage explain jvm-explicit-gc";
  findings.push_back(std::move(finding));
}

}  // namespace

void jvm_explicit_gc(const evidence::Evidence& evidence, const DetectorOptions&,
                     std::vector<Finding>& findings) {
  const Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  Asked program, command, agent, look;
  for (const GcCycle& cycle : incident.cycles) {
    // A cycle of G1 or CMS that a stop began has that stop told already.
    switch (asker_of(cycle.cause)) {
      case Asker::kProgram:
        program.add(cycle);
        break;
      case Asker::kCommand:
        command.add(cycle);
        break;
      case Asker::kAgent:
        agent.add(cycle);
        break;
      case Asker::kLook:
        look.add(cycle);
        break;
      case Asker::kNobody:
        break;
    }
  }
  speak_of_calls(incident, program, Asker::kProgram, findings);
  speak_of_calls(incident, command, Asker::kCommand, findings);
  speak_of_calls(incident, agent, Asker::kAgent, findings);
  speak_of_looks(incident, look, findings);
}

}  // namespace ullage::diagnose

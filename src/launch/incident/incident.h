// SPDX-License-Identifier: Apache-2.0
#pragma once

// record_incident: runs a Go or JVM program, or attaches to a running one, and collects what its
// runtime tells of itself into one folder.
//
//   IncidentOptions o;
//   o.command = {"./server"};
//   o.managed = Managed::kGo;
//   Result<IncidentReport> r = record_incident(o);
//
// Promises     The program's code is not changed. It has the terminal, the environment (plus
//              GODEBUG=gctrace=1, or JAVA_TOOL_OPTIONS) and the signals it would have had; its exit
//              code is reported as a shell would. Its standard error is a pipe that is copied:
//              everything it writes there still arrives, except gctrace lines it did not ask for.
// Interruption Ctrl-C reaches the program as always. When it ends, what was collected so far is
//              completed and listed. Attached to a running one, Ctrl-C ends the trace and fetches
//              what is quick (the last heap, the goroutines); a second one ends at once.
// Limits       Fetching: kFetchBytesMax each. Marks of memory: kRssMarksMax.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/incident/folder.h"
#include "launch/incident/growth_probes.h"
#include "launch/incident/managed.h"

namespace ullage::launch {

struct IncidentOptions {
  std::vector<std::string> command;  // empty: attach to `pprof_url`
  Managed managed = Managed::kGo;
  std::string output;     // empty: ullage.PROGRAM.PID.incident in the current directory
  std::string pprof_url;  // empty: none
  double seconds = 10;    // of CPU profile and execution trace
  // Go: functions whose calls are counted by uprobes. Where they can't be, `probe_problem` or the
  // kernel's answer is a note, and the recording goes on without them.
  std::vector<ProbeSite> probes;
  std::string probe_problem;
  bool heap_dump = false;  // JVM: on OutOfMemoryError; Go: at the end, where it is served
};

struct IncidentReport {
  std::string path;
  int exit_code = 0;  // of the command; 0 when there is none
  int signal = 0;
  double seconds = 0;
  std::vector<Collected> collected;
  std::vector<std::string> notes;
};

Result<IncidentReport> record_incident(const IncidentOptions& options);

}  // namespace ullage::launch

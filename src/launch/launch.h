// SPDX-License-Identifier: Apache-2.0
#pragma once

// launch: runs a program under the agent and brings its recordings home.
//
//   LaunchOptions o;
//   o.command = {"sqlite3", ":memory:"};
//   o.output = "out.ulg";
//   Result<LaunchReport> r = launch(o);
//   if (!r.ok()) return fail(r.error());  // Code::kImpossible: this program can't be recorded
//   for (const RecordedProcess& p : r->processes) tell(p.path, p.events);
//   return r->exit_code;
//
// Promises     The command runs with the terminal, the environment (plus LD_PRELOAD and ULLAGE_*)
//              and the signals it would have had; its exit code is reported as a shell would.
//              Nothing recorded is lost: a live file is removed only after its archive is complete
//              under its final name. An existing output is replaced only then, too.
// Files        With output "out.ulg": the last program of the root process becomes out.ulg, others
//              out.PID[-IMAGE].ulg. While it runs: out.RUN.PID.IMAGE.live and, for what was already
//              compressed, out.RUN.PID.IMAGE.ulg.part; both are readable, and finish() completes
//              them when this process was killed. All are 0600.
// Cost         One poll every kPollMs: compresses what threads have filled, and samples memory.
// Threads      One launch at a time per process: it borrows SIGINT, SIGQUIT, SIGTERM, SIGHUP,
//              SIGUSR1 and SIGUSR2 while the command runs (the last four are passed on to it).

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::launch {

// Time between two looks at the recording. Shorter costs CPU, longer lets a live file grow.
inline constexpr int kPollMs = 100;
// zstd level of archives. Level 1 unless measurement says otherwise (docs/formats/ulg1.md).
inline constexpr int kZstdLevel = 1;
// Smallest --max-size: less would drop segments before they are a second old.
inline constexpr uint64_t kMaxBytesMin = 4u << 20;
// Anonymous memory from which "next to nothing was recorded" is worth a note.
inline constexpr uint64_t kHiddenGrowthBytes = 64u << 20;
// Live files that are looked after at once; processes beyond it are archived when others have
// ended.
inline constexpr size_t kLiveFilesMax = 256;

struct Progress {
  size_t processes = 0;    // seen so far
  uint64_t raw_bytes = 0;  // of events, so far
  uint64_t archive_bytes = 0;
  double seconds = 0;
};

struct LaunchOptions {
  std::vector<std::string> command;
  std::string output;         // empty: ullage.PROGRAM.PID.ulg in the current directory
  std::string agent_path;     // empty: found beside this program (find_agent)
  bool follow = true;         // record what the command executes and forks, too
  uint32_t depth = 0;         // frames kept per stack; 0: the agent's default
  uint64_t sample_bytes = 0;  // mean bytes between samples; 0: every allocation
  bool slack = false;
  bool standby = false;  // the agent sleeps until the program calls start() of <ullage/agent.h>
  uint32_t verify_unwind = 0;  // re-unwind every Nth event the slow way; 0: none
  uint64_t max_bytes = 0;      // ring mode: keep the newest events only; 0: everything
  bool wait_all = false;  // also wait for processes that outlive the command; reaps all children
  int zstd_level = kZstdLevel;
  std::function<void(const Progress&)> progress;  // called at every poll, when set
};

enum class Outcome {
  kComplete,      // archived under `path`
  kStillRunning,  // outlived the command: `path` is its live file, which can be read any time
  kKeptLive,      // could not be archived (disk full, ...): `path` is the live file
};

struct RecordedProcess {
  std::string path;
  uint32_t pid = 0;
  uint32_t image = 0;   // 0, then 1 after its first exec, ...
  std::string program;  // path of the executable, as the agent saw it
  std::string called;   // how it was called: its first word, which may name a link to `program`
  bool root = false;    // of the process that launch() started
  Outcome outcome = Outcome::kComplete;
  uint32_t state = 0;  // record::State at its end
  uint64_t events = 0;
  uint64_t raw_bytes = 0;      // of all segments, unpacked
  uint64_t archive_bytes = 0;  // size of the finished file
  uint64_t rss_peak_bytes = 0;
  uint64_t segments_dropped = 0;  // by ring mode
  std::string malloc_owner;       // whose malloc it called instead of the agent's; empty: none's
  bool unseen = false;            // ... and none of its calls came to the agent
  uint64_t forks = 0;             // by it
  uint64_t children_lost = 0;     // forked by it, and not recorded: they could not make a file
};

struct LaunchReport {
  uint32_t root_pid = 0;
  int exit_code = 0;         // of the command; 128 + signal when one ended it
  int signal = 0;            // that signal, or 0
  std::string last_program;  // executable that the root was last seen running; may be empty
  double seconds = 0;
  uint64_t user_us = 0, system_us = 0;     // of the command and what it waited for
  std::vector<RecordedProcess> processes;  // the root's last image first
  std::vector<std::string> notes;  // sentences: what was not recorded and what to do about it
};

Result<LaunchReport> launch(const LaunchOptions& options);

// Completes recordings whose `ullage record` was killed: `path` is one .live file, or the prefix
// that several share. Each becomes PREFIX.PID.IMAGE.ulg beside its live file. One whose process or
// recorder still runs is left alone (Outcome::kStillRunning): it would lack what comes. `notes` say
// what was left undone, and why; when all was done there are none.
Result<LaunchReport> finish(const std::string& path);

// libullage_agent.so: $ULLAGE_AGENT when that is an absolute path, else beside this program.
Result<std::string> find_agent();

}  // namespace ullage::launch

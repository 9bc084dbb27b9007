// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <numeric>

#include "base/format.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "cli/verbs/record_incident.h"
#include "launch/launch.h"

namespace ullage::cli {

namespace {

using launch::LaunchReport;
using launch::Outcome;
using launch::RecordedProcess;

// Processes listed one by one in the summary; further ones are counted.
constexpr std::size_t kProcessesShown = 6;
// Deepest stack that can be asked for; the recording's format has room for more, nobody reads it.
constexpr std::uint64_t kDepthMax = 1024;
// The least that tells a function from its caller.
constexpr std::uint64_t kDepthMin = 2;
constexpr std::uint64_t kDepthDefault = 512;

class Record : public Verb {
 public:
  void describe(Command& command) override;
  int run() override;

 private:
  Result<void> check();
  int finish();
  int sum_up(const LaunchReport& report);

  std::vector<std::string> command_;
  launch::LaunchOptions options_;
  std::string finish_path_;
  std::uint64_t depth_ = kDepthDefault, verify_ = 0;
  std::uint64_t for_ns_ = 10'000'000'000;
  bool no_follow_ = false, quiet_ = false, native_ = false, bpf_ = false;
  launch::IncidentOptions incident_;
};

void Record::describe(Command& command) {
  command.summary = "run a program and record how its memory grows";
  command.description =
      "Runs COMMAND unmodified, with a small library preloaded that notes every allocation and the "
      "stack it came from. What COMMAND reads and writes is left alone; a summary goes to standard "
      "error when it has ended. Children and the programs it executes are recorded, too, each in a "
      "file of its own.\n\n"
      "What was recorded survives kill -9 of the program, and of ullage itself: see --finish. "
      "Recordings hold addresses and command lines; they are readable by their owner only.\n\n"
      "A Go program (known by its build information) or a JVM (java) is asked to tell of itself "
      "instead: gctrace, or the log of the collector; with --pprof its profiles and an execution "
      "trace as well. The result is a folder, NAME.incident, that `ullage diagnose` takes. Without "
      "COMMAND, --pprof attaches to a program that runs already.";
  command.wrapped = &command_;
  command.example("ullage record -- ./server --port 8080",
                  "Record until it ends, or until Ctrl-C.");
  command.example("ullage record -o run.ulg --sample=512K -- ./server",
                  "In production: one allocation per 512 KiB on average, growth in full.");
  command.example("ullage record --pprof http://localhost:6060 --for 30s",
                  "A Go program that runs already and serves net/http/pprof.");
  command.example("ullage record -- java -jar server.jar",
                  "The log of its collector, class histograms and a thread dump.");
  command
      .option("-o,--output", "FILE",
              "The recording. Default: ullage.PROGRAM.PID.ulg here; for Go and JVM programs a "
              "folder, ullage.PROGRAM.PID.incident.",
              options_.output)
      .completes = Completes::kFiles;
  command.option(
      "--pprof", "URL",
      "Go: where the program serves net/http/pprof, as in http://localhost:6060. Fetches "
      "its profiles and an execution trace.",
      incident_.pprof_url);
  command.duration_option(
      "--for", "How long the CPU profile and the execution trace are. Default: 10s.", for_ns_);
  command.flag(
      "--heap-dump",
      "JVM: also write a heap dump when memory runs out. Go: fetch one at the end, from a program "
      "that serves it (docs/incidents.md). May be large.",
      incident_.heap_dump);
  command.flag("--bpf",
               "Go, on Linux as root or with CAP_PERFMON: count slices, maps and stacks that grow, "
               "by uprobes. Each costs the program microseconds: not where millions a second grow. "
               "Without the right for it the recording goes on without the counts.",
               bpf_);
  command.flag("--native",
               "Record C and C++ allocations also of a Go program or a JVM, with the library.",
               native_);
  command.flag("--no-follow", "Record the first program only, not what it forks or executes.",
               no_follow_);
  command.size_option("--sample",
                      "Record one allocation per SIZE bytes on average. Places known to grow stay "
                      "complete. Default: every allocation.",
                      options_.sample_bytes);
  command.flag("--slack",
               "Find capacity that was never used. Writes to fresh memory of growing containers: a "
               "program that reads what it never wrote may behave differently.",
               options_.slack);
  command.size_option("--max-size",
                      "Keep the newest SIZE bytes of events and sums of what went before. Default: "
                      "everything.",
                      options_.max_bytes);
  command.count_option("--depth",
                       "Frames kept per stack, 2 to 1024; deeper ones keep their 64 innermost. "
                       "Default: 512.",
                       depth_);
  command.count_option("--verify-unwind",
                       "Unwind every Nth stack a second, slower way and count differences (there "
                       "should be none). Default: off.",
                       verify_);
  command.flag("--wait-all", "Also wait for processes that outlive COMMAND.", options_.wait_all);
  command.flag("--standby",
               "Start asleep, until the program itself calls ullage::agent::start() "
               "(<ullage/agent.h>).",
               options_.standby);
  command
      .option("--finish", "PATH",
              "Instead of running anything: complete the recordings that a killed `ullage record` "
              "left. PATH is a .live file, or the name given to --output. What a program still "
              "records into is left alone.",
              finish_path_)
      .completes = Completes::kFiles;
  command.flag("-q,--quiet", "No summary; only what went wrong.", quiet_);
  command.option("--agent", "PATH", "The library to preload.", options_.agent_path).hidden = true;
  command.exit_codes = {
      "N  what COMMAND exited with; 128 + signal when one ended it",
      "2  the command line was not understood",
      "3  COMMAND could not be recorded, or --finish left something unfinished; the "
      "message says what to do instead"};
}

Result<void> Record::check() {
  if (command_.empty() && finish_path_.empty() && incident_.pprof_url.empty()) {
    return Error{
        Code::kInvalid,
        "ullage record: no command was given.\n  Put it after two dashes: ullage record -- "
        "./server --port 8080"};
  }
  if (!command_.empty() && !finish_path_.empty()) {
    return Error{
        Code::kInvalid,
        "ullage record: --finish completes what is there and runs nothing.\n  Leave out '" +
            command_.front() + "', or leave out --finish."};
  }
  if (native_ && !incident_.pprof_url.empty()) {
    return Error{Code::kInvalid,
                 "ullage record: --native and --pprof ask for two kinds of recording.\n  Leave one "
                 "of them out."};
  }
  if (for_ns_ < 1'000'000'000 || for_ns_ > 3'600'000'000'000) {
    return Error{Code::kInvalid, "ullage record: --for is at least 1s and at most 1h."};
  }
  if (depth_ < kDepthMin || depth_ > kDepthMax) {
    const bool few = depth_ < kDepthMin;
    return Error{Code::kInvalid,
                 std::string("ullage record: --depth is at ") + (few ? "least " : "most ") +
                     format_count(few ? kDepthMin : kDepthMax) + " frames.\n  The default, " +
                     format_count(kDepthDefault) + ", is enough for all but deep recursion."};
  }
  if (verify_ > UINT32_MAX) {
    return Error{Code::kInvalid, "ullage record: --verify-unwind is at most 4 294 967 295."};
  }
  if (options_.max_bytes && options_.max_bytes < launch::kMaxBytesMin) {
    return Error{Code::kInvalid, "ullage record: --max-size is at least " +
                                     format_count(launch::kMaxBytesMin >> 20) +
                                     "MiB; less would hold a fraction of a second."};
  }
  return {};
}

std::uint64_t total(const LaunchReport& report, std::uint64_t RecordedProcess::*member) {
  return std::accumulate(report.processes.begin(), report.processes.end(), std::uint64_t{0},
                         [member](std::uint64_t sum, const RecordedProcess& process) {
                           return sum + process.*member;
                         });
}

const char* remark(const RecordedProcess& process) {
  switch (process.outcome) {
    case Outcome::kStillRunning:
      return ", still running";
    case Outcome::kKeptLive:
      return ", not compressed (see the note)";
    case Outcome::kComplete:
      break;
  }
  return "";
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// The process with most to say: behind a wrapper script that is not the first. A program that
// became another one (exec) is not what anyone ran.
const RecordedProcess* busiest(const LaunchReport& report) {
  const RecordedProcess* most = nullptr;
  for (const RecordedProcess& p : report.processes) {
    const bool replaced =
        std::any_of(report.processes.begin(), report.processes.end(), [&](const auto& other) {
          return other.pid == p.pid && other.image > p.image && other.events > 0;
        });
    if (!replaced && (most == nullptr || p.events > most->events)) most = &p;
  }
  return most;
}

// As it was called: /proc/self/exe has followed links (Debian's redis-server is a link).
std::string name_of(const RecordedProcess& process) {
  return base_name(process.called.empty() ? process.program : process.called);
}

void list_processes(const LaunchReport& report) {
  for (std::size_t i = 0; i < std::min(report.processes.size(), kProcessesShown); ++i) {
    const RecordedProcess& process = report.processes[i];
    std::cerr << "  " << clean_utf8(short_path(process.path)) << "  "
              << clean_utf8(name_of(process)) << ", process " << process.pid << ", "
              << format_counted(process.events, "event");
    if (process.archive_bytes > 0) std::cerr << ", " << format_bytes(process.archive_bytes);
    std::cerr << remark(process) << '\n';
  }
  if (report.processes.size() > kProcessesShown) {
    std::cerr << "  and " << report.processes.size() - kProcessesShown << " more\n";
  }
}

// No process had the agent in it, another allocator answered what was run, or memory grew and the
// agent saw none of it. A program that never allocates (`false`) is fine.
bool saw_nothing(const LaunchReport& report, std::uint64_t events) {
  if (report.processes.empty()) return true;
  const RecordedProcess& first = report.processes.front();  // the command's last program
  if (first.root && first.unseen) return true;
  return events == 0 && total(report, &RecordedProcess::raw_bytes) == 0 &&
         total(report, &RecordedProcess::rss_peak_bytes) >= launch::kHiddenGrowthBytes;
}

// Empty when nothing has been compressed yet; per event when everything has.
std::string size_per_event(const LaunchReport& report, std::uint64_t events) {
  const std::uint64_t bytes = total(report, &RecordedProcess::archive_bytes);
  if (bytes == 0) return {};
  const bool whole = std::all_of(report.processes.begin(), report.processes.end(),
                                 [](const auto& p) { return p.outcome == Outcome::kComplete; });
  if (events == 0 || !whole) return ", " + format_bytes(bytes);
  char text[64];
  std::snprintf(text, sizeof text, " (%.1f B per event)",
                static_cast<double>(bytes) / static_cast<double>(events));
  return ", " + format_bytes(bytes) + text;
}

int Record::sum_up(const LaunchReport& report) {
  const std::uint64_t events = total(report, &RecordedProcess::events);
  const bool nothing = saw_nothing(report, events);
  for (const std::string& note : report.notes) {
    if (!quiet_ || nothing || command_.empty()) std::cerr << "ullage: " << clean_utf8(note) << '\n';
  }
  if (nothing) {
    if (report.notes.empty()) {
      std::cerr << "ullage: " << (command_.empty() ? finish_path_ : command_.front())
                << ": not one allocation was seen.\n  It may be statically linked or bring its own "
                   "allocator: link it dynamically, or preload nothing else.\n";
    }
    // A program that was asked to call start() may have had its reasons not to.
    const bool slept = options_.standby && report.processes.empty();
    return slept ? report.exit_code : kExitCannot;
  }
  if (quiet_) return report.exit_code;
  std::cerr << "ullage: " << format_counted(report.processes.size(), "process", "processes") << ", "
            << format_counted(events, "event");
  if (report.seconds > 0) {
    std::cerr << " in " << format_ns(static_cast<std::uint64_t>(report.seconds * 1e9));
  }
  std::cerr << size_per_event(report, events) << '\n';
  list_processes(report);
  if (report.signal) {
    std::cerr << "  " << clean_utf8(base_name(command_.empty() ? finish_path_ : command_.front()))
              << " was ended by signal " << report.signal << " (" << strsignal(report.signal)
              << "); everything before it is recorded\n";
  }
  if (const RecordedProcess* process = busiest(report)) {
    std::cerr << "Next: ullage diagnose " << shell_word(short_path(process->path)) << '\n';
  }
  return report.exit_code;
}

// Live files of `ullage record --output=PATH`: PATH without its suffix, .RUN.PID.IMAGE.live.
std::vector<std::string> live_files(const std::string& output) {
  const std::filesystem::path path(output);
  const std::string stem =
      (path.extension() == ".ulg" ? path.stem() : path.filename()).string() + ".";
  std::vector<std::string> found;
  std::error_code error;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(stem) && name.ends_with(".live")) found.push_back(entry.path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

int Record::finish() {
  std::vector<std::string> paths = {finish_path_};
  if (!finish_path_.ends_with(".live")) {
    if (std::vector<std::string> live = live_files(finish_path_); !live.empty()) paths = live;
  }
  LaunchReport all;
  for (const std::string& path : paths) {
    Result<LaunchReport> one = launch::finish(path);
    if (!one.ok()) {
      if (paths.size() == 1) return fail(one.error());
      all.notes.push_back(one.error().message);
      continue;
    }
    std::move(one->processes.begin(), one->processes.end(), std::back_inserter(all.processes));
    std::move(one->notes.begin(), one->notes.end(), std::back_inserter(all.notes));
  }
  if (all.notes.empty()) return sum_up(all);
  all.exit_code = kExitCannot;  // what was left undone; everything else was done
  return sum_up(all);
}

int Record::run() {
  if (Result<void> fine = check(); !fine.ok()) return fail(fine.error(), kExitUsage);
  if (!finish_path_.empty()) return finish();
  const char* search = std::getenv("PATH");
  const launch::Managed managed =
      launch::managed_program(command_, search != nullptr ? search : "/usr/bin:/bin");
  if (!incident_.pprof_url.empty() || (managed != launch::Managed::kNo && !native_)) {
    incident_.command = command_;
    incident_.managed = managed == launch::Managed::kNo ? launch::Managed::kGo : managed;
    incident_.output = options_.output;
    incident_.seconds = static_cast<double>(for_ns_) / 1e9;
    if (bpf_) {
      find_growth_probes(command_, search != nullptr ? search : "/usr/bin:/bin", incident_);
    }
    return record_incident(incident_, quiet_);
  }
  if (bpf_) {
    return fail(Error{Code::kInvalid,
                      "ullage record: --bpf counts growth of Go programs, and " + command_.front() +
                          " is none.\n  Leave it out: every allocation is recorded anyway."},
                kExitUsage);
  }
  options_.command = command_;
  options_.follow = !no_follow_;
  options_.depth = static_cast<std::uint32_t>(depth_);
  options_.verify_unwind = static_cast<std::uint32_t>(verify_);
  Result<LaunchReport> report = launch::launch(options_);
  if (!report.ok()) {
    return fail(report.error(), report.error().code == Code::kInvalid ? kExitUsage : kExitCannot);
  }
  return sum_up(report.value());
}

}  // namespace

std::unique_ptr<Verb> make_record() { return std::make_unique<Record>(); }

}  // namespace ullage::cli

// SPDX-License-Identifier: Apache-2.0
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/machine.h"
#include "base/text.h"
#include "launch/advice.h"
#include "launch/collector.h"
#include "launch/environment.h"
#include "launch/live_hold.h"
#include "launch/memory_probe.h"
#include "launch/preflight.h"
#include "launch/process.h"

extern char** environ;

namespace ullage::launch {
namespace {

using Clock = std::chrono::steady_clock;

// First poll after the start, so that a program of a tenth of a second has a mark, too; then the
// time between polls doubles up to kPollMs.
constexpr int kFirstPollMs = 10;

// Ends a name as long as the longest that a run will make: highest pid of Linux, highest image.
constexpr const char* kLongestSuffix = ".4194304.999.ulg.part";

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string absolute(const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  char folder[4096];
  if (::getcwd(folder, sizeof folder) == nullptr) return path;
  return std::string(folder) + "/" + path;
}

std::string hex(uint64_t value, int digits) {
  char text[32];
  snprintf(text, sizeof text, "%0*llx", digits, static_cast<unsigned long long>(value));
  return text;
}

std::string without_suffix(const std::string& s, const std::string& suffix) {
  const bool has =
      s.size() > suffix.size() && s.compare(s.size() - suffix.size(), suffix.size(), suffix) == 0;
  return has ? s.substr(0, s.size() - suffix.size()) : s;
}

// Names before the pid is known.
Result<Naming> name_files(const LaunchOptions& options, uint64_t run_id) {
  Naming n;
  const std::string wanted =
      options.output.empty() ? "ullage." + base_name(options.command[0]) + ".ulg" : options.output;
  n.output = absolute(wanted);
  n.folder = n.output.substr(0, n.output.rfind('/'));
  if (n.folder.empty()) n.folder = "/";
  n.stem = without_suffix(n.output, ".ulg");
  n.prefix = n.stem + "." + hex(run_id & 0xffffffffu, 8);
  struct stat st {};
  if (::stat(n.folder.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    return Error{Code::kIo, n.folder +
                                ": no such folder to record into.\n  Make it, or choose "
                                "another with -o FILE."};
  }
  // Tried rather than asked: access() promises root what /proc or a strict file system refuses.
  const std::string probe = n.prefix + kLongestSuffix;
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const int refused = errno;
  if (fd >= 0) {
    const int full = ::posix_fallocate(fd, 0, 4096);  // what the agent needs first
    ::close(fd);
    ::unlink(probe.c_str());
    if (full == ENOSPC || full == EDQUOT) {
      return Error{Code::kIo, n.folder + ": the disk is full, nothing can be recorded there.\n  " +
                                  "Make room, or choose another folder with -o FILE."};
    }
  } else if (refused == ENAMETOOLONG) {
    return Error{Code::kIo, base_name(n.output) +
                                ": this name is too long to record to: about 30 characters are "
                                "added to it meanwhile.\n  Choose a shorter one with -o FILE."};
  } else {
    return Error{Code::kIo, n.folder + ": can't record into this folder: " + strerror(refused) +
                                ".\n  Choose another with -o FILE."};
  }
  if (::stat(n.output.c_str(), &st) == 0 && !S_ISREG(st.st_mode)) {
    return Error{Code::kIo, n.output +
                                ": exists and is not a regular file.\n  Choose another name "
                                "with -o FILE."};
  }
  return n;
}

// Without -o: ullage.PROGRAM.PID.ulg, and never the name of an earlier recording.
std::string unique_output(const std::string& stem) {
  std::string path = stem + ".ulg";
  for (int again = 2; ::access(path.c_str(), F_OK) == 0; ++again) {
    path = stem + "." + std::to_string(again) + ".ulg";
  }
  return path;
}

Result<void> check(const LaunchOptions& options) {
  if (options.max_bytes != 0 && options.max_bytes < kMaxBytesMin) {
    return Error{Code::kInvalid, "--max-size of " + std::to_string(options.max_bytes) +
                                     " bytes is too small: at least " +
                                     std::to_string(kMaxBytesMin) + " (4 MiB) are needed."};
  }
  return {};
}

std::string running_program(uint32_t pid) {
  char target[4096];
  const ssize_t n =
      ::readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), target, sizeof target - 1);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : std::string();
}

void wait_a_moment(int milliseconds, const BorrowedSignals& signals, int process_fd) {
  pollfd wait[2] = {{signals.fd(), POLLIN, 0}, {process_fd, POLLIN, 0}};
  ::poll(wait, process_fd >= 0 ? 2 : 1, milliseconds);
}

}  // namespace

Result<std::string> find_agent() {
  constexpr const char* kName = "libullage_agent.so";
  const char* given = ::getenv("ULLAGE_AGENT");
  if (given != nullptr && given[0] == '/') {
    if (::access(given, R_OK) == 0) return std::string(given);
    return Error{Code::kNotFound, std::string(given) + ": the agent can't be read: " +
                                      strerror(errno) + ".\n  Correct or unset ULLAGE_AGENT."};
  }
  char self[4096];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self - 1);
  std::string folder(self, n > 0 ? static_cast<size_t>(n) : 0);
  folder = folder.substr(0, folder.rfind('/'));
  for (const char* where : {"/../lib/ullage/", "/../lib/", "/"}) {
    const std::string path = folder + where + kName;
    if (::access(path.c_str(), R_OK) == 0) {
      char* real = ::realpath(path.c_str(), nullptr);
      const std::string result = real != nullptr ? real : path;
      ::free(real);
      return result;
    }
  }
  return Error{Code::kNotFound, std::string(kName) + " was not found beside this program (" +
                                    folder +
                                    "/../lib/ullage).\n  Reinstall ullage, or set ULLAGE_AGENT to "
                                    "the agent's full path."};
}

Result<LaunchReport> launch(const LaunchOptions& options) {
  const Result<void> valid = check(options);
  if (!valid.ok()) return valid.error();
  const char* search = ::getenv("PATH");
  Result<Program> program =
      preflight(options.command, search != nullptr ? search : "/usr/local/bin:/usr/bin:/bin");
  if (!program.ok()) return program.error();

  AgentSettings settings;
  if (options.agent_path.empty()) {
    Result<std::string> agent = find_agent();
    if (!agent.ok()) return agent.error();
    settings.agent_path = agent.value();
  } else {
    settings.agent_path = absolute(options.agent_path);
  }
  if (settings.agent_path.find_first_of(" :") != std::string::npos) {
    return Error{Code::kImpossible,
                 settings.agent_path +
                     ": the agent's path has a space or colon in "
                     "it, which LD_PRELOAD can't name.\n  Install ullage elsewhere."};
  }
  if (::getrandom(&settings.run_id, sizeof settings.run_id, 0) != sizeof settings.run_id) {
    settings.run_id = static_cast<uint64_t>(Clock::now().time_since_epoch().count()) ^
                      (static_cast<uint64_t>(::getpid()) << 32);
  }
  const RunMark mark(settings.run_id);
  settings.memory_limit_bytes =
      memory_limit(read_small_file("/proc/self/cgroup"), "/sys/fs/cgroup");
  Result<Naming> named = name_files(options, settings.run_id);
  if (!named.ok()) return named.error();
  const Naming& naming = named.value();
  settings.prefix = naming.prefix;

  std::vector<std::string> base;
  for (char** entry = environ; *entry != nullptr; ++entry) base.emplace_back(*entry);

  LaunchReport report;
  report.notes = program->notes;
  BorrowedSignals signals;
  const Clock::time_point start = Clock::now();
  const Subreaper orphans(options.wait_all);
  Result<uint32_t> started =
      spawn(program->path, program->argv, environment(base, options, settings), signals);
  if (!started.ok()) return started.error();
  const uint32_t pid = report.root_pid = started.value();

  record::ArchiveOptions archive;
  archive.zstd_level = options.zstd_level;
  archive.ring_bytes = options.max_bytes;
  Collector collector(naming, archive);
  collector.set_root(pid);
  if (options.output.empty()) {
    const std::string stem = naming.stem + "." + std::to_string(pid);
    collector.set_output(unique_output(stem), naming.stem);
  }
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto tell = [&] {
    if (!options.progress) return;
    Progress p = collector.progress();
    p.seconds = seconds();
    options.progress(p);
  };

  // While the command runs, signals are its business.
  const ProcessWatch watch(pid);
  Exit exit;
  int wait_ms = kFirstPollMs;
  Clock::time_point next_poll = start + std::chrono::milliseconds(wait_ms);
  while (!reap(pid, exit)) {
    const auto rest =
        std::chrono::duration_cast<std::chrono::milliseconds>(next_poll - Clock::now()).count();
    if (rest > 0) wait_a_moment(static_cast<int>(rest), signals, watch.fd());
    while (const int signal = signals.next()) {
      if (!BorrowedSignals::from_terminal(signal)) ::kill(static_cast<pid_t>(pid), signal);
    }
    if (Clock::now() < next_poll) continue;
    collector.poll(true);
    const std::string seen = running_program(pid);
    if (!seen.empty()) report.last_program = seen;
    tell();
    wait_ms = std::min(2 * wait_ms, kPollMs);
    next_poll = Clock::now() + std::chrono::milliseconds(wait_ms);
  }
  report.seconds = seconds();
  report.exit_code = exit.code;
  report.signal = exit.signal;
  report.user_us = exit.user_us;
  report.system_us = exit.system_us;

  // Any signal ends the wait for the others; they are left to themselves.
  collector.poll(true);
  const auto others_run = [&] {
    const bool running = orphans.descendants_running();  // one may not have its file yet
    return options.wait_all && (running || collector.any_running());
  };
  while (others_run() && signals.next() == 0) {
    wait_a_moment(kPollMs, signals, -1);
    collector.poll(true);
    tell();
  }
  if (exit.signal == 0) collector.root_left_by_itself();
  collector.finish();
  const size_t silent = options.follow && !options.standby ? collector.silent() : 0;
  tell();
  report.processes = collector.take_processes();
  std::stable_sort(report.processes.begin(), report.processes.end(),
                   [](const RecordedProcess& a, const RecordedProcess& b) {
                     if (a.root != b.root) return a.root;
                     return a.root && a.image > b.image;
                   });
  struct stat folder {};
  if (::stat(naming.folder.c_str(), &folder) != 0 && errno == ENOENT) {
    // What was being completed went with it; why that failed says nothing more.
    report.processes.clear();
    report.notes.push_back(naming.folder +
                           ": nothing was recorded, or what was is lost: this folder is gone.\n  "
                           "Choose one with -o FILE that stays while the program runs.");
    return report;
  }
  for (std::string& problem : collector.take_problems()) {
    report.notes.push_back(std::move(problem));
  }
  if (silent != 0) {
    report.notes.push_back(
        base_name(program->path) + " has left behind " +
        (silent == 1 ? std::string("a process") : std::to_string(silent) + " processes") +
        " (a daemon?) without a recording so far: the first allocation begins one, " +
        base_name(naming.prefix) +
        ".PID.0.live.\n  Wait with --wait-all, or complete that later: "
        "ullage record --finish=" +
        shell_word(naming.prefix));
  }
  advise(*program, options, collector.root_anonymous_bytes(), report);
  return report;
}

}  // namespace ullage::launch

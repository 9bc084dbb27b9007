// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/incident.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "launch/incident/jvm_collector.h"
#include "launch/incident/pprof_collector.h"
#include "launch/incident/stderr_filter.h"
#include "launch/memory_probe.h"
#include "launch/preflight.h"
#include "launch/process.h"

extern char** environ;

namespace ullage::launch {
namespace {

using Clock = std::chrono::steady_clock;

// One look at the program, its standard error and its signals.
constexpr int kLookMs = 50;
// After the program has ended, its children may hold its standard error open: how long we listen.
constexpr std::chrono::milliseconds kAfterlifeMax{500};

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// "http://ann:secret@host" without what nobody else should read.
std::string without_password(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = url.substr(0, url.find('/', begin)).rfind('@');
  return at == std::string::npos || at < begin ? url : url.substr(0, begin) + url.substr(at + 1);
}

std::vector<std::string> own_environment() {
  std::vector<std::string> base;
  for (char** entry = environ; *entry != nullptr; ++entry) base.emplace_back(*entry);
  return base;
}

const char* search_path() {
  const char* search = ::getenv("PATH");
  return search != nullptr ? search : "/usr/local/bin:/usr/bin:/bin";
}

std::string default_output(const std::string& program) {
  return "ullage." + program + "." + std::to_string(::getpid()) + ".incident";
}

void write_all(int fd, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the user's own stream is closed: nothing to be done about it
    at += static_cast<std::size_t>(n);
  }
}

// The program's standard error: to the user, and whole into a file.
class Tee {
 public:
  static Result<std::unique_ptr<Tee>> open(const std::string& path, bool hide_gctrace) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{Code::kIo, "No pipe can be made."};
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
      ::close(ends[0]), ::close(ends[1]);
      return Error{Code::kIo, path + ": can't be written."};
    }
    return std::unique_ptr<Tee>(new Tee(ends[0], ends[1], file, hide_gctrace));
  }
  ~Tee() {
    for (const int fd : {read_, write_, file_}) {
      if (fd >= 0) ::close(fd);
    }
  }
  int child_end() const { return write_; }
  int fd() const { return read_; }
  void started() {
    ::close(write_);
    write_ = -1;
  }
  // Copies what is there; false at its end.
  bool copy() {
    char part[1 << 16];
    const ssize_t n = ::read(read_, part, sizeof part);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n == 0) return false;
    const std::string bytes(part, static_cast<std::size_t>(n));
    write_all(file_, bytes);
    write_all(STDERR_FILENO, filter_.take(bytes));
    return true;
  }
  void drain() {
    const auto until = Clock::now() + kAfterlifeMax;
    while (Clock::now() < until) {
      pollfd wait{read_, POLLIN, 0};
      if (::poll(&wait, 1, 20) > 0 && !copy()) break;
    }
    idle();
  }
  // Nothing came for a while: a prompt may end as a line of gctrace begins.
  void idle() { write_all(STDERR_FILENO, filter_.idle()); }

 private:
  Tee(int read, int write, int file, bool hide)
      : read_(read), write_(write), file_(file), filter_(hide) {}
  int read_, write_, file_;
  StderrFilter filter_;
};

class Recording {
 public:
  Recording(const IncidentOptions& options, IncidentFolder folder)
      : options_(options), folder_(std::move(folder)), start_(Clock::now()) {}

  Result<IncidentReport> run(const std::string& program);
  Result<IncidentReport> attach();

 private:
  std::vector<std::string> child_environment(const std::string& program);
  std::optional<GrowthProbes> set_probes(const std::string& program);
  void look(std::uint32_t pid);
  Result<IncidentReport> finish();

  const IncidentOptions& options_;
  IncidentFolder folder_;
  Clock::time_point start_;
  IncidentReport report_;
  std::int64_t next_mark_ns_ = 0;
};

std::vector<std::string> Recording::child_environment(const std::string& program) {
  std::vector<std::string> base = own_environment();
  if (options_.managed != Managed::kJvm) return with_gctrace(std::move(base));
  JvmLog log{folder_.path(), is_jdk8(output_of({program, "-version"})), options_.heap_dump};
  if (!fits_jvm_option(log.folder)) {
    report_.notes.push_back(
        "the JVM's options can't name " + log.folder +
        ", so there is no log of its collector. Give --output a path without spaces, commas, "
        "colons and quotes.");
    return base;
  }
  return with_jvm_log(std::move(base), log);
}

// Before the program starts, so that its first growth is counted.
std::optional<GrowthProbes> Recording::set_probes(const std::string& program) {
  std::string problem = options_.probe_problem;
  if (problem.empty() && !options_.probes.empty()) {
    Result<GrowthProbes> probes = GrowthProbes::open(program, options_.probes);
    if (probes.ok()) return std::move(probes).value();
    problem = probes.error().message;
  }
  if (!problem.empty()) {
    report_.notes.push_back(problem + "\n  The recording goes on without these counts.");
    folder_.add({"growth-counts", "calls of growth functions", 0, problem});
  }
  return std::nullopt;
}

void Recording::look(std::uint32_t pid) {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count();
  if (now < next_mark_ns_) return;
  MemorySample sample;
  if (parse_status(read_small_file("/proc/" + std::to_string(pid) + "/status"), sample)) {
    folder_.rss(now, sample.mark.rss_bytes);
  }
  next_mark_ns_ = now + folder_.rss_distance_ns();
}

Result<IncidentReport> Recording::run(const std::string& program) {
  const bool go = options_.managed != Managed::kJvm;
  const bool hide = go && !asks_for_gctrace(own_environment());
  Result<std::unique_ptr<Tee>> tee = Tee::open(folder_.file("stderr.log"), hide);
  if (!tee.ok()) return tee.error();
  folder_.add(
      {"stderr.log", go ? "standard error, with the lines of gctrace" : "standard error", 0, {}});
  const std::vector<std::string> environment = child_environment(program);

  const std::optional<GrowthProbes> probes = set_probes(program);
  BorrowedSignals signals;
  start_ = Clock::now();
  folder_.fact("started_ns", std::to_string(wall_ns()));
  Result<std::uint32_t> started =
      spawn(program, options_.command, environment, signals, tee.value()->child_end());
  if (!started.ok()) return started.error();
  tee.value()->started();
  const std::uint32_t pid = started.value();
  folder_.fact("pid", std::to_string(pid));

  std::optional<PprofCollector> pprof;
  if (!options_.pprof_url.empty()) {
    pprof.emplace(folder_, PprofOptions{.url = options_.pprof_url,
                                        .seconds = options_.seconds,
                                        .starting = true,
                                        .heap_dump = options_.heap_dump});
    pprof->start();
  }
  std::optional<JvmCollector> jvm;
  if (!go) {
    jvm.emplace(folder_, program, pid);
    jvm->start();
  }

  const ProcessWatch watch(pid);
  Exit exit;
  bool open = true;
  while (!reap(pid, exit)) {
    pollfd wait[3] = {{signals.fd(), POLLIN, 0},
                      {open ? tee.value()->fd() : -1, POLLIN, 0},
                      {watch.fd(), POLLIN, 0}};
    ::poll(wait, 3, kLookMs);
    while (const int signal = signals.next()) {
      if (!BorrowedSignals::from_terminal(signal)) ::kill(static_cast<pid_t>(pid), signal);
    }
    if ((wait[1].revents & (POLLIN | POLLHUP)) != 0)
      open = tee.value()->copy();
    else
      tee.value()->idle();
    look(pid);
  }
  if (pprof) pprof->cancel();
  if (open) tee.value()->drain();
  if (jvm) jvm->stop();
  if (pprof) pprof->wait();
  if (probes) {
    for (const GrowthProbes::Count& count : probes->counts()) {
      folder_.fact("calls", count.function + " " + std::to_string(count.calls));
    }
  }
  report_.exit_code = exit.code;
  report_.signal = exit.signal;
  folder_.fact("exit", std::to_string(exit.code));
  return finish();
}

Result<IncidentReport> Recording::attach() {
  BorrowedSignals signals;
  folder_.fact("attached_ns", std::to_string(wall_ns()));
  PprofCollector pprof(folder_, {.url = options_.pprof_url,
                                 .seconds = options_.seconds,
                                 .starting = false,
                                 .heap_dump = options_.heap_dump});
  pprof.start();
  int interrupts = 0;
  while (!pprof.done()) {
    pollfd wait{signals.fd(), POLLIN, 0};
    ::poll(&wait, 1, kLookMs);
    if (signals.next() == 0) continue;
    if (++interrupts == 1) {
      report_.notes.push_back(
          "interrupted: the execution trace ends there, a CPU profile can't; the last heap and "
          "goroutines were fetched all the same");
      pprof.cut();
    } else {
      report_.notes.push_back("interrupted again: what was under way was cut off");
      pprof.cancel();
    }
  }
  pprof.wait();
  if (!pprof.unreachable().empty()) {
    ::rmdir(folder_.path().c_str());  // nothing is in it
    return Error{Code::kIo,
                 pprof.unreachable() +
                     ".\n  Start the program first (it must import net/http/pprof and listen), or "
                     "let it be started: ullage record --pprof " +
                     options_.pprof_url + " -- COMMAND"};
  }
  return finish();
}

Result<IncidentReport> Recording::finish() {
  folder_.fact("ended_ns", std::to_string(wall_ns()));
  report_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (Result<void> closed = folder_.close(); !closed.ok()) return closed.error();
  report_.path = folder_.path();
  report_.collected = folder_.collected();
  return std::move(report_);
}

}  // namespace

Result<IncidentReport> record_incident(const IncidentOptions& options) {
  std::string program, name = "pprof";
  if (!options.command.empty()) {
    program = find_program(options.command.front(), search_path());
    if (program.empty()) {
      return Error{Code::kNotFound, options.command.front() +
                                        ": not found, or not executable.\n  Check the spelling, or "
                                        "give the program's full path."};
    }
    name = options.managed == Managed::kJvm ? java_program(options.command)
                                            : base_name(options.command.front());
  }
  Result<IncidentFolder> folder =
      IncidentFolder::create(options.output.empty() ? default_output(name) : options.output);
  if (!folder.ok()) return folder.error();
  std::string command;
  for (const std::string& word : options.command) command += (command.empty() ? "" : " ") + word;
  if (!command.empty()) {
    folder->fact("program", name);
    folder->fact("command", command);
  }
  folder->fact("runtime", to_string(options.managed));
  if (!options.pprof_url.empty()) folder->fact("pprof", without_password(options.pprof_url));
  Recording recording(options, std::move(folder).value());
  return options.command.empty() ? recording.attach() : recording.run(program);
}

}  // namespace ullage::launch

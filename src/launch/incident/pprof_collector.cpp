// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/pprof_collector.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "launch/incident/http.h"

namespace ullage::launch {
namespace {

// Beyond the time that was asked for: writing a profile of a large heap takes some.
constexpr double kGraceSeconds = 60;
// Not part of net/http/pprof: expvar.
constexpr const char* kOptional = "vars.json";

bool begins_with(const std::string& path, const char* magic) {
  std::ifstream file(path, std::ios::binary);
  std::string first(std::strlen(magic), '\0');
  file.read(first.data(), static_cast<std::streamsize>(first.size()));
  return file && first == magic;
}

}  // namespace

// What only a program that was written for it serves, under the first of these paths that has it.
// Some answer anything with a page: what does not begin as it must is none.
struct PprofCollector::Wanted {
  const char* paths[2];
  const char* name;
  const char* what;
  const char* magic;
};

PprofCollector::PprofCollector(IncidentFolder& folder, const PprofOptions& options)
    : folder_(folder), options_(options) {
  const std::string& url = options.url;
  base_ = url.find("://") == std::string::npos ? "http://" + url : url;
  while (base_.ends_with('/')) base_.pop_back();
  const std::size_t debug = base_.find("/debug");
  root_ = base_.substr(0, debug);
  if (debug == std::string::npos || base_.ends_with("/debug")) base_ = root_ + "/debug/pprof";
}

PprofCollector::~PprofCollector() {
  cancel();
  wait();
}

void PprofCollector::start() {
  thread_ = std::thread([this] { run(); });
}

void PprofCollector::wait() {
  if (thread_.joinable()) thread_.join();
}

void PprofCollector::get(const std::string& path, const std::string& name, const std::string& what,
                         double seconds_max) {
  const bool timed = path.find("?seconds=") != std::string::npos;
  const Fetched fetched = fetch(path, folder_.file(name), seconds_max, timed ? cut_ : cancelled_);
  std::string problem = fetched.problem;
  if (fetched.status == 404 && name == kOptional) return;  // few programs publish it
  // A trace without its end is read up to there; of a profile nothing can be.
  const bool readable_when_cut = name.ends_with(".trace") || name.ends_with(".txt");
  if (!fetched.ok && !readable_when_cut) ::unlink(folder_.file(name).c_str());
  folder_.add({name, what, fetched.bytes, std::move(problem)});
}

void PprofCollector::get_if_served(const Wanted& wanted) {
  for (const char* path : wanted.paths) {
    const std::string file = folder_.file(wanted.name);
    const Fetched fetched = fetch(root_ + path, file, kGraceSeconds, cancelled_);
    if (fetched.bytes > 0 && begins_with(file, wanted.magic)) {
      folder_.add({wanted.name, wanted.what, fetched.bytes, fetched.problem});
      return;
    }
    ::unlink(file.c_str());
  }
}

// Asks for what costs the program nothing until it answers.
bool PprofCollector::listen() {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double>(kListenSecondsMax);
  std::string problem;
  do {
    const std::string name = "goroutine.start.pb.gz";
    const Fetched fetched = fetch(base_ + "/goroutine", folder_.file(name), 10, cut_);
    if (fetched.ok) {
      folder_.add({name, "goroutines at the start", fetched.bytes, {}});
      return true;
    }
    ::unlink(folder_.file(name).c_str());
    problem = fetched.problem;
    if (fetched.status >= 400) break;  // it listens, and has no profiles there
    if (options_.starting) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  } while (options_.starting && !cut_ && Clock::now() < until);
  unreachable_ =
      base_ + ": no profiles there: " + (problem.empty() ? "it never answered" : problem);
  folder_.add({"goroutine.start.pb.gz", "goroutines at the start", 0,
               unreachable_ + ". Does the program import net/http/pprof and listen?"});
  return false;
}

void PprofCollector::collect_for_a_time() {
  const std::string seconds =
      "?seconds=" + std::to_string(std::max(1L, std::lround(std::ceil(options_.seconds))));
  const double seconds_max = options_.seconds + kGraceSeconds;
  std::thread cpu(
      [&] { get(base_ + "/profile" + seconds, "cpu.pb.gz", "CPU profile", seconds_max); });
  get(base_ + "/trace" + seconds, "execution.trace", "execution trace", seconds_max);
  cpu.join();
}

void PprofCollector::collect_the_end() {
  const std::pair<const char*, const char*> kLast[] = {
      {"heap", "heap at the end"},  // first: what a hurry leaves time for
      {"goroutine", "goroutines at the end"},
      {"allocs", "all allocations"},
      {"mutex", "contended mutexes"},
      {"block", "blocking"},
  };
  for (const auto& [profile, what] : kLast) {
    if (cut_ && profile != kLast[0].first && profile != kLast[1].first) continue;
    get(base_ + "/" + profile, std::string(profile) + ".end.pb.gz", what, kGraceSeconds);
  }
  get(base_ + "/goroutine?debug=2", "goroutines.txt", "dump of all goroutines", kGraceSeconds);
  if (cut_) return;
  get(root_ + "/debug/vars", kOptional, "what the program publishes (expvar)", kGraceSeconds);
  get_if_served(
      {{"/debug/metrics", "/debug/pprof/metrics"}, "metrics.json", "runtime/metrics", "{"});
  if (options_.heap_dump) {
    get_if_served({{"/debug/heapdump", "/debug/pprof/heapdump"},
                   "heap.dump",
                   "heap dump",
                   "go1.7 heap dump"});
  }
}

void PprofCollector::run() {
  if (listen()) {
    // Before anything else is asked for: it holds the seconds before.
    get_if_served({{"/debug/flightrecorder", "/debug/pprof/flightrecorder"},
                   "flight.trace",
                   "flight recorder: the seconds before",
                   "go 1."});
    get(base_ + "/heap", "heap.start.pb.gz", "heap at the start", kGraceSeconds);
    if (!cut_) collect_for_a_time();
    collect_the_end();
  }
  done_ = true;
}

}  // namespace ullage::launch

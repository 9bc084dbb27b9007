// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/pprof_collector.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "launch/incident/http.h"

namespace ullage::launch {
namespace {

// Beyond the time that was asked for: writing a profile of a large heap takes some.
constexpr double kGraceSeconds = 60;
// Not part of net/http/pprof: expvar.
constexpr const char* kOptional = "vars.json";

}  // namespace

PprofCollector::PprofCollector(IncidentFolder& folder, const std::string& url, double seconds)
    : folder_(folder), seconds_(seconds) {
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
  const Fetched fetched = fetch(path, folder_.file(name), seconds_max, cancelled_);
  std::string problem = fetched.problem;
  if (fetched.status == 404 && name == kOptional) return;  // few programs publish it
  // A trace without its end is read up to there; of a profile nothing can be.
  const bool readable_when_cut = name.ends_with(".trace") || name.ends_with(".txt");
  if (!fetched.ok && !readable_when_cut) ::unlink(folder_.file(name).c_str());
  folder_.add({name, what, fetched.bytes, std::move(problem)});
}

// Asks for what costs the program nothing until it answers.
bool PprofCollector::listen() {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double>(kListenSecondsMax);
  std::string problem;
  while (!cancelled_ && Clock::now() < until) {
    const std::string name = "goroutine.start.pb.gz";
    const Fetched fetched = fetch(base_ + "/goroutine", folder_.file(name), 10, cancelled_);
    if (fetched.ok) {
      folder_.add({name, "goroutines at the start", fetched.bytes, {}});
      return true;
    }
    ::unlink(folder_.file(name).c_str());
    problem = fetched.problem;
    if (fetched.status >= 400) break;  // it listens, and has no profiles there
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  folder_.add({"goroutine.start.pb.gz", "goroutines at the start", 0,
               base_ + ": no profiles there: " + (problem.empty() ? "it never answered" : problem) +
                   ". Does the program import net/http/pprof and listen?"});
  return false;
}

void PprofCollector::run() {
  if (listen()) {
    get(base_ + "/heap", "heap.start.pb.gz", "heap at the start", kGraceSeconds);
    const std::string seconds =
        "?seconds=" + std::to_string(std::max(1L, std::lround(std::ceil(seconds_))));
    std::thread cpu([&] {
      get(base_ + "/profile" + seconds, "cpu.pb.gz", "CPU profile", seconds_ + kGraceSeconds);
    });
    get(base_ + "/trace" + seconds, "execution.trace", "execution trace", seconds_ + kGraceSeconds);
    cpu.join();
    const std::pair<const char*, const char*> kLast[] = {
        {"heap", "heap at the end"},
        {"allocs", "all allocations"},
        {"goroutine", "goroutines at the end"},
        {"mutex", "contended mutexes"},
        {"block", "blocking"},
    };
    for (const auto& [profile, what] : kLast) {
      get(base_ + "/" + profile, std::string(profile) + ".end.pb.gz", what, kGraceSeconds);
    }
    get(base_ + "/goroutine?debug=2", "goroutines.txt", "dump of all goroutines", kGraceSeconds);
    get(root_ + "/debug/vars", kOptional, "what the program publishes (expvar)", kGraceSeconds);
  }
  done_ = true;
}

}  // namespace ullage::launch

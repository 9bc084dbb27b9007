// SPDX-License-Identifier: Apache-2.0
#pragma once

// PprofCollector: what a Go program that serves net/http/pprof tells of itself.
//
// At the start a heap and a goroutine profile, and what its flight recorder holds of the seconds
// before; for the time asked for, a CPU profile and an execution trace, side by side; at the end
// heap, allocs, goroutine (profile and dump), mutex and block profiles, /debug/vars, and, where the
// program serves them (docs/incidents.md), its runtime/metrics and a heap dump.
//
// Threads: start() begins them, wait() joins them. cut() ends what takes time and goes on with the
// quick ones of the end; cancel() ends everything: what can be read when it is cut (traces) stays,
// what can't goes.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "launch/incident/folder.h"

namespace ullage::launch {

// How long a program that was just started may take until it listens.
inline constexpr double kListenSecondsMax = 15;

struct PprofOptions {
  std::string url;       // "http://localhost:6060", or a path up to ".../debug/pprof"
  double seconds = 10;   // of CPU profile and execution trace
  bool starting = true;  // wait until it listens; else it listens now or never
  bool heap_dump = false;
};

class PprofCollector {
 public:
  PprofCollector(IncidentFolder& folder, const PprofOptions& options);
  ~PprofCollector();
  PprofCollector(const PprofCollector&) = delete;
  PprofCollector& operator=(const PprofCollector&) = delete;

  void start();
  void cut() { cut_ = true; }
  void cancel() { cut_ = cancelled_ = true; }
  bool done() const { return done_; }
  void wait();
  // Why nothing was to be had there; empty when something was. After wait().
  const std::string& unreachable() const { return unreachable_; }

 private:
  struct Wanted;
  void run();
  bool listen();
  void collect_for_a_time();
  void collect_the_end();
  void get(const std::string& path, const std::string& name, const std::string& what,
           double seconds_max);
  void get_if_served(const Wanted& wanted);

  IncidentFolder& folder_;
  PprofOptions options_;
  std::string base_, root_;  // ".../debug/pprof" and what is before "/debug"
  std::string unreachable_;
  // What takes time looks at the first, what is quick at the second.
  std::atomic<bool> cut_{false}, cancelled_{false}, done_{false};
  std::thread thread_;
};

}  // namespace ullage::launch

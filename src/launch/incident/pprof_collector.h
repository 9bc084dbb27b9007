// SPDX-License-Identifier: Apache-2.0
#pragma once

// PprofCollector: what a Go program that serves net/http/pprof tells of itself.
//
// At the start a heap and a goroutine profile; for the time asked for, a CPU profile and an
// execution trace, side by side; at the end heap, allocs, goroutine (profile and dump), mutex and
// block profiles, and /debug/vars. Waits for the program to listen first.
//
// Threads: start() begins them, wait() joins them; cancel() makes them end early: what can be read
// when it is cut (traces) stays, what can't goes.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "launch/incident/folder.h"

namespace ullage::launch {

// How long the program may take until it listens.
inline constexpr double kListenSecondsMax = 15;

class PprofCollector {
 public:
  // `url` is "http://localhost:6060" or names a path up to ".../debug/pprof".
  PprofCollector(IncidentFolder& folder, const std::string& url, double seconds);
  ~PprofCollector();
  PprofCollector(const PprofCollector&) = delete;
  PprofCollector& operator=(const PprofCollector&) = delete;

  void start();
  void cancel() { cancelled_ = true; }
  bool done() const { return done_; }
  void wait();

 private:
  void run();
  bool listen();
  void get(const std::string& path, const std::string& name, const std::string& what,
           double seconds_max);

  IncidentFolder& folder_;
  std::string base_, root_;  // ".../debug/pprof" and what is before "/debug"
  double seconds_;
  std::atomic<bool> cancelled_{false}, done_{false};
  std::thread thread_;
};

}  // namespace ullage::launch

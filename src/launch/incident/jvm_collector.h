// SPDX-License-Identifier: Apache-2.0
#pragma once

// JvmCollector: class histograms and thread dumps of a running JVM, by its own jcmd.
//
// The first histogram is taken after a second, further ones after twice the time before, so that
// the last lies in the second half of the run, however long that is: it replaces the one before it.
// Histograms count the living only, for which the JVM collects its whole heap: counted with -all,
// what is dead and not collected yet looks like growth.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "launch/incident/folder.h"

namespace ullage::launch {

class JvmCollector {
 public:
  // `java` is the launcher: its jcmd lies beside it.
  JvmCollector(IncidentFolder& folder, std::string java, std::uint32_t pid);
  ~JvmCollector();
  JvmCollector(const JvmCollector&) = delete;
  JvmCollector& operator=(const JvmCollector&) = delete;

  void start();
  void stop();  // takes nothing further, and waits for what is under way

 private:
  void run();
  bool jcmd(const char* command, const std::string& name);

  IncidentFolder& folder_;
  std::string java_, jcmd_;
  std::uint32_t pid_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

// What `command` prints on both of its streams, at most 64 KiB; empty when it can't be started.
std::string output_of(const std::vector<std::string>& command);
// The file that a link, or a chain of them, leads to.
std::string real_path(const std::string& path);

}  // namespace ullage::launch

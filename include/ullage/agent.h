// SPDX-License-Identifier: Apache-2.0
#pragma once

// Switches recording on and off from inside a program that runs under `ullage record --standby` (or
// any `ullage record`), so that only the part that matters is recorded.
//
//   ullage::agent::start();      // no-op when the program is not being recorded
//   handle_requests();
//   ullage::agent::stop();
//
// Needs no library: the functions are weak references that the preloaded agent defines.
// Cost         a null check when not recorded; start() opens the recording the first time (~1 ms).
// Threads      any thread, at any time; blocks allocated while recording was off are unknown to it.
// Errors       start() is false when there is no agent or it cannot write its file.

extern "C" {
int ullage_agent_start(void) __attribute__((weak));
void ullage_agent_stop(void) __attribute__((weak));
int ullage_agent_recording(void) __attribute__((weak));
}

namespace ullage::agent {

inline bool start() { return ullage_agent_start != nullptr && ullage_agent_start() != 0; }
inline void stop() {
  if (ullage_agent_stop != nullptr) ullage_agent_stop();
}
inline bool recording() {
  return ullage_agent_recording != nullptr && ullage_agent_recording() != 0;
}

}  // namespace ullage::agent

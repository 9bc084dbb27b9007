// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `ullage record` asked of the agent. Read from the environment once, in the constructor:
// programs overwrite their environment (setproctitle), so nothing may look there later.

#include <stddef.h>
#include <stdint.h>

namespace ullage::agent {

struct Config {
  bool present = false;  // ULLAGE_PREFIX was set: a recording is wanted
  bool standby = false;  // ULLAGE_AGENT=standby: wait for ullage_agent_start()
  bool follow = true;    // ULLAGE_FOLLOW=0: this process only
  bool slack = false;
  int max_depth = 512;
  uint64_t run_id = 0;
  uint64_t sample_bytes = 0;
  uint64_t memory_limit_bytes = 0;
  uint64_t verify_every = 0;  // re-unwind every Nth stack the slow way
  bool verify_print = false;  // ULLAGE_VERIFY_PRINT: show differing stacks on stderr
  char prefix[3900] = {};
  char agent[1024] = {};  // this library as LD_PRELOAD names it; empty: it does not
};
extern Config g_config;

// Also takes our library out of LD_PRELOAD when follow is off.
void read_config();

}  // namespace ullage::agent

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the recorded program's environment adds: LD_PRELOAD and the agent's configuration. The agent
// reads ULLAGE_* once, in its constructor (programs overwrite their environment later).

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/launch.h"

namespace ullage::launch {

struct AgentSettings {
  std::string agent_path;  // absolute; LD_PRELOAD can't hold spaces or colons
  std::string prefix;      // absolute: the agent creates PREFIX.PID.IMAGE.live
  uint64_t run_id = 0;
  uint64_t memory_limit_bytes = 0;
};

// `base` (NAME=VALUE…) with the agent first in LD_PRELOAD, the user's own entries after it, and
// every other ULLAGE_* variable replaced by ours.
std::vector<std::string> environment(const std::vector<std::string>& base,
                                     const LaunchOptions& options, const AgentSettings& settings);

}  // namespace ullage::launch

// SPDX-License-Identifier: Apache-2.0
#include "launch/environment.h"

#include <stdio.h>

#include <cstdlib>

namespace ullage::launch {
namespace {

bool starts_with(const std::string& s, const char* prefix) { return s.rfind(prefix, 0) == 0; }

}  // namespace

std::vector<std::string> environment(const std::vector<std::string>& base,
                                     const LaunchOptions& options, const AgentSettings& settings) {
  std::vector<std::string> result;
  std::string preload = settings.agent_path;
  for (const std::string& entry : base) {
    if (starts_with(entry, "LD_PRELOAD=")) {
      const std::string own = entry.substr(sizeof "LD_PRELOAD=" - 1);
      if (!own.empty() && own != settings.agent_path) preload += ":" + own;
    } else if (!starts_with(entry, "ULLAGE_")) {
      result.push_back(entry);
    }
  }
  char run[32];
  snprintf(run, sizeof run, "%llx", static_cast<unsigned long long>(settings.run_id));
  result.push_back("LD_PRELOAD=" + preload);
  result.push_back("ULLAGE_PREFIX=" + settings.prefix);
  result.push_back(std::string("ULLAGE_RUN_ID=") + run);
  result.push_back(std::string("ULLAGE_FOLLOW=") + (options.follow ? "1" : "0"));
  const auto number = [&](const char* name, uint64_t value) {
    if (value != 0) result.push_back(std::string(name) + "=" + std::to_string(value));
  };
  number("ULLAGE_DEPTH", options.depth);
  number("ULLAGE_SAMPLE", options.sample_bytes);
  number("ULLAGE_SLACK", options.slack ? 1 : 0);
  number("ULLAGE_VERIFY_UNWIND", options.verify_unwind);
  number("ULLAGE_MEMORY_LIMIT", settings.memory_limit_bytes);
  if (options.standby) result.push_back("ULLAGE_AGENT=standby");
  return result;
}

}  // namespace ullage::launch

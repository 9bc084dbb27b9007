// SPDX-License-Identifier: Apache-2.0
#include "launch/environment.h"

#include <stdio.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ullage::launch {
namespace {

// cgroup v1 writes "no limit" as a huge page-aligned number.
constexpr uint64_t kNoLimitFrom = uint64_t{1} << 60;
// Parents of a cgroup that are looked at.
constexpr int kCgroupDepthMax = 64;

bool starts_with(const std::string& s, const char* prefix) { return s.rfind(prefix, 0) == 0; }

uint64_t read_limit(const std::string& path) {
  std::ifstream in(path);
  uint64_t bytes = 0;
  if (!(in >> bytes)) return 0;  // absent, or "max"
  return bytes >= kNoLimitFrom ? 0 : bytes;
}

// Smallest limit in file `name` of `folder` and the folders above it, up to `mount`.
uint64_t smallest(const std::string& mount, std::string folder, const char* name) {
  uint64_t least = 0;
  for (int depth = 0; depth < kCgroupDepthMax; ++depth) {
    const uint64_t bytes = read_limit(mount + folder + "/" + name);
    if (bytes != 0 && (least == 0 || bytes < least)) least = bytes;
    const size_t slash = folder.rfind('/');
    if (slash == std::string::npos) break;
    folder.resize(slash);
  }
  return least;
}

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

uint64_t memory_limit(const std::string& proc_cgroup, const std::string& mount) {
  uint64_t least = 0;
  const auto take = [&](uint64_t bytes) {
    if (bytes != 0 && (least == 0 || bytes < least)) least = bytes;
  };
  std::istringstream lines(proc_cgroup);
  std::string line;
  while (std::getline(lines, line)) {  // "0::/user.slice/x" (v2) or "5:memory:/docker/1234" (v1)
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string folder = line.substr(second + 1);
    if (folder.find("..") != std::string::npos) folder.clear();  // outside of our namespace
    while (!folder.empty() && folder.back() == '/') folder.pop_back();
    if (controllers == ",,") {
      take(smallest(mount, folder, "memory.max"));
    } else if (controllers.find(",memory,") != std::string::npos) {
      take(smallest(mount + "/memory", folder, "memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace ullage::launch

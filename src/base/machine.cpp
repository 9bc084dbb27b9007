// SPDX-License-Identifier: Apache-2.0
#include "base/machine.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

namespace ullage {
namespace {

// cgroup v1 writes "no limit" as a huge page-aligned number.
constexpr std::uint64_t kNoLimitFrom = std::uint64_t{1} << 60;
// Parents of a cgroup that are looked at.
constexpr int kCgroupDepthMax = 64;

std::uint64_t read_limit(const std::string& path) {
  std::ifstream in(path);
  std::uint64_t bytes = 0;
  if (!(in >> bytes)) return 0;  // absent, or "max"
  return bytes >= kNoLimitFrom ? 0 : bytes;
}

// Smallest limit in file `name` of `folder` and the folders above it, up to `mount`.
std::uint64_t smallest(const std::string& mount, std::string folder, const char* name) {
  std::uint64_t least = 0;
  for (int depth = 0; depth < kCgroupDepthMax; ++depth) {
    const std::uint64_t bytes = read_limit(mount + folder + "/" + name);
    if (bytes != 0 && (least == 0 || bytes < least)) least = bytes;
    const std::size_t slash = folder.rfind('/');
    if (slash == std::string::npos) break;
    folder.resize(slash);
  }
  return least;
}

}  // namespace

std::uint64_t memory_limit(const std::string& proc_cgroup, const std::string& mount) {
  std::uint64_t least = 0;
  const auto take = [&](std::uint64_t bytes) {
    if (bytes != 0 && (least == 0 || bytes < least)) least = bytes;
  };
  std::istringstream lines(proc_cgroup);
  std::string line;
  while (std::getline(lines, line)) {  // "0::/user.slice/x" (v2) or "5:memory:/docker/1234" (v1)
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
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

std::uint64_t Machine::usable_bytes() const {
  if (memory_bytes == 0 || limit_bytes == 0) return std::max(memory_bytes, limit_bytes);
  return std::min(memory_bytes, limit_bytes);
}

Machine this_machine() {
  Machine machine;
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) {
    machine.memory_bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
  }
  std::ifstream file("/proc/self/cgroup");
  std::stringstream text;
  text << file.rdbuf();
  machine.limit_bytes = memory_limit(text.str(), "/sys/fs/cgroup");
  machine.processors = std::max(1u, std::thread::hardware_concurrency());
  return machine;
}

}  // namespace ullage

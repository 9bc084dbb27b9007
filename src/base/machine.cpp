// SPDX-License-Identifier: Apache-2.0
#include "base/machine.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
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

// "200000 100000" or "max 100000", in microseconds.
double read_cpu_max(const std::string& folder) {
  std::ifstream in(folder + "/cpu.max");
  double quota = 0, period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

double read_cfs_quota(const std::string& folder) {
  std::ifstream quota_in(folder + "/cpu.cfs_quota_us"), period_in(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_in >> quota) || !(period_in >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

// The smallest that `read` finds in `folder` and the folders above it, up to `mount`; 0 is none.
template <class Read>
auto smallest(const std::string& mount, std::string folder, Read read) {
  decltype(read(mount)) least = 0;
  for (int depth = 0; depth < kCgroupDepthMax; ++depth) {
    const auto found = read(mount + folder);
    if (found > 0 && (!(least > 0) || found < least)) least = found;
    const std::size_t slash = folder.rfind('/');
    if (slash == std::string::npos) break;
    folder.resize(slash);
  }
  return least;
}

// The smallest over all hierarchies in the text of /proc/PID/cgroup: of v2, and of the v1
// controller.
template <class Read2, class Read1>
auto smallest_of(const std::string& proc_cgroup, const std::string& mount, Read2 read2,
                 const std::string& controller, Read1 read1) {
  decltype(read2(mount)) least = 0;
  const auto take = [&](auto found) {
    if (found > 0 && (!(least > 0) || found < least)) least = found;
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
      take(smallest(mount, folder, read2));
    } else if (controllers.find("," + controller + ",") != std::string::npos) {
      take(smallest(mount + "/" + controller, folder, read1));
    }
  }
  return least;
}

}  // namespace

std::uint64_t memory_limit(const std::string& proc_cgroup, const std::string& mount) {
  const auto read2 = [](const std::string& at) { return read_limit(at + "/memory.max"); };
  const auto read1 = [](const std::string& at) {
    return read_limit(at + "/memory.limit_in_bytes");
  };
  return smallest_of(proc_cgroup, mount, read2, "memory", read1);
}

double processor_quota(const std::string& proc_cgroup, const std::string& mount) {
  return smallest_of(proc_cgroup, mount, read_cpu_max, "cpu", read_cfs_quota);
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
  // Half a processor of quota is one more thread that has something to do.
  const double quota = processor_quota(text.str(), "/sys/fs/cgroup");
  if (quota > 0 && quota < machine.processors) {
    machine.processors = std::max(1u, static_cast<unsigned>(std::ceil(quota)));
  }
  return machine;
}

}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What this machine, or the cgroup this process is in, has to give.

#include <cstdint>
#include <string>

namespace ullage {

struct Machine {
  std::uint64_t memory_bytes = 0;  // of the machine; 0 = unknown
  std::uint64_t limit_bytes = 0;   // smallest of the cgroups above this process; 0 = none
  unsigned processors = 1;         // that it may use: by affinity, and by the quota of its cgroups
  // The smaller of the two; 0 = unknown.
  std::uint64_t usable_bytes() const;
};

// Reads /proc and /sys/fs/cgroup; some 50 us. Threads: any.
Machine this_machine();

// The smallest memory limit of the cgroups that `proc_cgroup` (the text of /proc/PID/cgroup) names,
// v1 or v2, with all their parents. 0: no limit. `mount` is /sys/fs/cgroup outside of tests.
std::uint64_t memory_limit(const std::string& proc_cgroup, const std::string& mount);
// Likewise the smallest quota of processor time, in processors: cpu.max (v2), cpu.cfs_quota_us
// (v1). 0: none.
double processor_quota(const std::string& proc_cgroup, const std::string& mount);

}  // namespace ullage

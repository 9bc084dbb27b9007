// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernel says about memory: this process, its cgroup, and whether tasks wait for it.
// Every reading says zero (or -1) where the kernel has no answer. Threads: any.

#include <cstdint>
#include <string>

namespace ullage::tier::kernel {

struct Resident {
  std::uint64_t resident_bytes = 0, peak_bytes = 0, shared_bytes = 0;
};
Resident resident(const std::string& proc = "/proc");

struct CgroupMemory {
  std::uint64_t used_bytes = 0;   // without what the kernel can drop: inactive file pages
  std::uint64_t limit_bytes = 0;  // the smaller of memory.max and memory.high; 0: none
};
CgroupMemory cgroup_memory(const std::string& proc, const std::string& mount);

// "some avg10" of /proc/pressure/memory; -1: this kernel does not say.
double memory_stalled_percent(const std::string& proc);

}  // namespace ullage::tier::kernel

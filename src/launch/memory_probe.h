// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernel says about a process's memory: read from outside, every 100 ms, into Marks.

#include <cstdint>
#include <string>

#include "record/layout.h"

namespace ullage::launch {

inline constexpr uint32_t kPressureUnknown = ~0u;

struct MemorySample {
  record::Mark mark{};
  uint64_t anonymous_bytes = 0;  // resident, not backed by files: what allocators ask for
};

// VmRSS, VmHWM, VmSwap and RssAnon of the text of /proc/PID/status, in bytes. False when it has no
// VmRSS (a zombie, a kernel thread).
bool parse_status(const std::string& status, MemorySample& sample);

// avg10 of the "some" line of /proc/pressure/memory, in hundredths of a percent.
uint32_t parse_pressure(const std::string& pressure);

// Host-wide memory pressure now; kPressureUnknown without PSI.
uint32_t memory_pressure();

// Fills `sample` for a process; `use_tsc` as in its file header. False when the process is gone.
bool probe_memory(uint32_t pid, bool use_tsc, uint32_t pressure, MemorySample& sample);

// The whole of a small file of /proc, at most 64 KiB; empty when it can't be read.
std::string read_small_file(const std::string& path);

}  // namespace ullage::launch

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who has the live files of a run mapped: the only sign of a process that tells neither its number
// (it may live in a pid namespace) nor anything yet (a fork that has not asked for memory since).
//
// Cost    One look at /proc/PID/maps per process of this machine: for the end of a run only.
// Limits  Processes whose maps may not be read (another user's) are not seen.

#include <cstdint>
#include <set>
#include <string>

namespace ullage::launch {

struct LiveMappers {
  std::set<std::string> written;  // marks of live files whose own process runs
  std::set<uint32_t> silent;      // processes with another's mapped only, by their number here
};

// The end of a live file's name that no other file's has: RUN.PID.IMAGE.live, without what a user
// may have put before it. Empty: it is no live file's.
std::string live_mark(const std::string& path);

// Of live files whose mark begins with `run` and a dot: those of one run. All but this process.
LiveMappers live_mappers(const std::string& run);

// Whether process `pid` has `path` mapped. When its maps can't be read it is believed to.
bool maps_live_file(uint32_t pid, const std::string& path);

// Whether a header's pid counts in another pid namespace than ours, and names somebody else here.
bool counts_elsewhere(uint64_t pid_namespace);

}  // namespace ullage::launch

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the runtime was doing, by the names of its functions.

#include <cstdint>
#include <string>

#include "evidence/incident.h"

namespace ullage::trace {

// What a function is part of; a stack is part of what any of its frames is.
enum FunctionMark : std::uint8_t {
  kSliceGrowth = 1,
  kMapGrowth = 2,  // tables made larger, not mere assignment
  kStackGrowth = 4,
  kAssist = 8,
  kCollector = 16,  // marking, sweeping, scavenging; assists too
};
inline constexpr std::uint8_t kAnyGrowth = kSliceGrowth | kMapGrowth | kStackGrowth;
std::uint8_t marks_of(const std::string& function);
evidence::CallKind growth_of(std::uint8_t marks);

// True for the runtime's functions that hand out heap memory, and what calls them for a program:
// the frames that heap profiles leave out.
bool allocates(const std::string& function);

// Why a goroutine does not run, as a goroutine dump would say, by its innermost frames: "chan
// send", "select", "sync.Mutex.Lock", "IO wait", "sleep", ...; "running" when nothing says it
// waits.
std::string state_of(const evidence::Stack& stack);
// The same for a blocking or mutex profile, in the words of execution traces: "sync",
// "chan send", "chan receive", "select", "sleep". `released`: the stack is of the unblocking side.
std::string wait_reason_of(const evidence::Stack& stack, bool& released);

// Moves the runtime's frames at the inner end of a heap stack into `hidden`, where frames of the
// program remain; what they say of the call is taken with it.
void separate_hidden(evidence::HeapSite& site);

// The last part of a path.
std::string file_name_of(std::string_view path);

}  // namespace ullage::trace

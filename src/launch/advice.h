// SPDX-License-Identifier: Apache-2.0
#pragma once

// advice: notes on what a recording does not show, and what to do about it.

#include <cstdint>

#include "launch/launch.h"
#include "launch/preflight.h"

namespace ullage::launch {

// Recordings with at most this many events are looked into when memory grew without them.
inline constexpr uint64_t kFewEvents = 20'000;

// Adds to report.notes: nothing was recorded; the root replaced itself by something unrecordable;
// memory grew to `anonymous_bytes` without being asked for; an agent that had to stop; a ring that
// dropped.
void advise(const Program& program, const LaunchOptions& options, uint64_t anonymous_bytes,
            LaunchReport& report);

}  // namespace ullage::launch

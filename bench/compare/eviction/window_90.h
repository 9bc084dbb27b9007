// SPDX-License-Identifier: Apache-2.0
// window_90: ours with a window of 90 % that stays.
#pragma once

#include "task.ours.h"

struct window_90 {
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::hits_with_window(trace, capacity, 90);
  }
};

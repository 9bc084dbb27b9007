// SPDX-License-Identifier: Apache-2.0
// window_10: ours with a window of 10 % that stays.
#pragma once

#include "task.ours.h"

struct window_10 {
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::hits_with_window(trace, capacity, 10);
  }
};

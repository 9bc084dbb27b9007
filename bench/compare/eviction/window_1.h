// SPDX-License-Identifier: Apache-2.0
// window_1: ours with a window of 1 % that stays.
#pragma once

#include "task.ours.h"

struct window_1 {
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::hits_with_window(trace, capacity, 1);
  }
};

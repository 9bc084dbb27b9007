// SPDX-License-Identifier: Apache-2.0
// reserved: what `ullage diagnose` advises. One allocation, no moves.
#pragma once

#include "task.h"

struct reserved {
  static void make_room(append::Vector& vector, std::size_t final_size) {
    vector.reserve(final_size);
  }
};

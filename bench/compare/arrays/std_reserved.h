// SPDX-License-Identifier: Apache-2.0
// std_reserved: std::vector that knows how many there will be. What nobody can know is its advantage.
#pragma once

#include <vector>

#include "task.h"

struct std_reserved {
  template <bool Huge>
  using array = std::vector<std::uint64_t>;
  template <class Array>
  static void make_room(Array& array, std::size_t count) {
    array.reserve(count);
  }
};

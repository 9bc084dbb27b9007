// SPDX-License-Identifier: Apache-2.0
// std_reserved: std::vector that was told how many there will be, which nobody can know.
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

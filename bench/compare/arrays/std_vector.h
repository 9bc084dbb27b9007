// SPDX-License-Identifier: Apache-2.0
// std_vector: std::vector, told nothing; in the huge cases malloc asks for huge pages.
#pragma once

#include <vector>

#include "task.h"

struct std_vector {
  template <bool Huge>
  using array = std::vector<std::uint64_t>;
  template <class Array>
  static void make_room(Array&, std::size_t) {}
};

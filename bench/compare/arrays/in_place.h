// SPDX-License-Identifier: Apache-2.0
// in_place: ullage::vector as it comes, told nothing; in the huge cases it asks for huge pages.
#pragma once

#include <ullage/vector.h>

#include "task.h"

struct in_place {
  template <bool Huge>
  using array =
      ullage::vector<std::uint64_t, ullage::in_place<ullage::in_place_options{.huge_pages = Huge}>>;
  template <class Array>
  static void make_room(Array&, std::size_t) {}
};

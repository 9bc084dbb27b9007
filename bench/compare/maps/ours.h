// SPDX-License-Identifier: Apache-2.0
// ours: segments from the process's arena, on the case's pages.
#pragma once

#include <ullage/hash_map.h>

struct ours {
  static void prepare(bool huge_pages) { ullage::configure_arena({.huge_pages = huge_pages}); }
  template <class K, class V, class H, class E>
  using map = ullage::hash_map<K, V, H, E>;
};

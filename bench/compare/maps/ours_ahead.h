// SPDX-License-Identifier: Apache-2.0
// ours_ahead: as ours, with the helper thread that touches 64 MiB ahead of use. Its time is not in
// the thread's CPU figures; compare cpu_s and the wall figures.
#pragma once

#include <ullage/hash_map.h>

struct ours_ahead {
  static void prepare(bool huge_pages) {
    ullage::configure_arena({.huge_pages = huge_pages, .ahead_bytes = std::size_t{64} << 20});
  }
  template <class K, class V, class H, class E>
  using map = ullage::hash_map<K, V, H, E>;
};

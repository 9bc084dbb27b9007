// SPDX-License-Identifier: Apache-2.0
// ours_alloc: every segment from std::allocator; no reserved addresses.
#pragma once

#include <ullage/hash_map.h>

#include <memory>
#include <utility>

struct ours_alloc {
  template <class K, class V, class H, class E>
  using map = ullage::hash_map<K, V, H, E, std::allocator<std::pair<const K, V>>>;
};

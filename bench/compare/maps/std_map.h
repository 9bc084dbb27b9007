// SPDX-License-Identifier: Apache-2.0
// std_map: libstdc++'s map of nodes.
#pragma once

#include <unordered_map>

struct std_map {
  template <class K, class V, class H, class E>
  using map = std::unordered_map<K, V, H, E>;
};

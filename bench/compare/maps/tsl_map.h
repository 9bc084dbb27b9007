// SPDX-License-Identifier: Apache-2.0
// tsl_map: robin hood hashing, load at most 0.5.
// needs: header tsl/robin_map.h, package robin-map-dev
// version: dpkg-query -W robin-map-dev
#pragma once

#include <tsl/robin_map.h>

struct tsl_map {
  template <class K, class V, class H, class E>
  using map = tsl::robin_map<K, V, H, E>;
};

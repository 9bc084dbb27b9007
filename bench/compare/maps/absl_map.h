// SPDX-License-Identifier: Apache-2.0
// absl_map: Abseil's Swiss table.
// needs: header absl/container/flat_hash_map.h, package libabsl-dev
// flags: -labsl_raw_hash_set -labsl_hash -labsl_city -labsl_low_level_hash -labsl_throw_delegate
// version: dpkg-query -W libabsl-dev
#pragma once

#include <absl/container/flat_hash_map.h>

struct absl_map {
  template <class K, class V, class H, class E>
  using map = absl::flat_hash_map<K, V, H, E>;
};

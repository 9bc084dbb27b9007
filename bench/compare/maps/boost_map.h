// SPDX-License-Identifier: Apache-2.0
// boost_map: fifteen slots and an overflow byte.
// needs: header boost/unordered/unordered_flat_map.hpp, package libboost1.81-dev
// version: dpkg-query -W libboost1.81-dev
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

struct boost_map {
  template <class K, class V, class H, class E>
  using map = boost::unordered_flat_map<K, V, H, E>;
};

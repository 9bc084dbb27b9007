// SPDX-License-Identifier: Apache-2.0
// opt: whoever is needed last goes, or is not let in (Belady, 1966). It knows the future; for
// entries of one size nothing is better. Not a rival: the bound.
#pragma once

#include <set>
#include <unordered_map>

#include "task.h"

struct opt {
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    if (trace.sized) return 0;  // no simple optimum exists
    const std::size_t n = trace.requests.size();
    std::vector<std::size_t> next(n);
    std::unordered_map<std::uint64_t, std::size_t> seen;
    for (std::size_t i = n; i-- > 0;) {
      const auto [it, fresh] = seen.try_emplace(trace.requests[i].hash, i);
      next[i] = fresh ? n + i : it->second;
      it->second = i;
    }
    std::set<std::size_t> needed;  // when what is stored is needed again
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < n; ++i) {
      found += needed.erase(i);
      needed.insert(next[i]);
      if (needed.size() > capacity) needed.erase(std::prev(needed.end()));
    }
    return found;
  }
};

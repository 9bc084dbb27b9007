// SPDX-License-Identifier: Apache-2.0
// The hot tier's policy on a trace: with a window that stays, or with the one that its shadow
// caches choose.
#pragma once

#include "task.h"
#include "tier/shadow.h"

namespace eviction {

inline std::uint64_t hits_with_window(const Trace& trace, std::uint64_t capacity,
                                      unsigned percent) {
  ullage::tier::PolicyCache cache(trace.sized ? trace.entries * 3 : trace.entries, capacity,
                                  percent);
  std::uint64_t hits = 0;
  for (const Request& r : trace.requests) hits += cache.use(r.hash, r.bytes) ? 1 : 0;
  return hits;
}

inline std::uint64_t hits_with_shadow(const Trace& trace, std::uint64_t capacity) {
  ullage::tier::Shadow shadow;
  shadow.capacity(capacity, trace.sized ? trace.entries * 3 : trace.entries);
  ullage::tier::PolicyCache cache(trace.sized ? trace.entries * 3 : trace.entries, capacity,
                                  shadow.window_percent());
  std::uint64_t hits = 0;
  for (const Request& r : trace.requests) {
    if (shadow.sampled(r.hash)) {
      if (shadow.get(r.hash)) cache.window(shadow.window_percent());
      shadow.put(r.hash, r.bytes);
    }
    hits += cache.use(r.hash, r.bytes) ? 1 : 0;
  }
  return hits;
}

}  // namespace eviction

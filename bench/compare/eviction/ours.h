// SPDX-License-Identifier: Apache-2.0
// ours: W-TinyLFU by segment, its window chosen by shadow caches.
#pragma once

#include <algorithm>

#include "lru.h"
#include "opt.h"
#include "task.ours.h"

struct ours {
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::hits_with_shadow(trace, capacity);
  }
  static void compare(const eviction::Trace& trace, double hits, bench::Report& report) {
    const double points = 100.0 / static_cast<double>(trace.requests.size());
    const auto of_lru = static_cast<double>(lru::hits(trace, trace.capacity));
    double best = of_lru;
    for (const unsigned percent : ullage::tier::Shadow::kWindows) {
      best = std::max(
          best, static_cast<double>(eviction::hits_with_window(trace, trace.capacity, percent)));
    }
    report.add("points_over_lru", (hits - of_lru) * points, "points");
    report.add("points_over_best_static", (hits - best) * points, "points");
    if (trace.sized) return;
    report.add("of_optimal", hits / static_cast<double>(opt::hits(trace, trace.capacity)), "ratio");
  }
};

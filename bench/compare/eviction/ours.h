// SPDX-License-Identifier: Apache-2.0
// ours: W-TinyLFU by segment, its window chosen by shadow caches.
#pragma once

#include <algorithm>

#include "lru.h"
#include "opt.h"
#include "task.ours.h"
#include "task.published.h"

struct ours {
  static std::uint64_t hits(const eviction::Trace& trace, std::uint64_t capacity) {
    return eviction::hits_with_shadow(trace, capacity);
  }
  static void beside_published(const eviction::Trace& trace, double hits, bench::Report& report) {
    for (const eviction::Published& row : eviction::kPublished) {
      if (row.mib != trace.mib) continue;
      const double misses = static_cast<double>(trace.requests.size()) - hits;
      report.add("of_published_lru", misses / row.lru, "ratio");
      report.add("of_published_arc", misses / row.arc, "ratio");
      report.add("of_published_s3_fifo", misses / row.s3_fifo, "ratio");
      report.add("of_published_lirs", misses / row.lirs, "ratio");
      report.add("of_published_belady", misses / row.belady, "ratio");
      report.add("published_lru_misses", row.lru, "count");
    }
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
    if (trace.mib != 0) beside_published(trace, hits, report);
    if (trace.sized) return;
    report.add("of_optimal", hits / static_cast<double>(opt::hits(trace, trace.capacity)), "ratio");
  }
};

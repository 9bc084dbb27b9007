// SPDX-License-Identifier: Apache-2.0
#include "tier/metrics.h"

#include <string>
#include <utility>

#include "tier/shadow.h"

namespace ullage::tier {
namespace {

using metrics::Labels;
using metrics::Registry;
using Shards = std::vector<const Shard*>;

template <class Read>
double sum(const Shards& shards, Read read) {
  double total = 0;
  for (const Shard* shard : shards) total += static_cast<double>(read(*shard).value());
  return total;
}

Labels hot(Labels more = {}) {
  Labels labels = {{"tier", "hot"}};
  for (auto& label : more) labels.push_back(std::move(label));
  return labels;
}

void add_memory(Registry& registry, const Shards& shards) {
  struct Row {
    const char* name;
    const char* help;
    const Tally Memory::*heap;
    const Tally Memory::*off_heap;
  };
  const Row rows[] = {
      {"ullage_tier_resident_bytes", "Memory that a tier holds.", &Memory::resident_bytes,
       &Memory::large_resident_bytes},
      {"ullage_tier_live_bytes", "Of it: entries.", &Memory::live_bytes, &Memory::large_live_bytes},
      {"ullage_tier_metadata_bytes", "Of it: tables.", &Memory::metadata_bytes, nullptr},
      {"ullage_tier_garbage_bytes", "Of it: free cells, rounding, what is not yet given back.",
       &Memory::garbage_bytes, nullptr},
  };
  for (const Row& row : rows) {
    for (const auto& [kind, member] : {std::pair{"heap", row.heap}, {"off_heap", row.off_heap}}) {
      if (member == nullptr) continue;
      registry.gauge_of(row.name, row.help, hot({{"memory", kind}}), [shards, m = member] {
        return sum(shards, [m](const Shard& s) -> const Tally& { return s.memory().*m; });
      });
    }
  }
  registry.gauge_of("ullage_tier_entries", "Entries that a tier holds.", hot(), [shards] {
    return sum(shards, [](const Shard& s) -> const Tally& { return s.memory().entries; });
  });
}

void add_budget(Registry& registry, const Budget& budget) {
  registry.gauge_of("ullage_tier_budget_bytes", "Memory that a tier may have.", hot(),
                    [&budget] { return static_cast<double>(budget.limit_bytes()); });
  registry.gauge_of("ullage_tier_allowed_bytes", "What it may have just now.", hot(),
                    [&budget] { return static_cast<double>(budget.allowed_bytes()); });
  for (std::size_t i = 0; i < kComponents; ++i) {
    const auto component = static_cast<Component>(i);
    registry.gauge_of("ullage_tier_granted_bytes", "What the budget has granted, by component.",
                      hot({{"component", to_string(component)}}), [&budget, component] {
                        return static_cast<double>(budget.granted_bytes(component));
                      });
  }
  registry.counter_of("ullage_tier_denials_total", "Growths that the budget denied.", hot(),
                      [&budget] { return static_cast<double>(budget.denied()); });
  registry.gauge_of("ullage_memory_stalled_ratio",
                    "Share of the last ten seconds in which tasks waited for memory (PSI).", {},
                    [&budget] {
                      const double percent = budget.readings().psi_some_avg10;
                      return percent < 0 ? 0 : percent / 100;
                    });
}

void add_counters(Registry& registry, const Shards& shards) {
  struct Row {
    const char* name;
    const char* help;
    Labels labels;
    const Tally Counters::*member;
  };
  const Row rows[] = {
      {"ullage_tier_requests_total", "Reads, by result.", {{"result", "hit"}}, &Counters::hits},
      {"ullage_tier_requests_total", "Reads, by result.", {{"result", "miss"}}, &Counters::misses},
      {"ullage_tier_removed_entries_total",
       "Entries that nobody erased.",
       {{"cause", "expired"}},
       &Counters::expired},
      {"ullage_tier_removed_entries_total",
       "Entries that nobody erased.",
       {{"cause", "evicted"}},
       &Counters::evicted},
      {"ullage_tier_evicted_bytes_total",
       "Memory of evicted entries.",
       {},
       &Counters::evicted_bytes},
      {"ullage_tier_refused_total",
       "Operations refused for want of memory.",
       {},
       &Counters::denied},
      {"ullage_tier_segments_total",
       "Changes of a table segment, by what happened.",
       {{"kind", "split"}},
       &Counters::splits},
      {"ullage_tier_segments_total",
       "Changes of a table segment, by what happened.",
       {{"kind", "stretched"}},
       &Counters::stretches},
      {"ullage_tier_segments_total",
       "Changes of a table segment, by what happened.",
       {{"kind", "merged"}},
       &Counters::merges},
      {"ullage_tier_moved_entries_total",
       "Entries moved, by cause.",
       {{"cause", "growth"}},
       &Counters::moved},
      {"ullage_tier_moved_entries_total",
       "Entries moved, by cause.",
       {{"cause", "packing"}},
       &Counters::packed},
  };
  for (const Row& row : rows) {
    registry.counter_of(row.name, row.help, hot(row.labels), [shards, m = row.member] {
      return sum(shards, [m](const Shard& s) -> const Tally& { return s.counters().*m; });
    });
  }
}

// Shards weigh as much as what was sampled of each.
void add_curve(Registry& registry, const Shards& shards) {
  for (std::size_t i = 0; i < HitCurve::kPoints; ++i) {
    registry.gauge_of("ullage_tier_miss_ratio",
                      "Share of reads that a tier would miss at other sizes, by sampled shadow "
                      "caches; percent of the present size.",
                      hot({{"size_percent", std::to_string(Shadow::kSizes[i])}}), [shards, i] {
                        double hits = 0, sampled = 0;
                        for (const Shard* shard : shards) {
                          const auto weight = static_cast<double>(shard->curve().sampled.value());
                          hits += weight * static_cast<double>(shard->curve().hit_ppm[i].value());
                          sampled += weight;
                        }
                        return sampled > 0 ? 1 - hits / sampled / 1e6 : 0;
                      });
  }
  registry.gauge_of(
      "ullage_tier_curve_samples", "Reads that ullage_tier_miss_ratio rests on.", hot(), [shards] {
        return sum(shards, [](const Shard& s) -> const Tally& { return s.curve().sampled; });
      });
  registry.gauge_of(
      "ullage_tier_window_ratio", "Share of the memory that newcomers are given.", hot(), [shards] {
        const auto percent = [](const Shard& s) -> const Tally& {
          return s.curve().window_percent;
        };
        return shards.empty() ? 0 : sum(shards, percent) / 100 / static_cast<double>(shards.size());
      });
}

}  // namespace

void register_metrics(metrics::Registry& registry, const Budget& budget,
                      const std::vector<const Shard*>& shards) {
  add_memory(registry, shards);
  add_budget(registry, budget);
  add_counters(registry, shards);
  add_curve(registry, shards);
}

}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The hot tier as metrics. Every label set exists from the start, at zero.
//
//   tier::register_metrics(registry, budget, {&shard0, &shard1});   // before registry.seal()
//
//   ullage_tier_resident_bytes{tier="hot",memory="heap"}     also _live_, _metadata_, _garbage_
//   ullage_tier_budget_bytes{tier="hot"}, ullage_tier_allowed_bytes, ullage_tier_granted_bytes
//   ullage_tier_requests_total{tier="hot",result="hit"}      ullage_tier_removed_entries_total
//   ullage_tier_refused_total{tier="hot"}                    ullage_tier_entries{tier="hot"}
//   ullage_tier_miss_ratio{tier="hot",size_percent="200"}    if it had twice its size
//
// Values are read when they are scraped, from what the shards keep anyway. Threads: any. The
// shards and the budget outlive the registry's last exposition.

#include <vector>

#include "metrics/registry.h"
#include "tier/shard.h"

namespace ullage::tier {

void register_metrics(metrics::Registry& registry, const Budget& budget,
                      const std::vector<const Shard*>& shards);

}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_costs.h"

#include <algorithm>
#include <utility>

namespace ullage::diagnose {

const std::array<CostKind, kCostKinds> kCosts = {
    CostKind{"assist", "nanoseconds", "time that allocation had to mark for the collector"},
    CostKind{"stopped", "nanoseconds", "time the world waited for this goroutine to stop"},
    CostKind{"alloc_space", "bytes", "bytes allocated, by the heap profile"},
    CostKind{"inuse_space", "bytes", "bytes alive, by the heap profile"},
    CostKind{"growth_cpu", "nanoseconds", "CPU time in growing slices, maps and stacks"},
    CostKind{"growth_samples", "count", "CPU samples in growing slices, maps and stacks"},
    CostKind{"wait", "nanoseconds", "time blocked"},
    CostKind{"wait_behind", "nanoseconds", "time blocked behind growth, assists and stops"},
    CostKind{"finding_stall", "nanoseconds", "stalls, by the findings"},
    CostKind{"finding_cpu", "nanoseconds", "processor time beside them, by the findings"},
    CostKind{"finding_copied", "bytes", "bytes copied, by the findings"},
    CostKind{"finding_wasted", "bytes", "bytes wasted, by the findings"},
};

std::uint32_t telling_snapshot(const evidence::Incident& incident) {
  std::vector<std::uint64_t> allocated(incident.snapshots.size());
  std::uint32_t best = UINT32_MAX;
  for (const evidence::HeapSite& site : incident.heap_sites) {
    if (site.snapshot >= allocated.size()) continue;
    allocated[site.snapshot] += std::max(site.alloc_bytes, site.inuse_bytes);
  }
  for (std::uint32_t i = 0; i < allocated.size(); ++i) {
    if (allocated[i] > 0 && (best == UINT32_MAX || allocated[i] >= allocated[best])) best = i;
  }
  return best;
}

std::vector<CostStack> incident_costs(const evidence::Incident& incident,
                                      const std::vector<Finding>& findings) {
  std::vector<CostStack> costs;
  if (incident.empty()) return costs;  // a recording has costs of its own
  const auto add = [&costs](const evidence::Stack& stack) -> CostStack& {
    costs.push_back({stack, {}});
    return costs.back();
  };
  for (const evidence::AssistSite& site : incident.assist_sites) {
    if (site.total_ns > 0 && !site.stack.empty())
      add(site.stack).values[kCostAssist] = site.total_ns;
  }
  for (const evidence::Pause& pause : incident.pauses) {
    if (pause.reason != evidence::PauseReason::kWaitedForOne || pause.culprit_stack.empty())
      continue;
    add(pause.culprit_stack).values[kCostStopped] = pause.culprit_offset_ns;
  }
  const std::uint32_t snapshot = telling_snapshot(incident);
  for (const evidence::HeapSite& site : incident.heap_sites) {
    if (site.snapshot != snapshot || (site.stack.empty() && site.hidden.empty())) continue;
    evidence::Stack stack = site.hidden;
    stack.insert(stack.end(), site.stack.begin(), site.stack.end());
    CostStack& cost = add(stack);
    cost.values[kCostAllocated] = site.alloc_bytes;
    cost.values[kCostInUse] = site.inuse_bytes;
  }
  for (const evidence::CpuSite& site : incident.cpu_sites) {
    if (!evidence::is_growth(site.call) || site.stack.empty()) continue;
    CostStack& cost = add(site.stack);
    cost.values[kCostGrowthCpu] = site.cpu_ns;
    cost.values[kCostGrowthSamples] = site.samples;
  }
  for (const evidence::Wait& wait : incident.waits) {
    if (wait.stack.empty()) continue;
    CostStack& cost = add(wait.stack);
    cost.values[kCostWait] = wait.total_ns;
    // The three overlap: the largest is what is proved.
    cost.values[kCostWaitBehind] =
        std::max({wait.behind_assist_ns, wait.behind_growth_ns, wait.behind_stop_ns});
  }
  for (const Finding& finding : findings) {
    if (finding.stack.empty() || finding.severity == Severity::kNote) continue;
    CostStack& cost = add(finding.stack);
    cost.values[kCostFindingStall] = finding.cost.stall_ns;
    cost.values[kCostFindingCpu] = finding.cost.cpu_ns;
    cost.values[kCostFindingCopied] = finding.cost.copied_bytes;
    cost.values[kCostFindingWasted] = finding.cost.wasted_bytes;
  }
  std::erase_if(costs, [](const CostStack& cost) {
    return std::all_of(cost.values.begin(), cost.values.end(), [](auto v) { return v == 0; });
  });
  std::stable_sort(costs.begin(), costs.end(), [](const CostStack& a, const CostStack& b) {
    const auto first = [](const CostStack& cost) {
      const auto at = std::find_if(cost.values.begin(), cost.values.end(),
                                   [](std::uint64_t v) { return v > 0; });
      return std::pair(at - cost.values.begin(), *at);
    };
    const auto x = first(a), y = first(b);
    return x.first != y.first ? x.first < y.first : x.second > y.second;
  });
  return costs;
}

}  // namespace ullage::diagnose

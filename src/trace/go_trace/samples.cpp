// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/samples.h"

#include <algorithm>
#include <tuple>

namespace ullage::trace::go {

void Samples::begin_generation(const Tables& tables, const Clock& clock, Stacks& stacks) {
  recent_.clear();
  const Tables* pointer = &tables;
  StackCache stack(stacks, pointer);
  for (const CpuSample& raw : tables.samples) {
    const auto id = static_cast<std::uint32_t>(std::min<std::uint64_t>(raw.stack, UINT32_MAX - 1));
    recent_.push_back(
        {clock.ns(raw.ticks), raw.goroutine, raw.thread, Stacks::index(stack(id)), 0});
    ++by_stack_[recent_.back().stack];
  }
  std::stable_sort(recent_.begin(), recent_.end(),
                   [](const Sample& a, const Sample& b) { return a.at_ns < b.at_ns; });
}

void Samples::finish(evidence::Incident& incident, const Stacks& stacks) const {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
  for (const auto& [stack, count] : by_stack_) order.emplace_back(count, stack);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tie(b.first, a.second) < std::tie(a.first, b.second);
  });
  for (const auto& [count, stack] : order) {
    const Stacks::Traits& traits = stacks.traits(stack);
    evidence::CpuTotals& totals = incident.cpu;
    totals.samples += count;
    if (traits.collector || traits.assist) totals.gc_samples += count;
    if (traits.assist) totals.assist_samples += count;
    if (traits.growth == evidence::CallKind::kStack) totals.stack_growth_samples += count;
    if (traits.growth == evidence::CallKind::kMapAssign) totals.map_growth_samples += count;
    if (traits.growth == evidence::CallKind::kAppend) totals.slice_growth_samples += count;
    if (incident.cpu_sites.size() >= evidence::kCpuSitesMax) continue;
    evidence::CpuSite site;
    site.stack = stacks.stack(stack);
    site.call = traits.growth;
    site.assist = traits.assist;
    site.samples = count;
    incident.cpu_sites.push_back(std::move(site));
  }
}

}  // namespace ullage::trace::go

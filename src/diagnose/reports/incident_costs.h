// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an incident cost, by stack: one list that profiles, folded stacks and flame graphs share.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/incident.h"

namespace ullage::diagnose {

// Kinds of cost that add up over stacks, each on its own.
struct CostKind {
  const char* name;  // "assist": of the profile's sample type, and of the page's flame graph
  const char* unit;  // "nanoseconds", "bytes", "count"
  const char* what;  // a sentence for people
};
inline constexpr std::size_t kCostKinds = 12;
enum CostIndex : std::size_t {
  kCostAssist,
  kCostStopped,
  kCostAllocated,
  kCostInUse,
  kCostGrowthCpu,
  kCostGrowthSamples,
  kCostWait,
  kCostWaitBehind,
  kCostFindingStall,  // of findings, at their stacks: whatever artefact they come from
  kCostFindingCpu,
  kCostFindingCopied,
  kCostFindingWasted,
};
extern const std::array<CostKind, kCostKinds> kCosts;

struct CostStack {
  evidence::Stack stack;  // innermost first; never empty
  std::array<std::uint64_t, kCostKinds> values{};
};

// Stacks with something to count, most of the first kind that has any first. Of several profiles of
// the heap, the one with most allocated: what they count only ever rises. `findings` with a stack
// add what they cost; notes don't.
std::vector<CostStack> incident_costs(const evidence::Incident& incident,
                                      const std::vector<Finding>& findings = {});

// The snapshot whose heap sites stand for the incident; UINT32_MAX when there is none.
std::uint32_t telling_snapshot(const evidence::Incident& incident);

}  // namespace ullage::diagnose

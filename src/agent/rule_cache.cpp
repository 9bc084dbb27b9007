// SPDX-License-Identifier: Apache-2.0
#include "agent/rule_cache.h"

#include "agent/modules.h"
#include "agent/output.h"
#include "agent/platform.h"

namespace ullage::agent {

RuleCache g_rules;

bool RuleCache::init() {
  entries_ = static_cast<Entry*>(map_private(sizeof(Entry) * kEntries));
  return entries_ != nullptr;
}

ULLAGE_COLD RuleCache::Answer RuleCache::fill(uintptr_t pc, uint32_t generation, uint64_t key,
                                              size_t at) {
  const Module* module = g_modules.find(pc - 1);
  if (module == nullptr && g_modules.scan_for_unknown(&write_module)) {
    module = g_modules.find(pc - 1);
    if (g_modules.generation() != generation) key = make_key(pc, g_modules.generation());
    at = slot(key);
  }
  Answer answer{Rule{}, pc, pc};
  if (module != nullptr) {
    const Step step = find_step(module->unwind, pc - 1);
    const uint64_t high = uint64_t{module->occupant} << 48;
    answer.rule = step.rule;
    answer.function = (step.function != 0 ? step.function : pc) | high;
    answer.pc = pc | high;
  }
  constexpr uint64_t kBusy = 1;
  size_t victim = (at + (pc >> 4) % kProbes) & (kEntries - 1);
  for (size_t i = 0; i < kProbes; ++i) {
    const size_t candidate = (at + i) & (kEntries - 1);
    if (entries_[candidate].key.load(std::memory_order_relaxed) == 0) {
      victim = candidate;
      break;
    }
  }
  Entry& e = entries_[victim];
  uint64_t seen = e.key.load(std::memory_order_relaxed);
  if (seen != kBusy && e.key.compare_exchange_strong(seen, kBusy, std::memory_order_acquire)) {
    std::atomic_thread_fence(std::memory_order_release);
    e.rule = answer.rule;
    e.function = answer.function;
    e.key.store(key, std::memory_order_release);
  }
  return answer;
}

}  // namespace ullage::agent

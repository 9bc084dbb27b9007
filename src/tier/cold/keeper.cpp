// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/keeper.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>

#include "tier/cold/rocks.h"

namespace ullage::tier::cold {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
// Code of the libraries, threads, buffers: what a small budget has to leave to them.
constexpr std::uint64_t kFirstUncountedBytes = 16 * kMiB;

}  // namespace

std::uint64_t first_cache_bytes(std::uint64_t budget_bytes) noexcept {
  const std::uint64_t aim = Steering::aim(budget_bytes) * 9 / 10;
  const std::uint64_t left = aim > kFirstUncountedBytes ? aim - kFirstUncountedBytes : 0;
  return std::max(left, Steering::least(budget_bytes));
}

Keeper::Keeper(Engine& engine, std::uint64_t budget_bytes, growth_sink* sink)
    : engine_(engine),
      sink_(sink),
      budget_(budget_bytes),
      steering_(first_cache_bytes(budget_bytes)),
      cache_bytes_(first_cache_bytes(budget_bytes)) {}

void Keeper::tick(std::uint64_t resident_bytes) {
  if (resident_bytes == 0) return;  // nobody knows
  const EngineMemory memory = engine_.memory();
  const Steering::Step step =
      steering_.next({budget_bytes(), resident_bytes, memory.cache, memory.spare});
  if (step.changed) {
    // Writes first: what they may no longer take, the cache needs not make room for.
    engine_.memtable_bytes(memtable_bytes_of(step.cache_bytes));
    engine_.cache_bytes(step.cache_bytes);
    report(step.cache_bytes < cache_bytes_ ? growth_kind::shrunk : growth_kind::extended,
           cache_bytes_, step.cache_bytes);
    cache_bytes_ = step.cache_bytes;
  }
  if (step.give_back_bytes != 0) engine_.give_back(step.give_back_bytes);
  if (step.trim) ::malloc_trim(0);
}

void Keeper::report(growth_kind kind, std::uint64_t before, std::uint64_t after) const {
  if (sink_ == nullptr) return;
  growth_event event;
  event.kind = kind;
  event.cause = kind == growth_kind::shrunk ? growth_cause::shrink : growth_cause::resize;
  event.container = this;
  event.type = "cold";
  event.bytes_before = before;
  event.bytes_after = after;
  event.thread = growth_thread();
  event.time_ns =
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  sink_->on_growth(event);
}

}  // namespace ullage::tier::cold

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeper: keeps an engine within its budget: measures, steers, and tells each step.
//
// Threads   tick: one. The rest: any.

#include <ullage/growth.h>

#include <atomic>
#include <cstdint>

#include "tier/cold/engine.h"
#include "tier/cold/steering.h"

namespace ullage::tier::cold {

// What an engine is opened with, before anything was measured.
std::uint64_t first_cache_bytes(std::uint64_t budget_bytes) noexcept;

class Keeper {
 public:
  Keeper(Engine& engine, std::uint64_t budget_bytes, growth_sink* sink);

  void tick(std::uint64_t resident_bytes);
  std::uint64_t budget_bytes() const noexcept { return budget_.load(std::memory_order_relaxed); }
  void budget_bytes(std::uint64_t bytes) noexcept {
    budget_.store(bytes, std::memory_order_relaxed);
  }

 private:
  void report(growth_kind kind, std::uint64_t before, std::uint64_t after) const;

  Engine& engine_;
  growth_sink* const sink_;
  std::atomic<std::uint64_t> budget_;
  Steering steering_;
  std::uint64_t cache_bytes_;
};

}  // namespace ullage::tier::cold

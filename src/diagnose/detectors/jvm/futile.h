// SPDX-License-Identifier: Apache-2.0
#pragma once

// Full collections that brought nothing back.

#include <cstdint>

#include "diagnose/detectors/jvm/jvm.h"
#include "evidence/incident.h"

namespace ullage::diagnose::jvm {

struct Futile {
  Sum collections;                   // those that reclaimed next to nothing
  Sum all;                           // every full collection that nobody asked for
  std::uint64_t live_bytes_max = 0;  // left behind by one of them
  std::uint64_t capacity_bytes = 0;  // of the heap then
  double fill_max = 0;               // 0..1, of the old generation where it is told
  bool old_generation = false;
  bool exhausted = false;  // two in a row left the heap as good as full
  // Enough of them to call it a loop.
  bool loops() const;
};
// Fewer are a warm-up, or one load that was too large.
inline constexpr std::uint64_t kFutileMin = 3;
Futile futile_collections(const evidence::Incident& incident);

}  // namespace ullage::diagnose::jvm

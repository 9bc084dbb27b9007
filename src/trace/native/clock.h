// SPDX-License-Identifier: Apache-2.0
#pragma once

// Clock: from the ticks of a recording to times of the process it recorded.
//
// Inside the analysis time is counted in steps: ticks since the start, without the bits that the
// recording dropped. Nanoseconds are made once, at the end. Plain data.

#include <algorithm>
#include <cstdint>

#include "evidence/evidence.h"

namespace ullage::trace {

struct Clock {
  std::uint64_t start_ticks = 0;
  unsigned shift = 0;
  double ns_per_tick = 1;
  std::uint64_t steps_total = 0;  // life of the process; the last slice ends here

  // 0 for what claims to be before the start.
  std::uint64_t step(std::uint64_t ticks) const {
    return ticks > start_ticks ? (ticks - start_ticks) >> shift : 0;
  }
  std::uint64_t ns(std::uint64_t steps) const {
    const double ns = static_cast<double>(steps) * static_cast<double>(1u << shift) * ns_per_tick;
    return ns < 9e18 ? static_cast<std::uint64_t>(ns) : UINT64_C(9000000000000000000);
  }
  // Steps that last no longer than `ns`.
  std::uint64_t steps_within(std::uint64_t ns) const {
    const double steps = static_cast<double>(ns) / ns_per_tick / static_cast<double>(1u << shift);
    return steps < 9e18 ? static_cast<std::uint64_t>(steps) : UINT64_MAX;
  }
  // Where the time slice begins that follows `slice`.
  std::uint64_t slice_end(std::size_t slice) const {
    if (slice + 1 >= evidence::kSlices) return UINT64_MAX;
    const double share = static_cast<double>(slice + 1) / static_cast<double>(evidence::kSlices);
    return static_cast<std::uint64_t>(static_cast<double>(steps_total) * share);
  }
};

}  // namespace ullage::trace

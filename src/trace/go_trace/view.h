// SPDX-License-Identifier: Apache-2.0
#pragma once

// One generation that was read: what the parts that sum it up need to know of it.

#include <cstdint>
#include <span>
#include <vector>

#include "trace/go_trace/records.h"
#include "trace/go_trace/stacks.h"
#include "trace/go_trace/tables.h"

namespace ullage::trace::go {

struct View {
  std::span<const std::uint8_t> input;
  const Generation& generation;
  const Tables& tables;
  const Clock& clock;
  int version = 22;
  // Which goroutine ran when each of generation.timed began.
  const std::vector<std::uint64_t>& inherited;
  std::uint64_t begin_ns = 0, end_ns = 0;
};

// A span of time of a goroutine.
struct Interval {
  std::uint64_t goroutine = 0, start_ns = 0, end_ns = 0;
  std::uint32_t waiters = 0;
};

// CPU samples of a generation, by time.
struct Sample {
  std::uint64_t at_ns = 0, goroutine = 0, thread = 0;
  std::uint32_t stack = 0;
  std::uint32_t waiters = 0;
};

}  // namespace ullage::trace::go

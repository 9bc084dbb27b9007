// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is read of a recording before its events: contexts, modules, marks, the clock.
//
// Any bytes are accepted; damage is counted. Memory: 24 B per stack node, the modules, the marks.

#include <cstdint>
#include <string>
#include <vector>

#include "record/layout.h"
#include "record/reader.h"
#include "trace/native/clock.h"
#include "trace/native/stacks.h"
#include "trace/native/symbols.h"

namespace ullage::trace {

// Modules that one recording may name, and marks kept of it (29 hours at ten a second). Further
// ones are counted in a note and left out.
inline constexpr std::size_t kModulesMax = 65536;
inline constexpr std::size_t kMarksMax = 1u << 20;

struct Loaded {
  StackTable stacks;
  std::vector<SymbolModule> modules;
  std::vector<record::Mark> marks;  // in the order of time
  std::vector<record::AggregateRecord> aggregates;
  Clock clock;
  bool clock_calibrated = true;
  std::uint64_t segments_damaged = 0, bytes_damaged = 0;
  std::vector<std::string> notes;
};

Loaded load(const record::Recording& recording);

}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#pragma once

// CPU samples, where a CPU profile was taken while the trace was.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/view.h"

namespace ullage::trace::go {

class Samples {
 public:
  void begin_generation(const Tables& tables, const Clock& clock, Stacks& stacks);
  std::vector<Sample>& recent() { return recent_; }  // by time
  void finish(evidence::Incident& incident, const Stacks& stacks) const;

 private:
  std::vector<Sample> recent_;
  std::unordered_map<std::uint32_t, std::uint64_t> by_stack_;
};

}  // namespace ullage::trace::go

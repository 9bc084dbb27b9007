// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sizes that one line allocated, read as the steps of a growth.

#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose::go {

struct Ladder {
  std::size_t rungs = 0;
  std::uint64_t bottom_bytes = 0, top_bytes = 0;
  double factor = 1;       // median of one size over the one before
  double top_factor = 1;   // the same of the three largest steps
  bool geometric = false;  // most neighbours are apart by what append grows by, or a step or two
  double tops = 0;         // objects of the largest size
  double top_total_bytes = 0;
  double waste = 0;        // allocated over what the largest ones hold
  double waste_bytes = 0;  // in all rungs but the largest
  double growths = 0;      // objects above the smallest size
};
Ladder ladder_of(const HeapPlace& place);

// "1.25", "5"
std::string factor_text(double factor);

}  // namespace ullage::diagnose::go

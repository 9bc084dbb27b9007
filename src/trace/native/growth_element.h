// SPDX-License-Identifier: Apache-2.0
#pragma once

// The element size that the sizes of growing blocks tell, where no type does.
//
// Every size of a container is a multiple of its element, so each chain votes for the greatest
// common divisor of its own. One foreign block in one of many chains must not decide (its divisor
// is mostly 8, whatever the others say), and chains of different types have no element in common.

#include <cstdint>

#include "trace/native/histogram.h"

namespace ullage::trace {

// Different divisors of a place's chains that are kept; where there are more, nothing is claimed.
inline constexpr std::size_t kDivisorsExact = 256;

// `divisors`: per chain the divisor of its sizes, as often as it grew. 0 when they tell of none.
std::uint64_t common_element(const Histogram& divisors);

}  // namespace ullage::trace

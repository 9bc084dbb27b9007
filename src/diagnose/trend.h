// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trends in the series of Evidence, robust against single outliers.

#include <span>

#include "evidence/evidence.h"

namespace ullage::diagnose {

// The median of the slopes between all pairs of points (Theil 1950, Sen 1968), per slice. A third
// of the points may be arbitrary without moving it far. 0 for fewer than two points.
double theil_sen(std::span<const std::uint64_t> points);

// Does it rise through the whole run without levelling off? Four things must hold:
// (1) it rises overall, and within at least 3 of the last 4 quarters (the run has four);
// (2) its floor (second lowest value) rises from quarter to quarter: a sawtooth returns to its own;
// (3) no plateau: the last quarter and the last eighth still rise at a quarter of the overall pace;
// (4) at the end it stands near its highest.
// A fall in the last two slices is the program tidying up before it ends, and does not count.
struct Rise {
  bool unbounded = false;
  double bytes_per_slice = 0;    // overall Theil-Sen slope
  std::uint64_t from_bytes = 0;  // floor of the first quarter
  std::uint64_t to_bytes = 0;    // highest
};
Rise rise_of(const evidence::Series& series);

}  // namespace ullage::diagnose

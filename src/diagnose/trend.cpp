// SPDX-License-Identifier: Apache-2.0
#include "diagnose/trend.h"

#include <algorithm>
#include <array>
#include <vector>

namespace ullage::diagnose {
namespace {

constexpr std::size_t kQuarters = 4;
// Quarters that must rise by themselves; one may rest (a pause in the traffic).
constexpr std::size_t kRisingQuarters = 3;
// Slices at the end that may fall because the program tears down.
constexpr std::size_t kTeardownSlices = 2;
// Pace of the end, as a share of the overall pace, below which it has levelled off.
constexpr double kPlateauPace = 0.25;
// The end as a share of the highest, below which it came back down.
constexpr double kNearHighest = 0.90;

// Second lowest: one slice may dip without lowering the floor.
std::uint64_t floor_of(std::span<const std::uint64_t> points) {
  std::vector<std::uint64_t> sorted(points.begin(), points.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted.size() < 2 ? (sorted.empty() ? 0 : sorted[0]) : sorted[1];
}

}  // namespace

double theil_sen(std::span<const std::uint64_t> points) {
  std::vector<double> slopes;
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = i + 1; j < points.size(); ++j) {
      const double rise = static_cast<double>(points[j]) - static_cast<double>(points[i]);
      slopes.push_back(rise / static_cast<double>(j - i));
    }
  }
  if (slopes.empty()) return 0;
  const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
  std::nth_element(slopes.begin(), middle, slopes.end());
  if (slopes.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(slopes.begin(), middle)) / 2;
}

Rise rise_of(const evidence::Series& series) {
  const std::uint64_t highest = *std::max_element(series.begin(), series.end());
  std::size_t end = series.size();
  while (end > series.size() - kTeardownSlices && series[end - 1] < highest / 2) --end;
  const std::span<const std::uint64_t> run(series.data(), end);

  Rise rise;
  rise.bytes_per_slice = theil_sen(run);
  rise.to_bytes = highest;
  const std::size_t quarter = series.size() / kQuarters;
  std::size_t rising = 0;
  bool floors_rise = true;
  std::uint64_t floor = 0;
  double last_pace = 0;
  for (std::size_t i = 0; i < kQuarters; ++i) {
    const std::size_t begin = i * quarter;
    const auto part = run.subspan(begin, std::min(quarter, end - begin));
    last_pace = theil_sen(part);
    if (last_pace > 0) ++rising;
    const std::uint64_t lowest = floor_of(part);
    if (i == 0) {
      rise.from_bytes = lowest;
    } else {
      floors_rise = floors_rise && lowest > floor;
    }
    floor = lowest;
  }
  const double pace_wanted = kPlateauPace * rise.bytes_per_slice;
  const double eighth_pace = theil_sen(run.last(quarter / 2));
  rise.unbounded = rise.bytes_per_slice > 0 && rising >= kRisingQuarters && floors_rise &&
                   last_pace > pace_wanted && eighth_pace > pace_wanted &&
                   static_cast<double>(run.back()) >= kNearHighest * static_cast<double>(highest);
  return rise;
}

}  // namespace ullage::diagnose

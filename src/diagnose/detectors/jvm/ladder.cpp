// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/jvm/ladder.h"

#include <cmath>
#include <utility>

namespace ullage::diagnose::jvm {
namespace {

using evidence::GcCycle;

// ArrayList grows by 1.5, hash tables and buffers by 2. Rounding to whole regions moves both.
constexpr double kFactorMin = 1.3, kFactorMax = 2.25;
// Steps of one ladder may differ by this share of their factor ...
constexpr double kSpread = 0.15;
// ... and by one region more at each end, which rounding explains.
constexpr double kRounding = 1.0;

struct Step {
  std::uint64_t regions;
  const GcCycle* cycle;
};

bool continues(const Step& a, const Step& b, double factor) {
  const double expected = static_cast<double>(a.regions) * factor;
  const double slack = expected * kSpread;
  return std::abs(static_cast<double>(b.regions) - expected) <= std::max(slack, kRounding);
}

}  // namespace

Ladder humongous_ladder(const evidence::Incident& incident) {
  std::vector<Step> steps;
  std::int64_t before = 0;
  for (const GcCycle& cycle : incident.cycles) {
    if (cycle.humongous_before < 0) continue;
    if (cycle.humongous_before > before) {
      steps.push_back({static_cast<std::uint64_t>(cycle.humongous_before - before), &cycle});
    }
    before = cycle.humongous_after;
  }
  Ladder best;
  std::uint64_t largest = 0;
  for (const Step& step : steps) largest = std::max(largest, step.regions);
  for (std::size_t begin = 0; begin + kRungsMin <= steps.size(); ++begin) {
    const double factor =
        static_cast<double>(steps[begin + 1].regions) / static_cast<double>(steps[begin].regions);
    if (factor < kFactorMin || factor > kFactorMax) continue;
    std::size_t end = begin + 2;
    while (end < steps.size() && continues(steps[end - 1], steps[end], factor)) ++end;
    const std::size_t length = end - begin;
    // A ladder leads to something large: three small steps in a row happen by chance.
    if (length < kRungsMin || length <= best.rungs.size() || steps[end - 1].regions * 2 < largest ||
        steps[end - 1].regions < 4) {
      continue;
    }
    best = {};
    for (std::size_t i = begin; i < end; ++i) best.rungs.push_back(steps[i].regions);
    best.first = steps[begin].cycle;
    best.last = steps[end - 1].cycle;
    best.factor =
        std::pow(static_cast<double>(best.rungs.back()) / static_cast<double>(best.rungs.front()),
                 1.0 / static_cast<double>(length - 1));
  }
  return best;
}

}  // namespace ullage::diagnose::jvm

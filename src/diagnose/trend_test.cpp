// SPDX-License-Identifier: Apache-2.0
#include "diagnose/trend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace ullage::diagnose {
namespace {

evidence::Series series(const std::function<double(double)>& height) {
  evidence::Series points{};
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i] = static_cast<std::uint64_t>(height(static_cast<double>(i)));
  }
  return points;
}

TEST(TheilSen, IsTheSlopeOfALine) {
  EXPECT_DOUBLE_EQ(theil_sen(series([](double i) { return 1000 + 7 * i; })), 7);
  EXPECT_DOUBLE_EQ(theil_sen(series([](double i) { return 1000 - 7 * i; })), -7);
  EXPECT_DOUBLE_EQ(theil_sen(std::span<const std::uint64_t>()), 0);
}

TEST(TheilSen, IsNotMovedByAFewWildPoints) {
  evidence::Series points = series([](double i) { return 1000 + 10 * i; });
  points[3] = points[20] = points[41] = 1'000'000;
  EXPECT_NEAR(theil_sen(points), 10, 1);
}

TEST(Rise, SpeaksForLinesWithNoiseAndForCurvesThatKeepRising) {
  EXPECT_TRUE(rise_of(series([](double i) { return 100 * i; })).unbounded);
  EXPECT_TRUE(rise_of(series([](double i) { return 100 * i * i; })).unbounded);
  EXPECT_TRUE(rise_of(series([](double i) { return 1e6 * std::sqrt(i); })).unbounded);
  EXPECT_TRUE(
      rise_of(series([](double i) { return 1e4 + 1000 * i + 900 * std::sin(i); })).unbounded);
  // Garbage collected in between, but the floor rises.
  EXPECT_TRUE(rise_of(series([](double i) { return 1e5 * i + 3e5 * std::fmod(i, 5); })).unbounded);
}

TEST(Rise, IgnoresTheProgramTidyingUpBeforeItEnds) {
  evidence::Series points = series([](double i) { return 100 * i; });
  points[63] = 0;
  EXPECT_TRUE(rise_of(points).unbounded);
  points[60] = points[61] = points[62] = 0;  // four slices are no teardown: it was given back
  EXPECT_FALSE(rise_of(points).unbounded);
}

TEST(Rise, StaysSilentForEveryPlateauWhereverItBegins) {
  for (const double full : {4.0, 16.0, 32.0, 48.0, 58.0}) {
    EXPECT_FALSE(rise_of(series([full](double i) { return 1000 * std::min(i, full); })).unbounded)
        << "full at slice " << full;
  }
  EXPECT_FALSE(rise_of(series([](double i) { return 1e6 * (1 - std::exp(-i / 12)); })).unbounded);
  EXPECT_FALSE(rise_of(series([](double) { return 1000; })).unbounded);
  EXPECT_FALSE(rise_of(evidence::Series{}).unbounded);
}

TEST(Rise, StaysSilentForEverySawtoothWhateverItsPeriodAndPhase) {
  for (int period = 2; period <= 40; ++period) {
    for (int phase = 0; phase < period; ++phase) {
      const auto saw = [period, phase](double i) { return 1000 * std::fmod(i + phase, period); };
      EXPECT_FALSE(rise_of(series(saw)).unbounded) << "period " << period << ", phase " << phase;
    }
  }
}

}  // namespace
}  // namespace ullage::diagnose

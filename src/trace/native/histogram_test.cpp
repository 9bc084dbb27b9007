// SPDX-License-Identifier: Apache-2.0
#include "trace/native/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace ullage::trace {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0u);
  EXPECT_EQ(h.min(), 0u);
  EXPECT_EQ(h.quantile(0.5), 0u);
}

TEST(Histogram, IsExactWhileFewDifferentValuesWereSeen) {
  Histogram h(8);
  for (int i = 0; i < 90; ++i) h.add(100);
  for (int i = 0; i < 9; ++i) h.add(5000);
  h.add(70000);
  const evidence::SizeSummary s = h.summary();
  EXPECT_EQ(s.count, 100u);
  EXPECT_EQ(s.min, 100u);
  EXPECT_EQ(s.p50, 100u);
  EXPECT_EQ(s.p95, 5000u);
  EXPECT_EQ(s.max, 70000u);
}

TEST(Histogram, BeyondItsLimitIsNeverBelowTheTruthNorAnEighthAboveIt) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    std::mt19937_64 random(seed);
    Histogram h(16);
    std::vector<std::uint64_t> values;
    for (int i = 0; i < 3000; ++i) {
      values.push_back(random() >> (4 + random() % 56));
      h.add(values.back());
    }
    EXPECT_FALSE(h.exact());
    std::sort(values.begin(), values.end());
    for (const double share : {0.01, 0.5, 0.95, 1.0}) {
      const auto rank =
          static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1;
      const std::uint64_t truth = values[rank];
      EXPECT_GE(h.quantile(share), truth) << "seed " << seed;
      EXPECT_LE(h.quantile(share), truth + truth / 8 + 1) << "seed " << seed;
    }
    EXPECT_EQ(h.min(), values.front());
    EXPECT_EQ(h.max(), values.back());
  }
}

TEST(Histogram, MergesExactIntoExactAndBucketsIntoAnything) {
  Histogram a(4), b(4), c(4);
  a.add(10, 5);
  b.add(10, 3);
  b.add(20);
  a.merge(b);
  EXPECT_TRUE(a.exact());
  EXPECT_EQ(a.count(), 9u);
  for (std::uint64_t v = 1; v <= 100; ++v) c.add(v * 1000);
  a.merge(c);
  EXPECT_FALSE(a.exact());
  EXPECT_EQ(a.count(), 109u);
  EXPECT_EQ(a.min(), 10u);
  EXPECT_EQ(a.max(), 100000u);
  c.merge(b);
  EXPECT_EQ(c.count(), 104u);
  EXPECT_EQ(c.min(), 10u);
}

TEST(Histogram, TakesTheLargestValueThereIs) {
  Histogram h(0);
  h.add(UINT64_MAX);
  h.add(0);
  EXPECT_EQ(h.quantile(1), UINT64_MAX);
  EXPECT_EQ(h.quantile(0.5), 0u);
}

}  // namespace
}  // namespace ullage::trace

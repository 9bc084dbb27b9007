// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <ullage/size_sketch.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace {

using ullage::size_sketch;

static_assert(size_sketch::bucket_of(0) == 0 && size_sketch::bucket_of(7) == 7);
static_assert(size_sketch::bucket_of(UINT64_MAX) == size_sketch::kBuckets - 1);
static_assert(size_sketch::upper_end(size_sketch::kBuckets - 1) == UINT64_MAX);
static_assert(sizeof(size_sketch) <= 2048, "2 KiB is what the header says");

TEST(SizeSketch, BucketsHaveNoGapsAndEndWithinAnEighthOfEachSize) {
  std::uint64_t next = 0;
  for (std::size_t b = 0; b < size_sketch::kBuckets; ++b) {
    ASSERT_EQ(size_sketch::bucket_of(next), b);
    const std::uint64_t end = size_sketch::upper_end(b);
    ASSERT_EQ(size_sketch::bucket_of(end), b);
    ASSERT_GE(end, next);
    ASSERT_LE(end - next, next / 8);
    next = end + 1;
  }
  EXPECT_EQ(next, 0u) << "the last bucket ends with the largest size";
}

TEST(SizeSketch, AQuantileIsNeverBelowTheTrueOneAndAtMostAnEighthAbove) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::uint64_t> sizes;
    size_sketch sketch;
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t size = random() >> (random() % 50 + 10);
      sizes.push_back(size);
      sketch.add(size);
    }
    std::sort(sizes.begin(), sizes.end());
    for (const double q : {0.0, 0.01, 0.5, 0.95, 0.99, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::max(q * 1000 - 1, 0.0));
      const std::uint64_t truth = sizes[rank];
      EXPECT_GE(sketch.quantile(q), truth) << q;
      EXPECT_LE(sketch.quantile(q), truth + truth / 8 + 1) << q;
    }
    EXPECT_EQ(sketch.quantile(1), sizes.back()) << "the largest is exact";
  }
}

TEST(SizeSketch, IsEmptyUntilSomethingWasAdded) {
  const size_sketch sketch;
  EXPECT_EQ(sketch.count(), 0u);
  EXPECT_EQ(sketch.quantile(0.5), 0u);
  EXPECT_EQ(sketch.max(), 0u);
}

TEST(SizeSketch, MergingInAnyOrderGivesTheSketchOfAll) {
  std::mt19937_64 random(11);
  size_sketch parts[3], all, forth, back;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t size = random() >> (random() % 60);
    parts[i % 3].add(size);
    all.add(size);
  }
  for (int i = 0; i < 3; ++i) forth.merge(parts[i]);
  for (int i = 2; i >= 0; --i) back.merge(parts[i]);
  for (std::size_t b = 0; b < size_sketch::kBuckets; ++b) {
    ASSERT_EQ(forth.count_in(b), all.count_in(b));
    ASSERT_EQ(back.count_in(b), all.count_in(b));
  }
  EXPECT_EQ(forth.max(), all.max());
  EXPECT_EQ(forth.count(), 3000u);
}

TEST(SizeSketch, HalvesInsteadOfOverflowingAndKeepsItsShape) {
  size_sketch sketch;
  constexpr std::uint32_t kMany = size_sketch::kCountMax / 2;
  sketch.add(100, kMany / 2);
  for (int i = 0; i < 9; ++i) sketch.add(1000, kMany);  // 9/2 of the limit: overflows without
  EXPECT_EQ(sketch.quantile(0.5), 1000u);
  EXPECT_GT(sketch.count(), kMany);
  for (std::size_t b = 0; b < size_sketch::kBuckets; ++b) {
    EXPECT_LT(sketch.count_in(b), size_sketch::kCountMax);
  }
  EXPECT_GT(sketch.count_in(size_sketch::bucket_of(100)), 0u) << "rare sizes stay";
  size_sketch twice;
  twice.merge(sketch);
  twice.merge(sketch);
  EXPECT_EQ(twice.quantile(0.5), 1000u) << "merging does not overflow either";
}

TEST(SizeSketch, LosesNothingWhenThreadsAddAtOnce) {
  size_sketch sketch;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&sketch, t] {
      for (std::uint64_t i = 0; i < 20000; ++i) sketch.add(i * 4 + t);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sketch.count(), 80000u);
  EXPECT_EQ(sketch.max(), 79999u);
}

}  // namespace

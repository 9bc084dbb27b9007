// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "agent/sampling.h"
#include "agent/slack.h"
#include "agent/writer.h"

namespace ullage::agent {
namespace {

bool grew(size_t old_usable, size_t recent) {
  return recent > old_usable && recent <= old_usable * 8 + 64;
}

TEST(Recent, VectorComparesAgreeWithTheRuleForRandomSizes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Recent recent;
  std::vector<size_t> sizes(Recent::kCount, 0);
  for (int round = 0; round < 20'000; ++round) {
    const size_t size = size_t{1} << random() % 30 | random() % 100;
    const unsigned slot = recent.next & (Recent::kCount - 1);
    recent.push(0x1000 + 16 * static_cast<uintptr_t>(round), size, 1, 0, 0);
    sizes[slot] = size;
    const size_t old_usable = size_t{24} << random() % 22;
    unsigned expected = 0;
    for (int i = 0; i < Recent::kCount; ++i) {
      if (sizes[static_cast<size_t>(i)] != 0 && grew(old_usable, sizes[static_cast<size_t>(i)])) {
        expected |= 1u << i;
      }
    }
    ASSERT_EQ(recent.larger_than(old_usable), expected) << "old block " << old_usable;
  }
}

TEST(Recent, AFreedBlockIsForgottenAndOneWithTheSameKeyIsNot) {
  Recent recent;
  const uintptr_t block = 0x7f0000001000;
  const uintptr_t alias = block + (uintptr_t{1} << 36);  // the same 32-bit key
  recent.push(block, 100, 1, 0, 0);
  recent.remove(alias, 104);
  EXPECT_EQ(recent.larger_than(50), 1u);
  recent.remove(block, 104);
  EXPECT_EQ(recent.larger_than(50), 0u);
}

TEST(Recent, BlocksAboveTheVectorRangeAreStillCompared) {
  Recent recent;
  recent.push(0x1000, size_t{3} << 30, 1, 0, 0);
  EXPECT_EQ(recent.larger_than(size_t{1} << 30), 1u);
}

struct Elders {
  Recent recent;
  uintptr_t next = 0x100000;
  uintptr_t push(size_t bytes, uintptr_t sp = 0x7ffe1000) {
    recent.push(next += 0x10000, bytes, 1, 0, sp);
    return next;
  }
  void elements(int count, size_t bytes = 48) {
    for (int i = 0; i < count; ++i) push(bytes, 0x7ffe0f00);
  }
  bool fits(uintptr_t old, size_t usable, uintptr_t sp = 0x7ffe1000) {
    const uint32_t age = recent.remove(old, usable);
    return age != Recent::kYoung && recent.elder_larger_than(usable, age, sp) >= 0;
  }
};

TEST(Recent, ABlockThatLeftTheEightAliveIsFoundByTheOneItReplaces) {
  Elders e;
  const uintptr_t old = e.push(320);
  e.elements(20);
  e.push(640);
  e.elements(1000);
  EXPECT_TRUE(e.fits(old, 328));
}

TEST(Recent, AnElderIsNotFoundOnceItsFrameReturnedOrByAnotherFrameOrByAYoungerBlock) {
  {
    Elders e;
    const uintptr_t old = e.push(320);
    e.push(640);
    e.elements(20);
    EXPECT_FALSE(e.fits(old, 328, 0x7ffe1000 - 4096)) << "a callee's";
  }
  {
    Elders e;
    const uintptr_t old = e.push(320);
    e.push(640);
    e.elements(20);
    e.push(48, 0x7ffe1000 + 4096);  // its caller's caller
    EXPECT_FALSE(e.fits(old, 328));
  }
  {
    Elders e;
    e.push(640);
    e.elements(20);
    EXPECT_FALSE(e.fits(e.push(320), 328)) << "one of the eight";
    const uintptr_t young = e.push(320);
    e.elements(20);
    EXPECT_FALSE(e.fits(young, 328)) << "a younger elder";
  }
}

TEST(Recent, AFreedElderIsForgottenAndALiveOneAskedForTwiceAtMost) {
  Elders e;
  const uintptr_t block = e.push(640);
  e.elements(20);
  EXPECT_TRUE(e.fits(0x10, 328));
  EXPECT_TRUE(e.fits(0x10, 328));
  EXPECT_FALSE(e.fits(0x10, 328));
  const uintptr_t other = e.push(640);
  e.elements(20);
  e.recent.remove(other, 648);
  EXPECT_FALSE(e.fits(0x10, 328));
  (void)block;
}

TEST(Sampling, TheMeanDistanceBetweenSamplesIsThePeriod) {
  uint64_t random = 88172645463325252u;
  const uint64_t period = 512 << 10;
  double sum = 0;
  constexpr int kSamples = 200'000;
  for (int i = 0; i < kSamples; ++i) sum += static_cast<double>(next_sample(random, period));
  EXPECT_NEAR(sum / kSamples / static_cast<double>(period), 1.0, 0.02);
}

TEST(SampledSet, RemembersABlockUntilItIsFreedOnce) {
  SampledSet set;
  ASSERT_TRUE(set.init());
  EXPECT_FALSE(set.erase(0x5000));
  EXPECT_TRUE(set.insert(0x5000));
  EXPECT_TRUE(set.erase(0x5000));
  EXPECT_FALSE(set.erase(0x5000));
}

TEST(SampledSet, RefusesABlockWhenItsBucketIsFullInsteadOfLosingAnother) {
  SampledSet set;
  ASSERT_TRUE(set.init());
  std::vector<uintptr_t> held;
  for (uintptr_t a = 16; held.size() < 100'000; a += 16) {
    if (set.insert(a)) held.push_back(a);
  }
  for (const uintptr_t a : held) ASSERT_TRUE(set.erase(a));
}

TEST(Slack, TheUntouchedTailIsFoundWithin64Bytes) {
  for (const size_t size : {192u, 1000u, 4096u, 65'000u}) {
    for (const size_t used : {size_t{0}, size / 3, size - 1, size}) {
      std::vector<uint64_t> storage(size / 8 + 2);
      auto* block = reinterpret_cast<char*>(storage.data());
      paint(block, size);
      for (size_t i = 0; i < used; ++i) block[i] = 'x';
      const size_t truth = size - used;
      const size_t found = unpainted_tail(block, size);
      EXPECT_LE(found, truth + 64) << size << " used " << used;
      EXPECT_GE(found + 128, truth < 128 ? 128 : truth) << size << " used " << used;
    }
  }
}

TEST(Slack, ABlockThatWasNeverPaintedHasNone) {
  std::vector<uint64_t> storage(1024, 7);
  EXPECT_EQ(unpainted_tail(storage.data(), 8192), 0u);
}

TEST(Slack, PagesThatWereNeverTouchedCountAsUnusedInALargeBlock) {
  constexpr size_t kBytes = 4u << 20;
  auto* block = static_cast<char*>(map_private(kBytes));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(absent_tail(block, kBytes), kBytes);
  for (size_t i = 0; i < kBytes / 4; i += 4096) block[i] = 1;
  EXPECT_EQ(absent_tail(block, kBytes), kBytes / 4 * 3);
  block[kBytes - 1] = 1;
  EXPECT_EQ(absent_tail(block, kBytes), 0u);
}

TEST(CheckRate, AsksInFullAtFirstAndThenEverMoreRarely) {
  CheckRate rate;
  uint32_t asked = 0, at_64 = 0, at_1024 = 0;
  for (uint32_t i = 1; i <= 100'000; ++i) {
    asked += !rate.passes_over(true);
    if (i == 64) at_64 = asked;
    if (i == 1024) at_1024 = asked;
  }
  EXPECT_EQ(at_64, 64u);
  EXPECT_EQ(at_1024, 64u + 60u);
  EXPECT_EQ(asked, 64u + 60u + (100'000u - 1024) / 128);
}

TEST(CheckRate, ASizeThatTellsNothingIsAskedAsLongAsAnswersMatch) {
  CheckRate rate;
  for (uint32_t i = 0; i < 5000; ++i) {
    EXPECT_FALSE(rate.passes_over(false));
    ++rate.matched;
  }
  CheckRate never;
  uint32_t asked = 0;
  for (uint32_t i = 0; i < 5000; ++i) asked += !never.passes_over(false);
  EXPECT_LT(asked, 200u);
}

}  // namespace
}  // namespace ullage::agent

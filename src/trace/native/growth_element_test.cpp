// SPDX-License-Identifier: Apache-2.0
#include "trace/native/growth_element.h"

#include <gtest/gtest.h>

namespace ullage::trace {
namespace {

Histogram votes(std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> list) {
  Histogram h{kDivisorsExact};
  for (const auto& [divisor, count] : list) h.add(divisor, count);
  return h;
}

TEST(CommonElement, IsWhatAllChainsSay) {
  EXPECT_EQ(common_element(votes({{168, 1}})), 168u);
  EXPECT_EQ(common_element(votes({{24, 4000}})), 24u);
  EXPECT_EQ(common_element(votes({{1, 9}})), 1u);
}

TEST(CommonElement, SurvivesAForeignBlockInOneOfManyChains) {
  EXPECT_EQ(common_element(votes({{168, 530}, {8, 1}})), 168u);
  EXPECT_EQ(common_element(votes({{64, 530}, {8, 1}})), 64u);
  EXPECT_EQ(common_element(votes({{168, 95}, {8, 3}, {1, 1}, {40, 1}})), 168u);
}

TEST(CommonElement, IsTheSmallerOneOnceThatIsNotRare) {
  // Containers that were given room for four, and such as were not.
  EXPECT_EQ(common_element(votes({{24, 60}, {96, 40}})), 24u);
  EXPECT_EQ(common_element(votes({{24, 50}, {72, 20}, {96, 15}, {120, 15}})), 24u);
}

TEST(CommonElement, OfDifferentTypesIsNone) {
  EXPECT_EQ(common_element(votes({{24, 50}, {40, 50}})), 0u);
  EXPECT_EQ(common_element(votes({{24, 90}, {40, 10}})), 0u);
  EXPECT_EQ(common_element(votes({{24, 30}, {40, 30}, {56, 30}, {8, 10}})), 0u);
}

TEST(CommonElement, OfNothingOrOfTooManyToCountIsNone) {
  EXPECT_EQ(common_element(Histogram{kDivisorsExact}), 0u);
  EXPECT_EQ(common_element(votes({{0, 3}})), 0u);
  Histogram many{kDivisorsExact};
  for (std::uint64_t i = 1; i <= kDivisorsExact + 1; ++i) many.add(i);
  EXPECT_EQ(common_element(many), 0u);
}

}  // namespace
}  // namespace ullage::trace

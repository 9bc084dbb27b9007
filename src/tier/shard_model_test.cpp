// SPDX-License-Identifier: Apache-2.0
//
// Random operations on a shard and on a map that must agree. A failure prints the seed.
#include <gtest/gtest.h>

#include <random>

#include "tier/shard_model_testing.h"

namespace ullage::tier::testing {
namespace {

struct Report {
  std::uint64_t seed;
  void operator()(const std::string& text) const { ADD_FAILURE() << text << ", seed " << seed; }
};

struct Case {
  const char* name;
  std::uint64_t limit_bytes;
  Eviction eviction;
  std::uint64_t hash_mask;
  int steps;
};

class ShardModel : public ::testing::TestWithParam<Case> {
 protected:
  ~ShardModel() override { set_hash_seed(1); }
};

TEST_P(ShardModel, AgreesWithAMap) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    set_hash_seed(seed, c.hash_mask);
    std::mt19937_64 random(seed);
    ShardBesideModel<Report> both({.limit_bytes = c.limit_bytes}, {.eviction = c.eviction},
                                  Report{seed});
    for (int i = 0; i < c.steps; ++i) {
      const std::uint64_t bits = random();
      both.step({static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(bits >> 8),
                 static_cast<std::uint8_t>(bits >> 16), static_cast<std::uint8_t>(bits >> 24)});
      if (HasFailure()) {
        ADD_FAILURE() << "step " << i << " of seed " << seed << ", what " << bits % 256 % 20;
        return;
      }
    }
    both.check_all();
    if (HasFailure()) return;
  }
}

constexpr std::uint64_t kAll = ~std::uint64_t{0};
INSTANTIATE_TEST_SUITE_P(
    Tier, ShardModel,
    ::testing::Values(Case{"Unlimited", 0, Eviction::kAll, kAll, 12000},
                      Case{"Evicting", 4 << 20, Eviction::kAll, kAll, 12000},
                      Case{"EvictingInLittle", 1 << 20, Eviction::kAll, kAll, 8000},
                      Case{"EvictingExpiring", 2 << 20, Eviction::kVolatile, kAll, 8000},
                      Case{"Refusing", 2 << 20, Eviction::kNone, kAll, 8000},
                      // Tags alike, places alike, and everything alike.
                      Case{"TagsAlike", 0, Eviction::kAll, ~std::uint64_t{0xffff}, 10000},
                      Case{"FewPlaces", 0, Eviction::kAll, std::uint64_t{7} << 40 | 0xff, 10000},
                      Case{"AllAlike", 0, Eviction::kAll, 0, 4000}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace ullage::tier::testing

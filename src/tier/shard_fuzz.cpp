// SPDX-License-Identifier: Apache-2.0
//
// Any sequence of operations leaves a shard and a map in agreement, whatever the budget.
//
//   | budget: 1 B | step: what, key, length, other: 4 B | step ... |
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tier/shard_model_testing.h"

namespace {

using namespace ullage::tier;

// Longer inputs only repeat themselves.
constexpr std::size_t kStepsMax = 2048;

struct AbortOnFailure {
  void operator()(const std::string& text) const {
    std::fprintf(stderr, "shard_fuzz: %s\n", text.c_str());
    std::abort();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::uint64_t kLimits[] = {0, 512 << 10, 1 << 20, 4 << 20};
  constexpr Eviction kPolicies[] = {Eviction::kAll, Eviction::kNone, Eviction::kVolatile,
                                    Eviction::kAll};
  set_hash_seed(1, (data[0] & 16) != 0 ? 0x0007'0000'0000'00ff : ~std::uint64_t{0});
  testing::ShardBesideModel<AbortOnFailure> both({.limit_bytes = kLimits[data[0] & 3]},
                                                 {.eviction = kPolicies[data[0] >> 2 & 3]}, {});
  for (std::size_t i = 1; i + 4 <= size && i / 4 < kStepsMax; i += 4) {
    both.step({data[i], data[i + 1], data[i + 2], data[i + 3]});
  }
  both.check_all();
  return 0;
}

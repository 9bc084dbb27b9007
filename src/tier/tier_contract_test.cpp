// SPDX-License-Identifier: Apache-2.0
//
// What every tier owes, of the hot tier (and of a std::map, which proves the suite).
#include "tier/shard.h"
#include "tier/tier_contract_testing.h"

namespace ullage::tier::testing {
namespace {

class HotTier {
 public:
  void now(std::uint64_t unix_ms) { shard_.now(unix_ms); }
  bool put(unsigned db, const std::string& key, const Held& held) {
    return shard_.set({db, key}, held.value,
                      {.expires_ms = held.expires_ms, .kind = static_cast<Kind>(held.kind)}) ==
           Status::kOk;
  }
  std::optional<Held> get(unsigned db, const std::string& key) {
    const auto found = shard_.get({db, key});
    if (!found) return std::nullopt;
    return Held{std::string(found->value), found->expires_ms,
                static_cast<std::uint8_t>(found->kind)};
  }
  void erase(unsigned db, const std::string& key) { shard_.erase({db, key}); }
  void flush(unsigned db) { shard_.flush(db); }
  std::vector<std::string> keys(unsigned db) {
    std::vector<std::string> keys;
    std::uint64_t cursor = 0;
    do {
      cursor = shard_.scan(db, cursor, 10,
                           [&](std::string_view key, const Found&) { keys.emplace_back(key); });
    } while (cursor != 0);
    return keys;
  }

 private:
  Budget budget_{{}};
  Shard shard_{{}, budget_};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Map, TierContract, MapTier);
INSTANTIATE_TYPED_TEST_SUITE_P(Hot, TierContract, HotTier);

}  // namespace
}  // namespace ullage::tier::testing

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "contract/contract.h"
#include "contract/durability.h"

namespace ullage::server {

// What [persistence] says.
struct Persistence {
  std::string directory;  // empty: there is no cold tier
  contract::Durability durability;
  contract::Prefixes prefixes;
  // Live.
  std::uint64_t negative_ms = 60'000, stale_ms = 0, early_ms = 0, warm_keys = 0;
  double ttl_jitter = 0;
  // What a read of the cold tier may take before who waits for it is told to try again.
  std::uint64_t read_wait_ms = 2000;

  // Of the whole store: the shortest window; 0: none.
  std::uint64_t window_ms() const;
};

// Errors: what is there without its directory, or can't be.
Result<Persistence> read_persistence(const contract::Contract& contract);
// What may change while the server runs.
void take_live(Persistence& persistence, const contract::Contract& contract);

}  // namespace ullage::server

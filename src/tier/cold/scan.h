// SPDX-License-Identifier: Apache-2.0
#pragma once

// A scan: the entries of a database in the order of their hash, as the disk has them, with what is
// pending laid over it.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tier/cold/engine.h"
#include "tier/cold/pending.h"
#include "tier/cold_store.h"

namespace ullage::tier::cold {

// Cursors count places, as Shard::scan does: the upper 48 bits of a hash.
inline constexpr std::uint64_t hash_of_place(std::uint64_t place) noexcept { return place << 16; }
inline constexpr std::uint64_t place_of_hash(std::uint64_t hash) noexcept { return hash >> 16; }

struct ScanRequest {
  std::string_view from;  // as keys are stored
  std::size_t count = 1;
  bool values = false;
};

// Adds at least `count` entries, unless there are fewer: those of one place come together. `next`:
// the place to go on from, 0 at the end. Expired ones count as looked at, so that a scan over many
// of them ends now and then.
Outcome scan(Engine& engine, const Pending& pending, const ScanRequest& request,
             std::uint64_t now_ms, std::vector<ColdStore::ScannedEntry>& entries,
             std::uint64_t& next);

}  // namespace ullage::tier::cold

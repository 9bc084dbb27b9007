// SPDX-License-Identifier: Apache-2.0
#pragma once

// The cold store: an engine, threads in front of it, and what they keep in memory.

#include <memory>

#include "base/result.h"
#include "tier/cold/engine.h"
#include "tier/cold_store.h"

namespace ullage::tier::cold {

// With RocksDB in options.directory.
Result<std::unique_ptr<ColdStore>> open_store(const ColdOptions& options);
// With any engine; `directory` is then only named in messages.
std::unique_ptr<ColdStore> make_store(const ColdOptions& options, std::uint64_t hash_seed,
                                      std::unique_ptr<Engine> engine);

// What to do about it, for people. Empty: nothing is wrong.
std::string advice(const Outcome& outcome, const std::string& directory);

}  // namespace ullage::tier::cold

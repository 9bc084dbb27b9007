// SPDX-License-Identifier: Apache-2.0
#pragma once

// RocksDB as an Engine: the recipe (docs/tiers/cold.md), and what its errors mean.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "tier/cold/engine.h"

namespace rocksdb {
class Env;
class Status;
}  // namespace rocksdb

namespace ullage::tier::cold {

struct RocksOptions {
  std::string directory;          // RocksDB's own, below the store's
  std::uint64_t cache_bytes = 0;  // of everything that is charged
  std::function<std::uint64_t()> now_ms;
  rocksdb::Env* env = nullptr;  // for tests; unset: the system's
};

// Of what may be charged, the part that writes may take; more would make a restart read more.
std::uint64_t memtable_bytes_of(std::uint64_t cache_bytes) noexcept;

Result<std::unique_ptr<Engine>> open_rocks(const RocksOptions& options);
// Once, before the first is opened: malloc gives back what RocksDB's large buffers took.
void tame_malloc() noexcept;
// Opens it for reading only, and reads every block. The number of bytes read.
Result<std::uint64_t> verify_rocks(const std::string& directory);

Outcome to_outcome(const rocksdb::Status& status);

}  // namespace ullage::tier::cold

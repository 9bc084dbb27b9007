// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recipe: how RocksDB is set up to live within a budget. docs/tiers/cold.md says why each.

#include <cstdint>
#include <functional>
#include <memory>

#include "tier/cold/block_memory.h"

namespace rocksdb {
class Cache;
class CompactionFilter;
class Env;
struct Options;
class WriteBufferManager;
}  // namespace rocksdb

namespace ullage::tier::cold {

class Recipe {
 public:
  Recipe(std::uint64_t cache_bytes, std::uint64_t memtable_bytes,
         std::function<std::uint64_t()> now_ms, rocksdb::Env* env);
  ~Recipe();
  Recipe(const Recipe&) = delete;
  Recipe& operator=(const Recipe&) = delete;

  rocksdb::Options& options() { return *options_; }
  // Everything that is charged is charged to this cache.
  rocksdb::Cache& cache() { return *cache_; }
  rocksdb::WriteBufferManager& writes() { return *writes_; }
  BlockMemory& blocks() { return *blocks_; }

 private:
  std::shared_ptr<BlockMemory> blocks_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<rocksdb::WriteBufferManager> writes_;
  std::unique_ptr<rocksdb::CompactionFilter> expiry_;
  std::unique_ptr<rocksdb::Options> options_;
};

}  // namespace ullage::tier::cold

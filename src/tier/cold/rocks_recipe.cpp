// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/rocks_recipe.h"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/memory_allocator.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <cstdarg>
#include <memory>
#include <utility>

#include "tier/cold/layout.h"
#include "tier/cold/rocks.h"

namespace ullage::tier::cold {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// RocksDB's diary is not kept: what is wrong is told by health(). Its own one is a file that, once
// the disk was full, ends the process at its next line (an assertion of RocksDB 7.8).
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// Memtables: a third of what is charged, and no more than a restart can read again in a second.
constexpr std::uint64_t kMemtableShare = 3, kMemtableBytesMax = 64 * kMiB;
// The cache is cut into few parts: each has a fixed share, so more of them leave more of it empty.
constexpr int kCacheShardBits = 2;
// Of the cache, for filters and indexes.
constexpr double kHighPriorityShare = 0.5;
// Bits a key: 1 % of misses read a block for nothing.
constexpr double kFilterBits = 10;
// A block is closed when the next entry would not fit and less than this is free: so that entries
// of a kilobyte do not make blocks of a page and a bit.
constexpr int kBlockDeviationPercent = 30;
// A compaction reads and writes through buffers of this size, which nobody charges.
constexpr std::size_t kCompactionBufferBytes = 128 << 10;
// Small files make small steps: a compaction of one holds its indexes and filters in memory.
constexpr std::uint64_t kFileBytes = 8 * kMiB;

// Entries whose time has come are left out when their file is written anew.
class Expiry final : public rocksdb::CompactionFilter {
 public:
  explicit Expiry(std::function<std::uint64_t()> now_ms) : now_ms_(std::move(now_ms)) {}
  const char* Name() const override { return "ullage.expiry"; }
  bool Filter(int, const rocksdb::Slice&, const rocksdb::Slice& bytes, std::string*,
              bool*) const override {
    StoredValue value;
    return decode_value({bytes.data(), bytes.size()}, value) && value.expires_ms != 0 &&
           value.expired(now_ms_());
  }

 private:
  const std::function<std::uint64_t()> now_ms_;
};

class BlockAllocator final : public rocksdb::MemoryAllocator {
 public:
  explicit BlockAllocator(std::shared_ptr<BlockMemory> memory) : memory_(std::move(memory)) {}
  const char* Name() const override { return "ullage.blocks"; }
  void* Allocate(std::size_t bytes) override { return memory_->allocate(bytes); }
  void Deallocate(void* block) override { memory_->free(block); }
  std::size_t UsableSize(void* block, std::size_t bytes) const override {
    return memory_->usable(block, bytes);
  }

 private:
  const std::shared_ptr<BlockMemory> memory_;
};

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = false;
  table.pin_top_level_index_and_filter = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.block_size = table.metadata_block_size = kBlockBytes;
  table.block_size_deviation = kBlockDeviationPercent;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(kFilterBits));
  table.optimize_filters_for_memory = true;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  using Role = rocksdb::CacheEntryRole;
  for (const Role role : {Role::kFilterConstruction, Role::kBlockBasedTableReader,
                          Role::kFileMetadata, Role::kCompressionDictionaryBuildingBuffer}) {
    table.cache_usage_options.options_overrides[role].charged =
        rocksdb::CacheEntryRoleOptions::Decision::kEnabled;
  }
  return table;
}

}  // namespace

std::uint64_t memtable_bytes_of(std::uint64_t cache_bytes) noexcept {
  return std::clamp(cache_bytes / kMemtableShare, kMiB, kMemtableBytesMax);
}

Recipe::Recipe(std::uint64_t cache_bytes, std::uint64_t memtable_bytes,
               std::function<std::uint64_t()> now_ms, rocksdb::Env* env)
    : blocks_(std::make_shared<BlockMemory>()),
      expiry_(std::make_unique<Expiry>(std::move(now_ms))),
      options_(std::make_unique<rocksdb::Options>()) {
  cache_ = rocksdb::NewLRUCache(
      rocksdb::LRUCacheOptions(cache_bytes, kCacheShardBits, false, kHighPriorityShare,
                               std::make_shared<BlockAllocator>(blocks_)));
  // Whoever writes waits when memtables are full: that is the writer's thread, and nobody else.
  writes_ = std::make_shared<rocksdb::WriteBufferManager>(memtable_bytes, cache_, true);

  rocksdb::Options& o = *options_;
  if (env != nullptr) o.env = env;
  o.create_if_missing = true;
  o.write_buffer_manager = writes_;
  // Two in use and one being written out fit into what memtables may take.
  o.write_buffer_size = std::max(memtable_bytes / 4, kMiB / 2);
  o.max_write_buffer_number = 4;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(cache_)));
  o.compaction_filter = expiry_.get();

  o.level_compaction_dynamic_level_bytes = true;
  o.target_file_size_base = kFileBytes;
  o.max_bytes_for_level_base = 8 * kFileBytes;
  o.compression = rocksdb::kNoCompression;
  o.max_background_jobs = 2;
  o.compaction_readahead_size = kCompactionBufferBytes;
  o.writable_file_max_buffer_size = kCompactionBufferBytes;
  o.bytes_per_sync = kMiB;
  o.max_open_files =
      static_cast<int>(std::clamp<std::uint64_t>(cache_bytes / (128 << 10), 128, 4096));

  o.max_total_wal_size = kMemtableBytesMax;
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  o.paranoid_checks = true;

  o.skip_stats_update_on_db_open = true;
  o.skip_checking_sst_file_sizes_on_db_open = true;
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  o.info_log = std::make_shared<NoLog>();
}

Recipe::~Recipe() = default;

}  // namespace ullage::tier::cold

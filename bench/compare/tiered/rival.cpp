// SPDX-License-Identifier: Apache-2.0
//
// rival fill|zipf --rocksdb DIR ...: a client that keeps everything in RocksDB of its own, with a
// memory server as a cache before it: reads ask the server first, then RocksDB, and put what they
// found into the server; writes go to both. RocksDB is set up as well as we know: no compression,
// Bloom filters, one cache for blocks, indexes, filters and memtables, a sync every 50 ms.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <atomic>
#include <memory>
#include <thread>

#include "zipf.h"

namespace tiered {
namespace {

class Rocks {
 public:
  static constexpr bool kThere = true;

  explicit Rocks(const Options& o) {
    const std::uint64_t cache_bytes = o.number("cache", 64u << 20);
    const auto cache = rocksdb::NewLRUCache(cache_bytes);
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    table.format_version = 5;
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.write_buffer_size = cache_bytes / 8;
    options.write_buffer_manager =
        std::make_shared<rocksdb::WriteBufferManager>(cache_bytes / 4, cache);
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, o.text("rocksdb"), &opened);
    if (!status.ok()) fail(status.ToString());
    db_.reset(opened);
    syncing_ = std::thread([this] {
      while (!stop_) {
        usleep(50'000);
        if (changed_.exchange(false)) sync();
      }
    });
  }
  ~Rocks() {
    stop_ = true;
    syncing_.join();
  }

  void get(const std::string& key, std::string& value) {
    const rocksdb::Status status = db_->Get({}, key, &value);
    if (!status.ok()) fail("RocksDB: " + status.ToString());
  }
  void put(const std::string& key, const std::string& value) {
    const rocksdb::Status status = db_->Put({}, key, value);
    if (!status.ok()) fail("RocksDB: " + status.ToString());
    changed_ = true;
  }
  void sync() {
    if (!db_->SyncWAL().ok()) fail("RocksDB: the log can't be synced");
  }
  void settle() {
    if (!db_->Flush({}).ok()) fail("RocksDB: can't flush");
    for (const char* what : {"rocksdb.compaction-pending", "rocksdb.num-running-compactions"}) {
      for (std::uint64_t n = 1; n != 0; usleep(100'000)) db_->GetIntProperty(what, &n);
    }
  }
  // All threads but the one that asks: flushes, compactions and syncs.
  double background_cpu() const {
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - clock_seconds(CLOCK_THREAD_CPUTIME_ID);
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<bool> stop_{false}, changed_{false};
  std::thread syncing_;
};

void fill(const Options& o) {
  Rocks rocks(o);
  const std::string value(o.number("value", 100), 'v');
  for (std::uint64_t i = 0; i < o.number("keys", 0); ++i) {
    rocks.put(std::string(Name(i).text, 16), value);
  }
  rocks.settle();
}

}  // namespace
}  // namespace tiered

int main(int argc, char** argv) {
  const tiered::Options options = tiered::parse(argc, argv);
  if (options.kind == "fill") {
    tiered::fill(options);
  } else if (options.kind == "zipf") {
    tiered::Zipf<tiered::Rocks>(options).run();
  } else {
    tiered::fail("no load is called " + options.kind);
  }
}

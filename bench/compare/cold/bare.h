// SPDX-License-Identifier: Apache-2.0
// RocksDB through its C++ API, with the store's options and its key and value bytes.
// needs: header rocksdb/db.h, package librocksdb-dev
// version: dpkg-query -W -f=${Version} librocksdb7.8
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "task.measure.h"
#include "tier/cold/layout.h"
#include "tier/cold/rocks.h"
#include "tier/cold/rocks_recipe.h"
#include "tier/key.h"

struct bare {
  bare(const std::string& folder, std::uint64_t cache_bytes)
      : recipe(
            cache_bytes, ullage::tier::cold::memtable_bytes_of(cache_bytes),
            [] { return std::uint64_t{1}; }, nullptr) {
    ullage::tier::cold::tame_malloc();
    rocksdb::DB* opened = nullptr;
    if (!rocksdb::DB::Open(recipe.options(), folder, &opened).ok()) {
      throw std::runtime_error("can't open");
    }
    db.reset(opened);
  }

  void put(std::uint64_t from, std::uint64_t until) {
    using namespace ullage::tier;
    std::string key;
    for (std::uint64_t i = from; i < until; ++i) {
      const std::string text = ::task::key_of(i);
      cold::encode_key(0, hash_text(text), text, key);
      ColdEntry entry;
      entry.written_ms = 1'700'000'000'000;
      char header[cold::kValueHeaderBytesMax];
      const std::size_t length = cold::encode_header(entry, header);
      std::string value = ::task::value_of(i, 100);
      value.insert(0, header, length);
      if (!db->Put({}, key, value).ok()) std::abort();
    }
    if (!db->SyncWAL().ok()) std::abort();
  }

  void get(std::uint64_t from, std::uint64_t until, std::uint64_t count) {
    using namespace ullage::tier;
    std::uint64_t state = 1;
    std::string key, value;
    for (std::uint64_t i = 0; i < count; ++i) {
      state = ::task::scrambled(state);
      const std::string text = ::task::key_of(from + state % (until - from));
      cold::encode_key(0, hash_text(text), text, key);
      const rocksdb::Status status = db->Get({}, key, &value);
      if (!status.ok() && !status.IsNotFound()) std::abort();
    }
  }

  ullage::tier::cold::Recipe recipe;
  std::unique_ptr<rocksdb::DB> db;
};

// SPDX-License-Identifier: Apache-2.0
// The cold store: one caller, 64 reads in flight.
// needs: header rocksdb/db.h, package librocksdb-dev
// version: dpkg-query -W -f=${Version} librocksdb7.8
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "task.measure.h"
#include "tier/cold/meta.h"
#include "tier/cold/rocks.h"
#include "tier/cold/store.h"
#include "tier/key.h"

struct ours {
  static constexpr std::uint64_t kInFlight = 64;

  ours(const std::string& folder, std::uint64_t cache_bytes) {
    using namespace ullage::tier;
    cold::tame_malloc();
    ColdOptions options;
    options.directory = folder;
    options.readers = 1;
    options.read_wait_ms_max = 0;  // a busy machine sheds nothing here
    auto meta = cold::open_directory(folder);
    auto engine =
        cold::open_rocks({.directory = folder + "/db", .cache_bytes = cache_bytes, .now_ms = [] {
                            return std::uint64_t{1};
                          }});
    if (!meta.ok() || !engine.ok()) throw std::runtime_error("can't open");
    store = cold::make_store(options, meta.value().seed, std::move(engine).value());
    store->on_progress([this] {
      const std::lock_guard lock(mutex);
      changed.notify_one();
    });
  }

  void put(std::uint64_t from, std::uint64_t until) {
    using namespace ullage::tier;
    std::uint64_t last = 0;
    for (std::uint64_t i = from; i < until; ++i) {
      std::vector<ColdChange> changes(1);
      ColdChange& change = changes[0];
      change.key = ::task::key_of(i);
      change.hash = hash_text(change.key);
      change.entry.value = ::task::value_of(i, 100);
      change.entry.written_ms = 1'700'000'000'000;
      last = store->write(0, std::move(changes), false);
      if (store->congested()) wait([&] { return !store->congested(); });
    }
    wait([&] { return store->durable(0) >= last; });
  }

  void get(std::uint64_t from, std::uint64_t until, std::uint64_t count) {
    using namespace ullage::tier;
    std::uint64_t state = 1;
    for (std::uint64_t i = 0; i < count; ++i) {
      state = ::task::scrambled(state);
      const std::string text = ::task::key_of(from + state % (until - from));
      {
        std::unique_lock lock(reads_mutex);
        // In halves, so that the caller sleeps and wakes as rarely as a busy server does.
        if (waiting >= kInFlight) room.wait(lock, [&] { return waiting <= kInFlight / 2; });
        ++waiting;
      }
      store->read(Key(0, text), [this](ColdStatus status, ColdEntry) {
        if (status == ColdStatus::kFailed || status == ColdStatus::kShed) std::abort();
        const std::lock_guard lock(reads_mutex);
        if (--waiting == kInFlight / 2 || waiting == 0) room.notify_one();
      });
    }
    std::unique_lock lock(reads_mutex);
    room.wait(lock, [&] { return waiting == 0; });
  }

  template <class Holds>
  void wait(Holds&& holds) {
    std::unique_lock lock(mutex);
    while (!holds()) changed.wait_for(lock, std::chrono::milliseconds(100));
  }

  std::unique_ptr<ullage::tier::ColdStore> store;
  std::mutex mutex, reads_mutex;
  std::condition_variable changed, room;
  std::uint64_t waiting = 0;
};

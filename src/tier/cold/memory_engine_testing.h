// SPDX-License-Identifier: Apache-2.0
#pragma once

// An Engine in memory for tests: it fails, stalls and forgets when it is told to.
//
// What was applied and not synced goes with crash(), as a machine's end would take it.

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "tier/cold/engine.h"
#include "tier/cold/layout.h"

namespace ullage::tier::cold::testing {

class MemoryEngine final : public Engine {
 public:
  using Rows = std::map<std::string, std::string>;

  Outcome get(std::string_view key, const See& see) override {
    std::unique_lock lock(mutex_);
    ++gets;
    reading_ = true;
    open_.notify_all();
    open_.wait(lock, [this] { return !reads_held_; });
    reading_ = false;
    if (!get_fault.ok()) return get_fault;
    const auto at = rows_.find(std::string(key));
    if (at == rows_.end()) return {Fault::kMissing, {}};
    see(at->second);
    return {};
  }
  Outcome visit(std::string_view from, std::string_view until, const Visit& fn) override {
    const std::lock_guard lock(mutex_);
    if (!get_fault.ok()) return get_fault;
    for (auto at = rows_.lower_bound(std::string(from)); at != rows_.end() && at->first < until;
         ++at) {
      if (!fn(at->first, at->second)) break;
    }
    return {};
  }
  Outcome apply(std::span<const ColdChange* const> changes) override {
    std::unique_lock lock(mutex_);
    ++applies;
    waiting_ = true;
    open_.notify_all();
    open_.wait(lock, [this] { return !writes_held_; });
    waiting_ = false;
    if (!apply_fault.ok()) return apply_fault;
    std::string key;
    for (const ColdChange* change : changes) {
      const bool note = change->kind == ColdChange::Kind::kNote;
      if (note) {
        encode_note(change->key, key);
      } else {
        encode_key(change->db, change->hash, change->key, key);
      }
      if (change->kind == ColdChange::Kind::kPut || note) {
        char header[kValueHeaderBytesMax];
        const std::size_t length = encode_header(change->entry, header);
        rows_[key] = std::string(header, length) + change->entry.value;
      } else if (change->kind == ColdChange::Kind::kErase) {
        rows_.erase(key);
      } else {
        rows_.erase(rows_.lower_bound(first_key(change->db)),
                    rows_.lower_bound(first_key(change->db + 1u)));
      }
    }
    return {};
  }
  Outcome sync() override {
    std::unique_lock lock(mutex_);
    ++syncs;
    Rows rows = rows_;  // what is applied from now on may or may not be in it
    syncing_ = true;
    open_.notify_all();
    open_.wait(lock, [this] { return !syncs_held_; });
    syncing_ = false;
    if (!sync_fault.ok()) return std::exchange(sync_fault, {});
    if (!lies) synced_ = std::move(rows);
    return {};
  }
  Outcome recover() override {
    std::unique_lock lock(mutex_);
    ++recoveries;
    open_.wait(lock, [this] { return !recoveries_held_; });
    if (recover_fault.ok()) background_fault = {};
    return recover_fault;
  }
  Outcome backup(const std::string&) override { return {Fault::kFailed, "in memory"}; }
  EngineMemory memory() override {
    const std::lock_guard lock(mutex_);
    EngineMemory memory;
    memory.cache = cache_used;
    memory.spare = spare;
    return memory;
  }
  EngineState state() override {
    std::unique_lock lock(mutex_);
    EngineState state;
    state.entries = rows_.size();
    state.background = background_fault;
    ++looks;
    looking_ = true;
    open_.notify_all();
    open_.wait(lock, [this] { return !looks_held_; });
    looking_ = false;
    return state;
  }
  void cache_bytes(std::uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    cache_capacity = bytes;
  }
  void memtable_bytes(std::uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    memtable_capacity = bytes;
  }

  void give_back(std::uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    given_back += bytes;
  }

  // --- For the test. What is held waits until it is let go.
  void hold_reads(bool held) { hold(reads_held_, held); }
  void hold_writes(bool held) { hold(writes_held_, held); }
  void hold_recoveries(bool held) { hold(recoveries_held_, held); }
  void hold_looks(bool held) { hold(looks_held_, held); }
  void hold_syncs(bool held) { hold(syncs_held_, held); }
  void wait_for_a_held_write() {
    std::unique_lock lock(mutex_);
    open_.wait(lock, [this] { return waiting_ && writes_held_; });
  }
  void wait_for_a_held_read() {
    std::unique_lock lock(mutex_);
    open_.wait(lock, [this] { return reading_ && reads_held_; });
  }
  void wait_for_a_held_look() {
    std::unique_lock lock(mutex_);
    open_.wait(lock, [this] { return looking_ && looks_held_; });
  }
  void wait_for_a_held_sync() {
    std::unique_lock lock(mutex_);
    open_.wait(lock, [this] { return syncing_ && syncs_held_; });
  }
  template <class Change>
  void set(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(*this);
  }
  Rows after_a_crash() {
    const std::lock_guard lock(mutex_);
    return synced_;
  }
  // The file lost what was not synced, and goes on: what happens after a failed fsync.
  void crash() {
    const std::lock_guard lock(mutex_);
    rows_ = synced_;
  }
  Rows rows() {
    const std::lock_guard lock(mutex_);
    return rows_;
  }

  // Under set() once threads run.
  Outcome get_fault, apply_fault, sync_fault, recover_fault, background_fault;
  bool lies = false;  // says that it synced, and did not
  std::uint64_t cache_used = 0, spare = 0, given_back = 0;
  std::uint64_t cache_capacity = 0, memtable_capacity = 0;
  int applies = 0, syncs = 0, recoveries = 0, gets = 0, looks = 0;

 private:
  void hold(bool& what, bool held) {
    const std::lock_guard lock(mutex_);
    what = held;
    open_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable open_;
  bool reads_held_ = false, writes_held_ = false, syncs_held_ = false, waiting_ = false;
  bool syncing_ = false, reading_ = false, looking_ = false;
  bool looks_held_ = false, recoveries_held_ = false;
  Rows rows_, synced_;
};

}  // namespace ullage::tier::cold::testing

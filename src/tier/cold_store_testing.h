// SPDX-License-Identifier: Apache-2.0
#pragma once

// MemoryCold: a cold store in memory, for tests: it can be slow, fail, and hold back durability.
//
//   auto store = std::make_unique<MemoryCold>(shards);
//   store->hold_reads(true);  ...  store->hold_reads(false);   // answers come now
//   store->answer_reads(2);                                    // these come, others stay held
//   store->hold_syncs(true);                                   // durable() stands still
//   store->grow_old();                                         // what waits does so since long ago
//   store->fail(true, false, "the disk is full");              // reads, writes
//
// Answers come on the caller's thread, or that of whoever lets them go.

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tier/cold_store.h"

namespace ullage::tier {

class MemoryCold final : public ColdStore {
 public:
  explicit MemoryCold(unsigned shards) : numbers_(shards), durable_(shards) {}

  void read(const Key& key, Read done) override {
    std::unique_lock lock(mutex_);
    ++figures_.reads;
    Waiting waiting{std::move(done), ColdStatus::kMissing, {}};
    const auto found = entries_.find({key.db, key.hash, std::string(key.text)});
    if (!health_.reads) {
      waiting.status = ColdStatus::kFailed;
    } else if (found != entries_.end()) {
      waiting.status = ColdStatus::kOk;
      waiting.entry = found->second;
    }
    if (held_reads_) {
      waiting_.push_back(std::move(waiting));
      return;
    }
    lock.unlock();
    waiting.done(waiting.status, std::move(waiting.entry));
  }

  void scan(unsigned db, std::uint64_t cursor, std::size_t count, bool values,
            Scanned done) override {
    std::vector<ScannedEntry> out;
    std::uint64_t next = 0;
    bool good;
    {
      const std::lock_guard lock(mutex_);
      good = health_.reads;
      for (auto at = entries_.lower_bound({db, cursor << 16, ""});
           good && at != entries_.end() && std::get<0>(at->first) == db; ++at) {
        const std::uint64_t place = std::get<1>(at->first) >> 16;
        if (out.size() >= count && place != last_place_) {
          next = place;
          break;
        }
        last_place_ = place;
        ColdEntry entry = at->second;
        if (!values) entry.value.clear();
        out.push_back({std::get<2>(at->first), std::move(entry)});
      }
    }
    {
      const std::lock_guard lock(mutex_);
      if (held_scans_ && scans_let_go_ > 0) {
        --scans_let_go_;
      } else if (held_scans_) {
        scans_.push_back([done = std::move(done)] { done(ColdStatus::kShed, 0, {}); });
        return;
      }
    }
    done(good ? ColdStatus::kOk : ColdStatus::kFailed, next, std::move(out));
  }

  std::uint64_t write(unsigned shard, std::vector<ColdChange> changes, bool sync,
                      std::uint64_t since_ns) override {
    std::function<void()> progress;
    std::uint64_t last;
    {
      const std::lock_guard lock(mutex_);
      ++figures_.batches;
      std::size_t bytes = 0;
      for (ColdChange& change : changes) {
        ++figures_.writes;
        bytes += change.key.size() + change.entry.value.size();
        last_sync_ = sync;
        const auto first = entries_.lower_bound({change.db, 0, ""});
        switch (change.kind) {
          case ColdChange::Kind::kPut:
            entries_[{change.db, change.hash, change.key}] = std::move(change.entry);
            break;
          case ColdChange::Kind::kErase:
            entries_.erase({change.db, change.hash, change.key});
            break;
          case ColdChange::Kind::kFlush:
            entries_.erase(first, entries_.lower_bound({change.db + 1u, 0, ""}));
            break;
          case ColdChange::Kind::kNote:
            notes_[change.key] = std::move(change.entry.value);
            break;
        }
      }
      largest_write_ = std::max(largest_write_, bytes);
      last = numbers_[shard] += changes.size();
      if (!held_syncs_) {
        durable_[shard] = last;
      } else if (oldest_ns_ == 0) {
        oldest_ns_ = since_ns;
      }
      progress = progress_;
    }
    if (progress) progress();
    return last;
  }
  Result<std::string> note(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    const auto found = notes_.find(name);
    if (found == notes_.end()) return Error{Code::kNotFound, name + ": not noted"};
    return found->second;
  }
  bool congested() const noexcept override { return congested_; }
  std::uint64_t oldest_ns() const noexcept override { return oldest_ns_; }
  std::uint64_t applied(unsigned shard) const noexcept override {
    const std::lock_guard lock(mutex_);
    return numbers_[shard];
  }
  std::uint64_t durable(unsigned shard) const noexcept override {
    const std::lock_guard lock(mutex_);
    return durable_[shard];
  }
  void on_progress(std::function<void()> progress) override {
    const std::lock_guard lock(mutex_);
    progress_ = std::move(progress);
  }
  ColdHealth health() const override {
    const std::lock_guard lock(mutex_);
    return health_;
  }
  ColdMemory memory() const override { return {}; }
  ColdFigures figures() const override {
    const std::lock_guard lock(mutex_);
    ColdFigures figures = figures_;
    figures.entries = entries_.size();
    return figures;
  }
  std::uint64_t budget_bytes() const noexcept override { return budget_; }
  void budget_bytes(std::uint64_t bytes) override { budget_ = bytes; }
  void tick(std::uint64_t) override {}
  std::uint64_t hash_seed() const noexcept override { return 1; }
  std::uint64_t finish(std::chrono::milliseconds) override { return 0; }
  Result<void> backup(const std::string&) override { return {}; }

  // --- For tests.
  void hold_reads(bool held) {
    std::vector<Waiting> waiting;
    {
      const std::lock_guard lock(mutex_);
      held_reads_ = held;
      if (!held) waiting.swap(waiting_);
    }
    for (Waiting& each : waiting) each.done(each.status, std::move(each.entry));
  }
  // The first of those that are held, though others stay.
  void answer_reads(std::size_t count) {
    std::vector<Waiting> first;
    {
      const std::lock_guard lock(mutex_);
      count = std::min(count, waiting_.size());
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
      std::move(waiting_.begin(), end, std::back_inserter(first));
      waiting_.erase(waiting_.begin(), end);
    }
    for (Waiting& each : first) each.done(each.status, std::move(each.entry));
  }
  // Those that are held are shed when they are let go. `after`: so many more are answered.
  void hold_scans(bool held, std::size_t after = 0) {
    std::vector<std::function<void()>> scans;
    {
      const std::lock_guard lock(mutex_);
      held_scans_ = held;
      scans_let_go_ = after;
      scans.swap(scans_);
    }
    for (const auto& each : scans) each();
  }
  std::size_t scans_waiting() const {
    const std::lock_guard lock(mutex_);
    return scans_.size();
  }
  std::size_t reads_waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  void hold_syncs(bool held) {
    change([&] {
      held_syncs_ = held;
      if (held) return;
      durable_ = numbers_;
      oldest_ns_ = 0;
    });
  }
  void grow_old() { oldest_ns_ = 1; }
  void fail(bool reads, bool writes, const std::string& message) {
    change([&] { health_ = {!reads, !writes, message}; });
  }
  void congest(bool on) {
    change([&] { congested_ = on; });
  }
  // Keys and values of one call of write(), at most.
  std::size_t largest_write() const {
    const std::lock_guard lock(mutex_);
    return largest_write_;
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }
  std::optional<ColdEntry> find(unsigned db, const std::string& text) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find({db, hash_text(text), text});
    return found == entries_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  struct Waiting {
    Read done;
    ColdStatus status;
    ColdEntry entry;
  };
  template <class Fn>
  void change(Fn fn) {
    std::function<void()> progress;
    {
      const std::lock_guard lock(mutex_);
      fn();
      progress = progress_;
    }
    if (progress) progress();
  }

  mutable std::mutex mutex_;
  std::map<std::tuple<unsigned, std::uint64_t, std::string>, ColdEntry> entries_;
  std::map<std::string, std::string> notes_;
  std::vector<std::uint64_t> numbers_, durable_;
  std::vector<Waiting> waiting_;
  std::vector<std::function<void()>> scans_;
  std::size_t scans_let_go_ = 0;
  std::function<void()> progress_;
  ColdHealth health_;
  ColdFigures figures_;
  std::uint64_t budget_ = 0, last_place_ = 0;
  bool held_scans_ = false, held_reads_ = false, held_syncs_ = false, last_sync_ = false;
  std::size_t largest_write_ = 0;
  std::atomic<bool> congested_{false};
  std::atomic<std::uint64_t> oldest_ns_{0};
};

}  // namespace ullage::tier

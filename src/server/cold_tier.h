// SPDX-License-Identifier: Apache-2.0
#pragma once

// ColdTier: what all threads share of the cold tier: the store, which keys are kept in it and how
// durably, and how it is.
//
//   Result<std::unique_ptr<ColdTier>> cold = ColdTier::open(config);
//   cold->durability(key)             // kOff: its keys are in memory only
//   cold->store().read(cold->key(key), ...)
//
// Databases that were swapped keep their places in the store; which is which is noted there, in
// turn with the changes, so that after a crash neither is older than the other.
//
// Threads   Any; swap() while all stand still, look() by one.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/durability.h"
#include "server/persistence.h"
#include "tier/cold_store.h"

namespace ullage::server {

struct Config;
class Log;

class ColdTier {
 public:
  using Kind = contract::Durability::Kind;

  static Result<std::unique_ptr<ColdTier>> open(const Config& config);
  ColdTier(std::unique_ptr<tier::ColdStore> store, const Persistence& how);
  ~ColdTier();

  tier::ColdStore& store() { return *store_; }
  const tier::ColdStore& store() const { return *store_; }
  const std::string& directory() const { return directory_; }

  Kind durability(std::string_view key) const {
    return prefixes_.empty() ? default_ : longest(key);
  }
  bool persisted(std::string_view key) const { return durability(key) != Kind::kOff; }
  // Keys of some prefix are in memory only.
  bool some_off() const { return some_off_; }
  bool some_on() const { return some_on_; }
  bool some_always() const { return some_always_; }
  // Within which a write of kWindow should be durable: the shortest there is; 0: there is none.
  std::uint64_t window_ns() const { return window_ns_; }
  // "orders:", or "" for the default, and what it says.
  std::pair<std::string, contract::Durability> rule(std::string_view key) const;

  // Where a database lies in the store.
  std::uint8_t place(unsigned db) const { return places_[db].load(std::memory_order_relaxed); }
  tier::Key key(const tier::Key& key) const { return {place(key.db), key.text, key.hash}; }
  // The text to be noted under kPlaces, behind all changes so far and before any later one.
  static constexpr const char* kPlaces = "databases";
  std::string swap(unsigned one, unsigned other);
  Result<void> read_places();  // at the start

  // How it is, as of the last news.
  bool reads_ok() const { return reads_ok_.load(std::memory_order_relaxed); }
  bool writes_ok() const { return writes_ok_.load(std::memory_order_relaxed); }
  std::uint64_t failing_since_ms() const { return failing_ms_.load(std::memory_order_relaxed); }
  std::string trouble() const;
  bool look(std::uint64_t now_ms);  // true: it has changed
  // A line of log when trouble begins, when it is another, and when it is over. One thread.
  void tell_trouble(Log& log);
  // Everything is written and synced; nothing calls back any more.
  void close();

  // What a thread hands over at once; more goes in the middle of its turn, so that little is
  // pending beyond what may be.
  std::size_t turn_bytes_max = std::size_t{1} << 20;

  // Nothing of what it has was evicted from memory, so that counting there is counting.
  std::atomic<bool> all_hot{false};

 private:
  Kind longest(std::string_view key) const;

  std::unique_ptr<tier::ColdStore> store_;
  std::string directory_;
  Kind default_;
  contract::Durability default_rule_;
  contract::Prefixes prefixes_;  // the longest first
  bool some_off_ = false, some_on_ = false, some_always_ = false;
  std::uint64_t window_ns_ = 0;
  std::array<std::atomic<std::uint8_t>, tier::kDatabases> places_{};
  std::atomic<bool> reads_ok_{true}, writes_ok_{true};
  std::atomic<std::uint64_t> failing_ms_{0};
  mutable std::mutex mutex_;
  std::string trouble_;
  struct State {
    bool readable = true, writable = true, trouble = false;
    bool operator==(const State&) const = default;
  } told_;
};

}  // namespace ullage::server

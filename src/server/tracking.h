// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tracking: which clients have read which keys (CLIENT TRACKING), over all threads. Bounded:
// beyond a number of keys, some are forgotten, and their clients told so.
//
// As long as nobody tracks, a read or a write costs one load here.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/pubsub.h"

namespace ullage::server {

// A client that tracks, and where its invalidations go: itself, or the client it redirects to.
struct Tracker {
  unsigned worker = 0;
  std::uint64_t session = 0;
  bool noloop = false;
  std::uint64_t redirect = 0;
};

class Tracking {
 public:
  bool any() const { return clients_.load(std::memory_order_relaxed) > 0; }
  std::size_t clients() const { return clients_.load(std::memory_order_relaxed); }
  std::size_t keys() const;
  std::size_t prefixes() const;
  std::size_t items() const;

  void start(const Tracker& who, const std::vector<std::string>& prefixes, bool broadcast);
  void stop(std::uint64_t session);

  // `session` has read this key.
  void remember(std::uint64_t session, std::string_view key, std::size_t keys_max, Worker& by);
  // It changed; `writer` changed it (0: nobody, it expired).
  void invalidate(std::string_view key, std::uint64_t writer, Worker& by);
  // Everything changed.
  void flush(Worker& by);
  // What broadcasting clients are told, gathered over one turn of `by`'s loop.
  void send_broadcasts(Worker& by);

 private:
  struct Prefix {
    std::set<std::uint64_t> sessions;
    std::map<std::string, std::uint64_t> changed;  // key, last writer
  };
  void send(const Tracker& to, std::vector<std::string> keys, Worker& by);

  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Tracker> trackers_;
  std::unordered_map<std::string, std::set<std::uint64_t>> readers_;
  std::map<std::string, Prefix> prefixes_;
  std::atomic<std::size_t> clients_{0};
  std::atomic<std::size_t> broadcasts_{0};
};

}  // namespace ullage::server

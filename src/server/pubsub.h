// SPDX-License-Identifier: Apache-2.0
#pragma once

// PubSub: who listens to what, over all threads. SUBSCRIBE and PUBLISH take a lock; nobody else
// does, and any() keeps keyspace events free when nobody listens.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ullage::server {

class Worker;

struct Subscriber {
  unsigned worker;
  std::uint64_t session;
  bool operator==(const Subscriber&) const = default;
};

class PubSub {
 public:
  void subscribe(std::string_view channel, bool pattern, Subscriber who);
  void unsubscribe(std::string_view channel, bool pattern, Subscriber who);
  // To all who listen, from the thread `by`; how many those are. A message of kSharedBytesMin and
  // more is there once for all of them: nothing, when the budget denies it. Such a one not in the
  // middle of a shard's work.
  static constexpr std::size_t kSharedBytesMin = 32 * 1024;
  std::optional<std::size_t> publish(Worker& by, std::string_view channel,
                                     std::string_view message);
  bool any() const { return subscriptions_.load(std::memory_order_relaxed) > 0; }

  std::vector<std::string> channels(std::string_view pattern) const;  // empty: all
  std::size_t subscribers(std::string_view channel) const;
  std::size_t pattern_count() const;
  std::size_t channel_count() const;

 private:
  using Table = std::map<std::string, std::vector<Subscriber>, std::less<>>;
  mutable std::mutex mutex_;
  Table channels_, patterns_;
  std::atomic<std::size_t> subscriptions_{0};
};

}  // namespace ullage::server

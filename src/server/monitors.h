// SPDX-License-Identifier: Apache-2.0
#pragma once

// Monitors: the clients that have said MONITOR, and the line that each command becomes for them.
//
// Promise   Every command that ran is told once, by the thread of the client that sent it, behind
//           what it told before; commands of administrators are not told, passwords never.
// Cost      One load per command while nobody watches. Limit: kShownBytes of a word; a client that
//           does not read is closed at server.output_buffer as any other.
// Threads   Any.

#include <atomic>
#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/pubsub.h"

namespace ullage::server {

struct Session;
class Worker;

// A line holds four times as much at most: a byte that can't be printed takes four.
inline constexpr std::size_t kShownBytes = 64 * 1024;

class Monitors {
 public:
  bool any() const { return count_.load(std::memory_order_relaxed) > 0; }
  void add(Subscriber who);
  void remove(Subscriber who);
  // A command of this client, on the thread `by`, which is the client's.
  void tell(Worker& by, const Session& session, const Command& command,
            std::span<const std::string_view> words);

 private:
  mutable std::mutex mutex_;
  std::vector<Subscriber> all_;
  std::atomic<std::size_t> count_{0};
};

// "1700000000.000001 [0 127.0.0.1:4000] "SET" "a" "\x00"".
std::string monitor_line(std::uint64_t unix_us, unsigned db, std::string_view peer,
                         std::span<const std::string_view> words);

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Standstill: while it lives, every other thread of the server stands still between two turns, and
// everything they own may be read and changed. For what is rare: EXEC over several shards, CONFIG
// SET, CLIENT LIST, KEYS. With one thread it does nothing.
//
// Cost: the longest turn of any thread, plus waking those that sleep. Threads: a worker, or one
// that is none (null). Nested on one thread: the inner ones do nothing.

#include <cstdint>

namespace ullage::server {

class Server;
class Worker;

class Standstill {
 public:
  // What is done meanwhile: keys of several threads may change, or nothing does.
  enum class For : std::uint8_t { kChanges, kLooks };
  Standstill(Server& server, Worker* self, For what = For::kChanges);
  ~Standstill();
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;
  // How many of them this thread has.
  static unsigned depth();

 private:
  Server& server_;
  Worker* self_;
  bool holds_ = false;
};

}  // namespace ullage::server

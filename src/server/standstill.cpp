// SPDX-License-Identifier: Apache-2.0
#include "server/standstill.h"

#include <thread>

#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Of this thread: how many stand-stills it holds.
thread_local unsigned held = 0;

}  // namespace

unsigned Standstill::depth() { return held; }

Standstill::Standstill(Server& server, Worker* self, For what) : server_(server), self_(self) {
  const auto& workers = server_.workers();
  if (held++ > 0 || (workers.size() == 1 && self_ != nullptr)) return;
  // One at a time; who waits for its turn stands still for the other.
  while (server_.standing.exchange(true, std::memory_order_acquire)) {
    if (self_ != nullptr) self_->park_if_wanted();
    std::this_thread::yield();
  }
  holds_ = true;
  const std::uint64_t ticket = ++server_.standstills;
  for (const auto& worker : workers) {
    if (worker.get() == self_) continue;
    worker->park_wanted.store(ticket, std::memory_order_seq_cst);
    worker->wake();
  }
  for (const auto& worker : workers) {
    while (worker.get() != self_ && worker->parked_at.load(std::memory_order_acquire) != ticket &&
           !worker->gone.load(std::memory_order_acquire)) {
      std::this_thread::yield();
    }
  }
  // Now, not before: until it stood still, a thread ran what came before the changes.
  if (what == For::kChanges) server_.joint_changes.fetch_add(1, std::memory_order_release);
}

Standstill::~Standstill() {
  --held;
  if (!holds_) return;
  for (const auto& worker : server_.workers()) {
    if (worker.get() == self_) continue;
    worker->park_wanted.store(0, std::memory_order_release);
    worker->park_wanted.notify_all();
  }
  server_.standing.store(false, std::memory_order_release);
}

}  // namespace ullage::server

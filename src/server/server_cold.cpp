// SPDX-License-Identifier: Apache-2.0
//
// The server's dealings with its cold tier: news, ticks, the end.
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "server/clock.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

void Server::begin_cold() {
  cold_->look(unix_ms());
  warmer_ = std::make_unique<Warmer>(*this);
  cold_->store().on_progress([this] {
    const bool changed = cold_->look(unix_ms());
    for (const auto& worker : workers_) {
      if (changed || worker->router()->wants_progress()) worker->router()->tell();
    }
  });
}

void Server::tick_cold() {
  const std::uint64_t resident = budget_->readings().process_resident_bytes;
  cold_->store().tick(resident - std::min(resident, budget_->granted_bytes()));
  cold_->tell_trouble(log_);
  if (!cold_->look(unix_ms())) return;
  for (const auto& worker : workers_) worker->router()->tell();
}

bool Server::close() {
  if (cold_ == nullptr || closed_) return true;
  const auto until = std::chrono::steady_clock::now() + kCloseWait;
  for (const auto& worker : workers_) worker->router()->hand_over();
  const std::uint64_t left = cold_->store().finish(kCloseWait);
  if (left > 0) {
    log_.error("not_durable", "the cold tier's disk fails or does not answer: not all is on it",
               {{"bytes", std::to_string(left)}, {"trouble", cold_->trouble()}});
  }
  auto closed = std::make_shared<std::promise<void>>();
  std::future<void> done = closed->get_future();
  std::thread closing;
  if (std::chrono::steady_clock::now() < until) {
    closing = std::thread([this, closed] {
      close_cold();
      closed->set_value();
    });
    if (done.wait_until(until) == std::future_status::ready) {
      closing.join();
      return true;
    }
    closing.detach();
  }
  log_.error("disk_hangs", "the cold tier's disk does not answer: it is left as it is");
  return false;
}

// Threads have ended: what they changed last goes out, and no more answers come.
void Server::close_cold() {
  if (cold_ == nullptr || std::exchange(closed_, true)) return;
  backup_.end();
  warmer_->end();
  for (const auto& worker : workers_) {
    worker->router()->hand_over();
    worker->router()->collect_hot_to_end();
  }
  warmer_->save();
  cold_->close();
}

}  // namespace ullage::server

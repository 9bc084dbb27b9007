// SPDX-License-Identifier: Apache-2.0
//
// The server's dealings with its cold tier: news, ticks, the end.
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
  if (!cold_->look(unix_ms())) return;
  for (const auto& worker : workers_) worker->router()->tell();
}

// Threads have ended: what they changed last goes out, and no more answers come.
void Server::close_cold() {
  if (cold_ == nullptr) return;
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

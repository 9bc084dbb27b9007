// SPDX-License-Identifier: Apache-2.0
#pragma once

// Control: the thread that serves nobody: signals, the budget's tick. HTTP has its own (http.h).
//
//   Control control(server, {.contract_path = "ullage.toml", .reload = ...});
//   return control.run();      // until SIGTERM or SIGINT, or SHUTDOWN
//
// Signals must be blocked in every thread before the server starts: block_signals().

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "server/http.h"
#include "server/server.h"
#include "server/supervisor.h"

namespace ullage::server {

class Control {
 public:
  // SIGTERM, SIGINT and SIGHUP go to the control thread; SIGPIPE to nobody.
  static void block_signals();

  // `reload`: the contract as it is now, at SIGHUP.
  using Reload = std::function<Result<contract::Contract>()>;
  static Result<std::unique_ptr<Control>> make(Server& server, Reload reload);
  ~Control();

  int http_port() const { return http_ ? http_->port() : -1; }
  int https_port() const { return http_ ? http_->tls_port() : -1; }
  // Until the server has ended. False: a disk that does not answer holds threads of it; all that is
  // left to do is to end the process.
  [[nodiscard]] bool run();

 private:
  Control(Server& server, Reload reload);
  void on_signal();
  void reload();
  bool workers_turn();
  bool stops_too_long();

  Server& server_;
  Reload reload_;
  int epoll_ = -1, signals_ = -1, timer_ = -1;
  bool told_to_stop_ = false;
  std::uint64_t stop_until_ms_ = 0;
  Supervisor supervisor_;
  std::vector<std::uint64_t> turns_;  // of each worker, when it was last seen to turn
  std::unique_ptr<Http> http_;
};

}  // namespace ullage::server

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
#include <string>

#include "base/result.h"
#include "contract/contract.h"
#include "server/http.h"
#include "server/server.h"

namespace ullage::server {

class Control {
 public:
  // SIGTERM, SIGINT and SIGHUP go to the control thread; SIGPIPE to nobody.
  static void block_signals();

  // `reload`: the contract as it is now, at SIGHUP; `say`: a line for whoever looks after it.
  using Reload = std::function<Result<contract::Contract>()>;
  using Say = std::function<void(const std::string&)>;
  static Result<std::unique_ptr<Control>> make(Server& server, Reload reload, Say say);
  ~Control();

  int http_port() const { return http_ ? http_->port() : -1; }
  void run();

 private:
  Control(Server& server, Reload reload, Say say);
  void on_signal();

  Server& server_;
  Reload reload_;
  Say say_;
  int epoll_ = -1, signals_ = -1, timer_ = -1;
  std::unique_ptr<Http> http_;
};

}  // namespace ullage::server

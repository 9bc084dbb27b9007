// SPDX-License-Identifier: Apache-2.0
#pragma once

// Supervisor: what systemd is told of the server (Type=notify): ready, reloading, stopping, alive.
// A datagram each to the socket that NOTIFY_SOCKET names; without one nothing is sent.
//
// Threads: one at a time.

#include <cstdint>
#include <string>

namespace ullage::server {

class Supervisor {
 public:
  // From the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
  Supervisor();
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void ready() { send("READY=1"); }
  void reloading();  // ready() follows
  void stopping() { send("STOPPING=1"); }
  // To be called often: says that it is alive, twice as often as asked for. `alive`: it is.
  void tick(std::uint64_t steady_ms, bool alive);

 private:
  void send(const std::string& state);

  int socket_ = -1;
  std::string path_;
  std::uint64_t every_ms_ = 0;  // 0: nobody waits for it
  std::uint64_t next_ms_ = 0;
};

}  // namespace ullage::server

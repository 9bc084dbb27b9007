// SPDX-License-Identifier: Apache-2.0
#pragma once

// Http: the door for everything that is not a Redis client: keys as resources, the live page, what
// Prometheus scrapes. One thread of its own: neither data threads nor signals and budget wait for
// it.
//
//   Http http(server, listener);
//   http.start();
//   ...
//   http.stop();          // answers under way go out (2 s at most), what is open is closed
//
// Promise   Connections are independent: one that waits for its key (or sends slowly) holds up no
//           other. Requests of one connection are answered in their order, one at a time.
// Threads   start, stop, port: one. The rest is its own thread's.
// Limits    kHttpConnectionsMax, kStreamsMax; of one connection: see connection.h.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <unordered_map>

#include "server/errand.h"
#include "server/http/live.h"

namespace ullage::server {

class Server;
class Connection;

// Connections at once; more are told so and closed.
inline constexpr std::size_t kHttpConnectionsMax = 512;
// Connections of those that listen to events.
inline constexpr std::size_t kStreamsMax = 32;

class Http {
 public:
  // Listening sockets: one, one for TLS; -1: not this one.
  Http(Server& server, int listener, int tls_listener = -1);
  ~Http();

  int port() const { return port_; }  // -1: none
  int tls_port() const { return tls_port_; }
  void start();
  void stop();

  // For its connections.
  Server& server() { return server_; }
  Errands& errands() { return errands_; }
  Live& live() { return live_; }
  std::uint64_t now_ms() const { return now_ms_; }
  Connection* find(std::uint64_t id);
  std::size_t streams() const { return streams_; }
  void count_stream(bool begins) { streams_ += begins ? 1 : std::size_t(-1); }
  // What epoll is to tell of it from now on.
  void watch(int fd, std::uint64_t id, std::uint32_t events);
  void close_later(std::uint64_t id) { dead_.push_back(id); }

 private:
  void run();
  bool owing() const;
  void accept_some(int listener);
  void tick();
  void listen_again();
  void close_dead();

  Server& server_;
  const int listener_, tls_listener_;
  const int port_, tls_port_;
  int epoll_ = -1, wake_ = -1;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  std::uint64_t now_ms_ = 0, ticked_ms_ = 0, next_id_;
  bool listening_ = true;
  std::size_t streams_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<std::uint64_t> dead_;
  Errands errands_;
  Live live_;
};

}  // namespace ullage::server

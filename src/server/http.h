// SPDX-License-Identifier: Apache-2.0
#pragma once

// Http: /metrics, /topology, /healthz, /readyz, on a thread of its own kind: a scrape never takes
// the time of a data thread. Requests are small, answers are whole; a connection that is slow to
// ask is closed, so is one that asks for too much.
//
// Threads: one.

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace ullage::server {

class Server;

// A request's head; larger ones are refused.
inline constexpr std::size_t kHttpRequestBytesMax = 8 * 1024;
// Connections at once; more are closed.
inline constexpr std::size_t kHttpConnectionsMax = 64;
// Time for one request.
inline constexpr std::uint64_t kHttpRequestMs = 10'000;

class Http {
 public:
  Http(Server& server, int listener, int epoll);
  ~Http();

  std::uint16_t port() const { return port_; }
  // A descriptor of this epoll is ready: ours? Then it is dealt with.
  bool ready(int fd, std::uint32_t events);
  void tick(std::uint64_t now_ms);

 private:
  struct Connection {
    std::string in, out;
    std::uint64_t since_ms = 0;
    bool keep = false;
  };
  void accept_some();
  void read_some(int fd, Connection& connection);
  void write_some(int fd, Connection& connection);
  void answer(Connection& connection, const std::string& head);
  void close(int fd);

  Server& server_;
  int listener_, epoll_;
  std::uint16_t port_ = 0;
  std::map<int, Connection> connections_;
};

// The parts of a request's head that matter here; exposed for its tests.
struct HttpRequest {
  std::string method, path, accept;
  bool keep = false;
  bool valid = false;
};
HttpRequest parse_http_request(const std::string& head);

}  // namespace ullage::server

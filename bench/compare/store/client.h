// SPDX-License-Identifier: Apache-2.0
#pragma once

// Connections to one server on loopback, driven by epoll: requests are appended, replies counted.
//
// A reply is only told from the next one, never interpreted beyond "is it an error": the generator
// shares the machine with the server, so it must cost little.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

namespace store {

inline std::uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(t.tv_nsec);
}

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

enum class Protocol { kResp, kMemcache };

// How requests look, and where a reply ends.
struct Dialect {
  Protocol protocol;
  bool with_ttl = false;

  void set(std::string& out, const char* key, std::size_t key_bytes,
           const std::string& value) const {
    char head[96];
    if (protocol == Protocol::kMemcache) {
      const int n =
          std::snprintf(head, sizeof head, "set %.*s 0 %d %zu\r\n", static_cast<int>(key_bytes),
                        key, with_ttl ? 86400 : 0, value.size());
      out.append(head, static_cast<std::size_t>(n)).append(value).append("\r\n");
      return;
    }
    const int n =
        std::snprintf(head, sizeof head, "*%d\r\n$3\r\nSET\r\n$%zu\r\n%.*s\r\n$%zu\r\n",
                      with_ttl ? 5 : 3, key_bytes, static_cast<int>(key_bytes), key, value.size());
    out.append(head, static_cast<std::size_t>(n)).append(value).append("\r\n");
    if (with_ttl) out.append("$2\r\nEX\r\n$5\r\n86400\r\n");
  }
  void get(std::string& out, const char* key, std::size_t key_bytes) const {
    char head[64];
    const int n =
        protocol == Protocol::kMemcache
            ? std::snprintf(head, sizeof head, "get %.*s\r\n", static_cast<int>(key_bytes), key)
            : std::snprintf(head, sizeof head, "*2\r\n$3\r\nGET\r\n$%zu\r\n%.*s\r\n", key_bytes,
                            static_cast<int>(key_bytes), key);
    out.append(head, static_cast<std::size_t>(n));
  }
  // The bytes of the whole reply that begins at `p`; 0: more are needed. `error` is set when it is
  // one, `found` cleared when there was no value.
  std::size_t reply(const char* p, std::size_t bytes, bool& error, bool& found) const {
    error = false;
    found = true;
    const auto* end = static_cast<const char*>(memchr(p, '\n', bytes));
    if (end == nullptr) return 0;
    const auto line = static_cast<std::size_t>(end - p) + 1;
    if (protocol == Protocol::kMemcache) {
      if (memcmp(p, "VALUE ", 6) != 0) {
        error = line < 7 || (memcmp(p, "STORED", 6) != 0 && memcmp(p, "END", 3) != 0);
        found = memcmp(p, "STORED", 6) == 0;
        return line;
      }
      const char* digits = end - 2;
      while (digits[-1] != ' ') --digits;
      const std::size_t whole = line + std::strtoul(digits, nullptr, 10) + 2 + 5;  // "END\r\n"
      return whole <= bytes ? whole : 0;
    }
    if (*p == '-') error = true;
    if (*p != '$') return line;
    if (p[1] == '-') {
      found = false;
      return line;
    }
    const std::size_t whole = line + std::strtoul(p + 1, nullptr, 10) + 2;
    return whole <= bytes ? whole : 0;
  }
};

struct Connection {
  int fd = -1;
  std::string out, in;
  std::size_t sent = 0, read = 0;
  std::deque<std::uint64_t> due;  // when each unanswered request should have been sent
  bool wants_write = false;
};

// What a load asks for, and what it is told.
class Load {
 public:
  virtual ~Load() = default;
  virtual void answered(Connection& c, std::uint64_t due, std::uint64_t now, bool found) = 0;
  // An error instead. It ends the run where nobody expects one.
  virtual void refused(Connection&, const std::string& reply) { fail("an error: " + reply); }
};

class Client {
 public:
  Client(std::uint16_t port, std::size_t connections, Dialect dialect)
      : dialect_(dialect), epoll_(epoll_create1(EPOLL_CLOEXEC)), connections_(connections) {
    for (std::size_t i = 0; i < connections; ++i) {
      Connection& c = connections_[i];
      c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (connect(c.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
        fail("can't connect to port " + std::to_string(port) + ": " + strerror(errno));
      }
      const int one = 1;
      setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      fcntl(c.fd, F_SETFL, O_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &c;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
    }
  }
  ~Client() {
    for (Connection& c : connections_) close(c.fd);
    close(epoll_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::vector<Connection>& connections() { return connections_; }
  const Dialect& dialect() const { return dialect_; }

  void flush(Connection& c) {
    while (c.sent < c.out.size()) {
      const ssize_t n = send(c.fd, c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return watch(c, true);
      if (n < 0) fail(std::string("the server hung up: ") + strerror(errno));
      c.sent += static_cast<std::size_t>(n);
    }
    c.out.clear();
    c.sent = 0;
    if (c.wants_write) watch(c, false);
  }

  // Waits for at most `timeout_ns`, and hands every whole reply to `load`.
  void turn(std::uint64_t timeout_ns, Load& load) {
    epoll_event events[128];
    const timespec wait{static_cast<time_t>(timeout_ns / 1'000'000'000u),
                        static_cast<long>(timeout_ns % 1'000'000'000u)};
    const int n = epoll_pwait2(epoll_, events, 128, &wait, nullptr);
    for (int i = 0; i < n; ++i) {
      Connection& c = *static_cast<Connection*>(events[i].data.ptr);
      if ((events[i].events & EPOLLOUT) != 0) flush(c);
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(c, load);
    }
  }

 private:
  void watch(Connection& c, bool writing) {
    c.wants_write = writing;
    epoll_event event{};
    event.events = EPOLLIN | (writing ? EPOLLOUT : 0u);
    event.data.ptr = &c;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
  }
  void receive(Connection& c, Load& load) {
    char buffer[64 << 10];
    const ssize_t n = recv(c.fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) fail("the server closed a connection");
    c.in.append(buffer, static_cast<std::size_t>(n));
    const std::uint64_t now = now_ns();
    bool error = false, found = false;
    while (c.read < c.in.size()) {
      const std::size_t bytes =
          dialect_.reply(c.in.data() + c.read, c.in.size() - c.read, error, found);
      if (bytes == 0) break;
      if (error) load.refused(c, c.in.substr(c.read, bytes));
      c.read += bytes;
      if (c.due.empty()) fail("a reply that nothing asked for");
      const std::uint64_t due = c.due.front();
      c.due.pop_front();
      if (!error) load.answered(c, due, now, found);
    }
    if (c.read == c.in.size()) {
      c.in.clear();
      c.read = 0;
    }
  }

  Dialect dialect_;
  int epoll_;
  std::vector<Connection> connections_;
};

}  // namespace store

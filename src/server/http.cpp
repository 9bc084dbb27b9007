// SPDX-License-Identifier: Apache-2.0
#include "server/http.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "server/clock.h"
#include "server/listen.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/status.h"

namespace ullage::server {
namespace {

struct Answer {
  int status = 200;
  const char* reason = "OK";
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

Answer answer_to(Server& server, const HttpRequest& request) {
  if (!request.valid) return {400, "Bad Request", "text/plain; charset=utf-8", "no request\n"};
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, "Method Not Allowed", "text/plain; charset=utf-8", "GET only\n"};
  }
  const std::string path = request.path.substr(0, request.path.find('?'));
  if (path == "/metrics") {
    if (request.accept.find("application/openmetrics-text") != std::string::npos) {
      return {200, "OK", "application/openmetrics-text; version=1.0.0; charset=utf-8",
              metrics::openmetrics_text(server.registry())};
    }
    return {200, "OK", "text/plain; version=0.0.4; charset=utf-8",
            metrics::prometheus_text(server.registry())};
  }
  if (path == "/topology") {
    return {200, "OK", "application/json", topology_json(server)};
  }
  if (path == "/healthz") return {200, "OK", "text/plain; charset=utf-8", "ok\n"};
  if (path == "/readyz") {
    if (server.stopping()) {
      return {503, "Service Unavailable", "text/plain; charset=utf-8", "stopping\n"};
    }
    return {200, "OK", "text/plain; charset=utf-8", "ready\n"};
  }
  return {404, "Not Found", "text/plain; charset=utf-8",
          "here are /metrics, /topology, /healthz and /readyz\n"};
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.pop_back();
  text.erase(0, text.find_first_not_of(' '));
  return text;
}

}  // namespace

HttpRequest parse_http_request(const std::string& head) {
  HttpRequest request;
  const std::size_t line_end = head.find("\r\n");
  const std::string line = head.substr(0, line_end);
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string::npos || last == first || line.compare(last, 6, " HTTP/") != 0) {
    return request;
  }
  request.method = line.substr(0, first);
  request.path = line.substr(first + 1, last - first - 1);
  request.keep = line.ends_with("1.1");
  request.valid = request.path.starts_with('/');
  for (std::size_t at = line_end; at != std::string::npos;) {
    at += 2;
    const std::size_t end = head.find("\r\n", at);
    const std::string field = head.substr(at, end == std::string::npos ? end : end - at);
    at = end;
    const std::size_t colon = field.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = lower_case(field.substr(0, colon));
    const std::string value = trimmed(field.substr(colon + 1));
    if (name == "accept") request.accept = lower_case(value);
    if (name == "connection" && lower_case(value) == "close") request.keep = false;
    // Nobody has a body to send here.
    if (name == "content-length" && value != "0") request.valid = false;
    if (name == "transfer-encoding") request.valid = false;
  }
  return request;
}

Http::Http(Server& server, int listener, int epoll)
    : server_(server), listener_(listener), epoll_(epoll), port_(listening_port(listener)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

Http::~Http() {
  for (const auto& [fd, connection] : connections_) ::close(fd);
  ::close(listener_);
}

bool Http::ready(int fd, std::uint32_t events) {
  if (fd == listener_) {
    accept_some();
    return true;
  }
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return false;
  if (events & EPOLLOUT) {
    write_some(fd, found->second);
  } else {
    read_some(fd, found->second);
  }
  return true;
}

void Http::accept_some() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (connections_.size() >= kHttpConnectionsMax) {
      ::close(fd);
      continue;
    }
    connections_[fd].since_ms = unix_ms();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Http::read_some(int fd, Connection& connection) {
  char bytes[4096];
  const ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close(fd);
  connection.in.append(bytes, static_cast<std::size_t>(got));
  const std::size_t end = connection.in.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (connection.in.size() > kHttpRequestBytesMax) close(fd);
    return;
  }
  const std::string head = connection.in.substr(0, end);
  connection.in.erase(0, end + 4);
  answer(connection, head);
  write_some(fd, connection);
}

void Http::answer(Connection& connection, const std::string& head) {
  const HttpRequest request = parse_http_request(head);
  const Answer answer = answer_to(server_, request);
  connection.keep = request.keep && request.valid;
  connection.out = "HTTP/1.1 " + std::to_string(answer.status) + " " + answer.reason +
                   "\r\nContent-Type: " + answer.type +
                   "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                   (connection.keep ? "" : "\r\nConnection: close") + "\r\n\r\n";
  if (request.method != "HEAD") connection.out += answer.body;
}

void Http::write_some(int fd, Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t sent =
        send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) return close(fd);
    connection.out.erase(0, static_cast<std::size_t>(sent));
  }
  if (connection.out.empty() && !connection.keep) return close(fd);
  connection.since_ms = unix_ms();
  epoll_event event{};
  event.events = connection.out.empty() ? EPOLLIN : EPOLLOUT;
  event.data.fd = fd;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Http::tick(std::uint64_t now_ms) {
  std::vector<int> late;
  for (const auto& [fd, connection] : connections_) {
    const bool waiting = !connection.in.empty() || !connection.out.empty() || !connection.keep;
    // One that is kept open may be silent as long as a scraper's interval.
    const std::uint64_t allowed = waiting ? kHttpRequestMs : kHttpRequestMs * 30;
    if (now_ms - connection.since_ms > allowed) late.push_back(fd);
  }
  for (const int fd : late) close(fd);
}

void Http::close(int fd) {
  connections_.erase(fd);
  ::close(fd);
}

}  // namespace ullage::server

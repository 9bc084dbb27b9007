// SPDX-License-Identifier: Apache-2.0
#include "server/http.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "server/clock.h"
#include "server/http/connection.h"
#include "server/listen.h"
#include "server/server.h"

namespace ullage::server {
namespace {

enum Tag : std::uint64_t { kListenTag, kTlsListenTag, kWakeTag, kErrandTag, kFirstConnection };
constexpr int kEventsMax = 64;
constexpr int kTickMs = 250;
// What the end may take, so that answers under way go out.
constexpr std::uint64_t kEndMs = 2000;

int port_of(int listener) { return listener < 0 ? -1 : listening_port(listener); }

}  // namespace

Http::Http(Server& server, int listener, int tls_listener)
    : server_(server),
      listener_(listener),
      tls_listener_(tls_listener),
      port_(port_of(listener)),
      tls_port_(port_of(tls_listener)),
      next_id_(kFirstConnection),
      errands_(server),
      live_(server, errands_) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const std::pair<int, std::uint64_t> sources[] = {{listener_, kListenTag},
                                                   {tls_listener_, kTlsListenTag},
                                                   {wake_, kWakeTag},
                                                   {errands_.fd(), kErrandTag}};
  for (const auto& [fd, tag] : sources) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    if (fd >= 0) epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

Http::~Http() {
  stop();
  connections_.clear();
  for (const int fd : {listener_, tls_listener_, wake_, epoll_}) {
    if (fd >= 0) ::close(fd);
  }
}

void Http::start() {
  thread_ = std::thread([this] { run(); });
}

void Http::stop() {
  if (!thread_.joinable()) return;
  ending_.store(true);
  const std::uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);  // full: it wakes anyway
  thread_.join();
}

Connection* Http::find(std::uint64_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() || found->second->dead() ? nullptr : found->second.get();
}

void Http::watch(int fd, std::uint64_t id, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

bool Http::owing() const {
  for (const auto& [id, connection] : connections_) {
    if (connection->owing()) return true;
  }
  return false;
}

void Http::run() {
  std::uint64_t until_ms = 0;
  for (;;) {
    if (ending_.load()) {
      if (until_ms == 0) until_ms = steady_ms() + kEndMs;
      if (!owing() || steady_ms() >= until_ms) return;
    }
    epoll_event events[kEventsMax];
    const int count = epoll_wait(epoll_, events, kEventsMax, kTickMs);
    now_ms_ = steady_ms();
    for (int i = 0; i < count; ++i) {
      switch (events[i].data.u64) {
        case kListenTag:
          accept_some(listener_);
          break;
        case kTlsListenTag:
          accept_some(tls_listener_);
          break;
        case kWakeTag: {
          std::uint64_t drained;
          (void)!read(wake_, &drained, sizeof drained);
          break;
        }
        case kErrandTag:
          errands_.arrived();
          break;
        default:
          if (Connection* connection = find(events[i].data.u64))
            connection->ready(events[i].events);
      }
    }
    if (now_ms_ - ticked_ms_ >= kTickMs) tick();
    if (!dead_.empty()) close_dead();
  }
}

void Http::accept_some(int listener) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      // No descriptor is free: asking again at once would only turn the loop.
      if (errno == EMFILE || errno == ENFILE) {
        listening_ = false;
        for (const int each : {listener_, tls_listener_}) {
          if (each >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, each, nullptr);
        }
      }
      return;
    }
    if (connections_.size() >= kHttpConnectionsMax) {
      const std::string full = Connection::refusal();
      (void)!send(fd, full.data(), full.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      continue;
    }
    const bool secure = listener == tls_listener_;
    if (!comes_from_here(fd) && server_.locked()) {
      server_.log().warning("protected_mode",
                            "a connection from elsewhere was refused: no password",
                            {{"door", secure ? "https" : "http"}});
      const std::string why = Connection::not_from_here();
      if (!secure) (void)!send(fd, why.data(), why.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      continue;
    }
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const std::uint64_t id = next_id_++;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    connections_.emplace(
        id, std::make_unique<Connection>(*this, fd, id, secure ? server_.tls_context() : nullptr));
  }
}

void Http::listen_again() {
  if (listening_) return;
  listening_ = true;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenTag;
  if (listener_ >= 0) epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
  event.data.u64 = kTlsListenTag;
  if (tls_listener_ >= 0) epoll_ctl(epoll_, EPOLL_CTL_ADD, tls_listener_, &event);
}

void Http::tick() {
  ticked_ms_ = now_ms_;
  listen_again();
  errands_.tick(now_ms_);
  const bool status = live_.tick(unix_ms(), streams_ > 0);
  for (const auto& [id, connection] : connections_) {
    if (connection->dead()) continue;
    if (connection->streaming()) {
      connection->tell(status ? live_.status_event(connection->caller()) : "");
    } else {
      connection->tick();
    }
  }
}

void Http::close_dead() {
  std::vector<std::uint64_t> dead;
  dead.swap(dead_);
  for (const std::uint64_t id : dead) connections_.erase(id);
}

}  // namespace ullage::server

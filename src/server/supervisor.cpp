// SPDX-License-Identifier: Apache-2.0
#include "server/supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace ullage::server {
namespace {

std::uint64_t number_of(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

}  // namespace

Supervisor::Supervisor() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  // A path, or a name of the abstract kind, which begins with '@'.
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  path_ = path;
  if (path_.size() >= sizeof(sockaddr_un::sun_path)) return;
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const std::uint64_t pid = number_of("WATCHDOG_PID");
  if (pid == 0 || pid == static_cast<std::uint64_t>(::getpid())) {
    every_ms_ = number_of("WATCHDOG_USEC") / 2000;
  }
}

Supervisor::~Supervisor() {
  if (socket_ >= 0) ::close(socket_);
}

void Supervisor::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t us = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us));
}

void Supervisor::tick(std::uint64_t steady_ms, bool alive) {
  if (every_ms_ == 0 || steady_ms < next_ms_ || !alive) return;
  next_ms_ = steady_ms + every_ms_;
  send("WATCHDOG=1");
}

void Supervisor::send(const std::string& state) {
  if (socket_ < 0) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (path_[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  (void)!::sendto(socket_, state.data(), state.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#include "server/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ullage::server {
namespace {

// Connections that may wait to be accepted.
constexpr int kBacklog = 1024;

// `beside`: others of ours listen there.
Result<int> listen_at(const std::string& address, std::uint16_t port, bool beside,
                      const char* key) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto& four = reinterpret_cast<sockaddr_in&>(storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    size = sizeof four;
  } else if (inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    size = sizeof six;
  } else {
    return Error{Code::kInvalid, "server.bind = \"" + address +
                                     "\" is no address.\n  Expected one like 127.0.0.1, 0.0.0.0 or "
                                     "::1. See: ullage contract explain server.bind"};
  }
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (beside) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0 ||
      listen(fd, kBacklog) != 0) {
    const std::string why = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return Error{Code::kIo, "can't listen on " + address + ":" + std::to_string(port) + ": " + why +
                                ".\n  Choose another port: --" + key + "=" +
                                std::to_string(port + 1)};
  }
  return fd;
}

}  // namespace

Result<int> listen_on(const std::string& address, std::uint16_t port, const char* key) {
  return listen_at(address, port, false, key);
}

// The first takes the port for itself, as anybody's would: that fails where another server listens,
// whatever it shares. Only then is it shared with those that follow.
Result<std::vector<int>> listen_shared(const std::string& address, std::uint16_t port,
                                       std::size_t count, const char* key) {
  std::vector<int> all;
  for (std::size_t i = 0; i < count; ++i) {
    const Result<int> fd = listen_at(address, port, i > 0, key);
    if (!fd.ok()) {
      for (const int each : all) ::close(each);
      return fd.error();
    }
    all.push_back(fd.value());
    if (i > 0) continue;
    port = listening_port(fd.value());
    const int yes = 1;
    if (count > 1) setsockopt(fd.value(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
  }
  return all;
}

bool comes_from_here(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  if (address.ss_family == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == 127;
  }
  const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

std::uint16_t listening_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Listening sockets.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::server {

// Port 0: any that is free. `key`: the contract's name of the port, for the message.
Result<int> listen_on(const std::string& address, std::uint16_t port, const char* key);
// So many sockets on one port: the kernel spreads connections over them. Nobody else may have it,
// not even a server of the same kind.
Result<std::vector<int>> listen_shared(const std::string& address, std::uint16_t port,
                                       std::size_t count, const char* key);
std::uint16_t listening_port(int fd);
// Does this connected socket's other end lie on this machine? (127.0.0.0/8, ::1)
bool comes_from_here(int fd);

}  // namespace ullage::server

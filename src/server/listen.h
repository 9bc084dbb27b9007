// SPDX-License-Identifier: Apache-2.0
#pragma once

// Listening sockets.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace ullage::server {

// Port 0: any that is free. `shared`: several sockets may listen on the same port, and the kernel
// spreads connections over them. `key`: the contract's name of the port, for the message.
Result<int> listen_on(const std::string& address, std::uint16_t port, bool shared, const char* key);
std::uint16_t listening_port(int fd);
// Does this connected socket's other end lie on this machine? (127.0.0.0/8, ::1)
bool comes_from_here(int fd);

}  // namespace ullage::server

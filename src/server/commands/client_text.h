// SPDX-License-Identifier: Apache-2.0
#pragma once

// A client as one line of CLIENT LIST, with the fields of Redis 7.0.

#include <cstdint>
#include <string>
#include <string_view>

#include "server/session.h"

namespace ullage::server {

std::string client_text(const Session& session, std::string_view user);

}  // namespace ullage::server

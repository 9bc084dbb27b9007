// SPDX-License-Identifier: Apache-2.0
#pragma once

// What of a command's words others may be shown (MONITOR, SLOWLOG): passwords are "(redacted)", as
// Redis has it. The views are those that were given.

#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"

namespace ullage::server {

std::vector<std::string_view> without_secrets(const Command& command,
                                              std::span<const std::string_view> words);

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The categories of commands, "@read": what ACL rules and COMMAND INFO name them by. They follow
// from a command's flags; nobody lists them.

#include <cstdint>
#include <span>
#include <string_view>

#include "server/command.h"

namespace ullage::server {

// A bit for each of category_names(), in their order.
using Categories = std::uint32_t;

std::span<const char* const> category_names();  // without '@', in the order of ACL CAT
Categories categories_of(const Command& command);
// In any case; 0: there is none of this name.
Categories category_named(std::string_view name);

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The functions behind commands.def, one per row, and what they share.

#include <string_view>

#include "server/command.h"

namespace ullage::server {

#define ULLAGE_COMMAND(name, function, ...) void function##_command(Context& c);
#include "server/commands.def"
#undef ULLAGE_COMMAND

// The Redis whose behaviour ours is pinned to; what clients look at before they use a feature.
inline constexpr std::string_view kRedisVersion = "7.0.15";

bool valid_client_name(std::string_view name);
// Ends MULTI, WATCH and all subscriptions without a reply, for RESET.
void discard_quietly(Context& c);
void unsubscribe_quietly(Context& c);
void stop_monitor(Context& c);

}  // namespace ullage::server

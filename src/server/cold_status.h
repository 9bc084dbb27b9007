// SPDX-License-Identifier: Apache-2.0
#pragma once

// What INFO, /metrics and /topology tell of the cold tier and the routers. Threads: any.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tier/topology.h"

namespace ullage::server {

class Server;

// Fields of INFO tiers; none without a cold tier.
std::vector<std::pair<std::string, std::string>> cold_fields(Server& server);
// Adds its component.
void add_cold(Server& server, tier::Topology& topology);

}  // namespace ullage::server

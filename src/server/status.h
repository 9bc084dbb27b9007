// SPDX-License-Identifier: Apache-2.0
#pragma once

// What INFO, MEMORY and /topology tell of the whole server. Threads: any, while the server lives.

#include <cstdint>
#include <string>
#include <vector>

#include "tier/topology.h"

namespace ullage::server {

class Server;

struct MemoryStatus {
  std::uint64_t used_bytes = 0;   // granted: what the tier and the buffers hold
  std::uint64_t peak_bytes = 0;   // the most of that
  std::uint64_t limit_bytes = 0;  // 0: none
  std::uint64_t allowed_bytes = 0;
  std::uint64_t resident_bytes = 0;  // of the process, as the kernel says
  // Of the hot tier, large values included.
  std::uint64_t live_bytes = 0, metadata_bytes = 0, garbage_bytes = 0, tier_resident_bytes = 0;
  std::uint64_t client_bytes = 0;
  std::uint64_t keys = 0;
  std::string pressure;
  double fragmentation() const {
    return used_bytes == 0 ? 1
                           : static_cast<double>(resident_bytes) / static_cast<double>(used_bytes);
  }
};
MemoryStatus memory_status(Server& server);

// The sections of INFO that were asked for; empty: the default ones.
std::string info_text(Server& server, const std::vector<std::string>& sections);

// GET /topology; all components of the server.
tier::Topology topology_of(Server& server);
std::string topology_json(Server& server);

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What LATENCY GRAPH and LATENCY DOCTOR show of the moments that were kept. Threads: any.

#include <cstdint>
#include <map>
#include <string>

#include "server/latency.h"

namespace ullage::server {

// The samples of one event as bars, the oldest on the left, each with its age below.
std::string latency_graph(const std::string& name, const Latency::Event& event, std::int64_t now_s);

// What DOCTOR may advise upon.
struct LatencyFacts {
  std::uint64_t threshold_ms = 0;  // 0: nothing is kept
  std::uint64_t moves_max = 0;     // entries that one operation moved or let go of
  std::string pressure = "none";
};
std::string latency_report(const std::map<std::string, Latency::Event>& events,
                           const LatencyFacts& facts, std::int64_t now_s);

}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keyspace events: notify-keyspace-events as flags, and back.

#include <cstdint>
#include <string>
#include <string_view>

namespace ullage::server {

enum NotifyClass : std::uint32_t {
  kNotifyKeyspace = 1u << 0,  // K
  kNotifyKeyevent = 1u << 1,  // E
  kNotifyGeneric = 1u << 2,   // g
  kNotifyString = 1u << 3,    // $
  kNotifyList = 1u << 4,      // l
  kNotifySet = 1u << 5,       // s
  kNotifyHash = 1u << 6,      // h
  kNotifyZset = 1u << 7,      // z
  kNotifyExpired = 1u << 8,   // x
  kNotifyEvicted = 1u << 9,   // e
  kNotifyStream = 1u << 10,   // t
  kNotifyKeyMiss = 1u << 11,  // m, not part of A
  kNotifyModule = 1u << 13,   // d
  kNotifyNew = 1u << 14,      // n, not part of A
};
inline constexpr std::uint32_t kNotifyAll =
    kNotifyGeneric | kNotifyString | kNotifyList | kNotifySet | kNotifyHash | kNotifyZset |
    kNotifyExpired | kNotifyEvicted | kNotifyStream | kNotifyModule;

bool parse_notify_flags(std::string_view text, std::uint32_t& flags);
std::string write_notify_flags(std::uint32_t flags);

class Worker;
// Publishes one event from the thread `by`, if its class is wanted.
void notify_keyspace(Worker& by, std::uint32_t type, std::string_view event, unsigned db,
                     std::string_view key);

}  // namespace ullage::server

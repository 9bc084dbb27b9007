// SPDX-License-Identifier: Apache-2.0
#include "server/notify.h"

#include <string>
#include <utility>

#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

constexpr std::pair<char, std::uint32_t> kLetters[] = {
    {'g', kNotifyGeneric}, {'$', kNotifyString}, {'l', kNotifyList},    {'s', kNotifySet},
    {'h', kNotifyHash},    {'z', kNotifyZset},   {'x', kNotifyExpired}, {'e', kNotifyEvicted},
    {'t', kNotifyStream},  {'d', kNotifyModule},
};
// Behind the classes, whether these are written one by one or as A.
constexpr std::pair<char, std::uint32_t> kMore[] = {
    {'K', kNotifyKeyspace},
    {'E', kNotifyKeyevent},
    {'m', kNotifyKeyMiss},
};

}  // namespace

bool parse_notify_flags(std::string_view text, std::uint32_t& flags) {
  std::uint32_t result = 0;
  for (const char c : text) {
    std::uint32_t bit = c == 'A' ? kNotifyAll : 0;
    for (const auto& [letter, flag] : kLetters) bit |= letter == c ? flag : 0;
    for (const auto& [letter, flag] : kMore) bit |= letter == c ? flag : 0;
    if (c == 'n') bit = kNotifyNew;  // taken, and not told again, as in Redis 7.0
    if (bit == 0) return false;
    result |= bit;
  }
  flags = result;
  return true;
}

std::string write_notify_flags(std::uint32_t flags) {
  std::string text;
  if ((flags & kNotifyAll) == kNotifyAll) {
    text = "A";
  } else {
    for (const auto& [letter, flag] : kLetters) {
      if (flags & flag) text += letter;
    }
  }
  for (const auto& [letter, flag] : kMore) {
    if (flags & flag) text += letter;
  }
  return text;
}

void notify_keyspace(Worker& by, std::uint32_t type, std::string_view event, unsigned db,
                     std::string_view key) {
  const std::uint32_t flags = by.server().notify_flags.load(std::memory_order_relaxed);
  if ((flags & type) == 0 || !by.server().pubsub().any()) return;
  const std::string number = std::to_string(db);
  if (flags & kNotifyKeyspace) {
    by.server().pubsub().publish(by, "__keyspace@" + number + "__:" + std::string(key), event);
  }
  if (flags & kNotifyKeyevent) {
    by.server().pubsub().publish(by, "__keyevent@" + number + "__:" + std::string(event), key);
  }
}

}  // namespace ullage::server

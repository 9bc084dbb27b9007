// SPDX-License-Identifier: Apache-2.0
#include "server/acl/categories.h"

#include <array>

#include "server/numbers.h"

namespace ullage::server {
namespace {

// Redis's, in its order. Those of types that are not here have no commands, and may be named.
constexpr std::array kNames = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

constexpr Categories bit(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return Categories{1} << i;
  }
  return 0;
}

struct Rule {
  std::uint32_t flag;
  Categories categories;
};
constexpr Rule kRules[] = {
    {kInKeyspace, bit("keyspace")},
    {kWrite, bit("write")},
    {kInString, bit("string")},
    {kInBitmap, bit("bitmap")},
    {kPubsub, bit("pubsub")},
    {kAdmin, bit("admin") | bit("dangerous")},
    {kDangerous, bit("dangerous")},
    {kInConnection, bit("connection")},
    {kInTransaction, bit("transaction")},
    {kInScripting, bit("scripting")},
};

}  // namespace

std::span<const char* const> category_names() { return kNames; }

Categories categories_of(const Command& command) {
  Categories found = (command.flags & kFast) ? bit("fast") : bit("slow");
  for (const auto& [flag, categories] : kRules) {
    if (command.flags & flag) found |= categories;
  }
  // What a script reads is up to the script.
  if ((command.flags & kReadonly) && !(command.flags & kInScripting)) found |= bit("read");
  return found;
}

Categories category_named(std::string_view name) { return bit(lower_case(name)); }

}  // namespace ullage::server

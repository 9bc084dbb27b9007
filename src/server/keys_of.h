// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys among a command's words, by the positions in its entry.

#include <span>
#include <string_view>

#include "server/command.h"
#include "tier/key.h"

namespace ullage::server {

// A key whose text is hashed already.
inline tier::Key hashed_key(unsigned db, std::string_view text, std::uint64_t hash) {
  static const tier::Key kBlank(0, {});
  tier::Key key = kBlank;
  key.text = text;
  key.hash = hash;
  key.db = static_cast<std::uint8_t>(db);
  return key;
}

// Calls fn(index of a word) for each key.
template <class Fn>
void for_each_key(const Command& command, std::span<const std::string_view> words, Fn&& fn) {
  if (command.first_key <= 0) return;
  const int count = static_cast<int>(words.size());
  const int last = command.last_key < 0 ? count + command.last_key : command.last_key;
  for (int i = command.first_key; i <= last && i < count; i += command.key_step) {
    fn(static_cast<std::size_t>(i));
  }
}

// The shard of all of a command's keys; -1: there are several.
template <class ContextType>
int owner_of(ContextType& context, unsigned shards) {
  int owner = -2;
  for_each_key(*context.command, context.words, [&](std::size_t i) {
    const int mine = static_cast<int>(context.key(i).shard(shards));
    owner = owner == -2 || owner == mine ? mine : -1;
  });
  return owner < 0 ? -1 : owner;
}

}  // namespace ullage::server

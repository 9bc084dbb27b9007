// SPDX-License-Identifier: Apache-2.0
#pragma once

// Needs: which keys a command must know before it can run, when not all of them are in memory.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"

namespace ullage::server {

enum class Need : std::uint8_t {
  kTurn,   // written whatever it was: it must only not overtake others
  kValue,  // read, or counted
  kLook,   // looked at where it is, and left there
};

struct KeyNeed {
  unsigned db = 0;
  std::string_view text;
  std::uint64_t hash = 0;
  Need need = Need::kValue;
};

// A command that is about the keyspace as a whole, and asks the cold tier for keys first.
enum class Survey : std::uint8_t { kNone, kScan, kKeys, kRandom, kSize };
Survey survey_of(const Command& command);
// It reads the value of its first word's key, and needs nothing else.
bool reads_one_key(const Command& command);

// Adds the keys of a command to `into`; `hash`: of its first key when `hashed`.
void needs_of(const Command& command, std::span<const std::string_view> words, unsigned db,
              bool hashed, std::uint64_t hash, std::vector<KeyNeed>& into);

}  // namespace ullage::server

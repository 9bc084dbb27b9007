// SPDX-License-Identifier: Apache-2.0
#pragma once

// The options of SET and GETEX, and times as commands give them.

#include <cstdint>
#include <optional>

#include "server/context.h"

namespace ullage::server {

struct SetWords {
  bool nx = false, xx = false, get = false, keep_ttl = false;
  std::uint64_t expires_ms = tier::kNoExpiry;
};
struct GetexWords {
  bool persist = false, absolute = false, milliseconds = false;
  std::size_t time_word = 0;  // 0: none
  std::uint64_t expires_ms = tier::kNoExpiry;
};

// False: the error was replied.
bool parse_set_words(Context& c, SetWords& options);
bool parse_getex_words(Context& c, GetexWords& options);
// Its time, which is not looked at where there is no such key.
bool getex_time(Context& c, GetexWords& options);
// The time in word `i`: seconds or milliseconds, from now on or of the clock. Always later than 0.
// A relative one is shortened by persistence.ttl_jitter.
bool expiry_of(Context& c, std::size_t i, bool milliseconds, bool absolute, std::uint64_t& at_ms);

// So much of a life that begins now, in milliseconds.
std::int64_t jittered(const Context& c, std::int64_t life_ms);

}  // namespace ullage::server

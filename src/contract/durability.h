// SPDX-License-Identifier: Apache-2.0
#pragma once

// Durability: what has happened before a write is acknowledged, and for which keys.
//
//   Prefixes prefixes = parse_prefixes("orders:=always,cache:=off").value();
//   parse_durability("50ms")      // {kWindow, 50 ms}
//
// In the contract it is a text ("always", "50ms", "no", "off"), and so is a table of prefixes:
// prefix=durability, parted by commas; in a prefix `%`, `=`, `,` and blanks are written %25, %3D...

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ullage::contract {

struct Durability {
  enum class Kind : std::uint8_t {
    kOff,     // in memory only
    kNo,      // the system decides when it is on the disk
    kWindow,  // on the disk within window_ms
    kAlways,  // on the disk before it is acknowledged
  };
  Kind kind = Kind::kOff;
  std::uint64_t window_ms = 0;
  friend bool operator==(const Durability&, const Durability&) = default;
};

using Prefixes = std::vector<std::pair<std::string, Durability>>;

// What may be lost at worst is bounded by something that can be imagined.
inline constexpr std::uint64_t kWindowMsMin = 1, kWindowMsMax = 60'000;
// Every write looks through them.
inline constexpr std::size_t kPrefixesMax = 64;

Result<Durability> parse_durability(std::string_view text);
// Error: what is wrong, and with which prefix.
Result<Prefixes> parse_prefixes(std::string_view text);
// A prefix as parse_prefixes reads it.
std::string escape_prefix(std::string_view prefix);

}  // namespace ullage::contract

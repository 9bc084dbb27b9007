// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers for people: three significant digits, the unit written, thousands apart.
//
//   format_bytes(30'600'000)    "30.6 MB"      decimal units: 1 MB = 10^6 B
//   format_ns(412'000'000)      "412 ms"       from "17 ns" to "3 h 12 min"
//   format_count(48'213'991)    "48 213 991"   thousands apart by a space
//   format_literal(8'400'000)   "8'400'000"    as C++ wants it
//   format_percent(0.391)       "39.1 %"
//
// And back, for command lines: parse_bytes("10MB"), parse_duration_ns("5ms").
// Nothing here depends on the locale.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ullage {

std::string format_bytes(std::uint64_t bytes);
std::string format_ns(std::uint64_t ns);
std::string format_count(std::uint64_t count);
std::string format_literal(std::uint64_t value);
std::string format_percent(double share);  // of 1
// "1 growth", "15 growths": a count and its noun, plural by adding s unless given.
std::string format_counted(std::uint64_t count, std::string_view one, std::string_view many = {});

// A number and a unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; the unit may be left out for bytes.
Result<std::uint64_t> parse_bytes(std::string_view text);
// ns, us, ms, s, min, h; the unit is required.
Result<std::uint64_t> parse_duration_ns(std::string_view text);

}  // namespace ullage

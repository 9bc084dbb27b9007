// SPDX-License-Identifier: Apache-2.0
#pragma once

// Wall-clock times in texts.

#include <cstdint>
#include <optional>
#include <string_view>

namespace ullage::trace {

// The first RFC 3339 time with a zone in a text, as Unix nanoseconds ("2026-11-27T20:54:58.1Z").
std::optional<std::int64_t> find_wall_time(std::string_view text);

}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The words of SCAN, and where its cursor is: the shards one after another, then the cold tier.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ullage::server {

struct ScanWords {
  std::uint64_t cursor = 0;
  std::size_t count = 10;
  std::string_view pattern;  // empty: all
  std::optional<std::string_view> type;
};
// The error, or null.
const char* scan_words(std::span<const std::string_view> words, ScanWords& scan);

struct ScanPlace {
  std::size_t shard = 0;  // beyond the last: the cold tier
  std::uint64_t place = 0;
};
// `memory`: the shards have keys of their own; else a scan begins in the cold tier.
ScanPlace scan_place(std::uint64_t cursor, std::size_t shards, bool memory);
// The shard that a SCAN begins in; beyond the last: in the cold tier, or it is refused.
unsigned shard_of_cursor(std::span<const std::string_view> words, std::size_t shards, bool memory);
std::uint64_t scan_cursor(const ScanPlace& place);

}  // namespace ullage::server

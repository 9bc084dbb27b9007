// SPDX-License-Identifier: Apache-2.0
#include "server/commands/scan_words.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "server/numbers.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// A cursor of the whole store: the shard's own, and which shard, in the upper bits.
constexpr unsigned kShardShift = 48;

// As strtoul reads it, which takes a sign.
bool parse_cursor(std::string_view text, std::uint64_t& cursor) {
  const std::string copy(text);
  if (copy.empty() || std::isspace(static_cast<unsigned char>(copy[0]))) return false;
  char* end = nullptr;
  errno = 0;
  cursor = std::strtoull(copy.c_str(), &end, 10);
  return end == copy.c_str() + copy.size() && errno != ERANGE;
}

}  // namespace

const char* scan_words(std::span<const std::string_view> words, ScanWords& scan) {
  constexpr const char* kSyntax = "ERR syntax error";
  if (!parse_cursor(words[1], scan.cursor)) return "ERR invalid cursor";
  for (std::size_t i = 2; i < words.size(); i += 2) {
    if (i + 1 >= words.size()) return kSyntax;
    if (equals_ignoring_case(words[i], "COUNT")) {
      std::int64_t wanted = 0;
      if (!wire::parse_integer(words[i + 1], wanted)) {
        return "ERR value is not an integer or out of range";
      }
      if (wanted < 1) return kSyntax;
      scan.count = static_cast<std::size_t>(wanted);
    } else if (equals_ignoring_case(words[i], "MATCH")) {
      scan.pattern = words[i + 1] == "*" ? std::string_view{} : words[i + 1];
    } else if (equals_ignoring_case(words[i], "TYPE")) {
      scan.type = words[i + 1];
    } else {
      return kSyntax;
    }
  }
  return nullptr;
}

ScanPlace scan_place(std::uint64_t cursor, std::size_t shards, bool memory) {
  ScanPlace place;
  place.shard = cursor >> kShardShift;
  place.place = cursor & ((std::uint64_t{1} << kShardShift) - 1);
  if (!memory && place.shard < shards) return {shards, 0};
  return place;
}

unsigned shard_of_cursor(std::span<const std::string_view> words, std::size_t shards, bool memory) {
  ScanWords scan;
  if (words.size() < 2 || scan_words(words, scan) != nullptr) return static_cast<unsigned>(shards);
  return static_cast<unsigned>(std::min(scan_place(scan.cursor, shards, memory).shard, shards));
}

std::uint64_t scan_cursor(const ScanPlace& place) {
  return static_cast<std::uint64_t>(place.shard) << kShardShift | place.place;
}

}  // namespace ullage::server

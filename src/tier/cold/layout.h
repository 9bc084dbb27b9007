// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layout: how an entry lies on the disk. docs/tiers/cold.md has the drawing, too.
//
//   key    | format << 4 | database: 1 B | hash: 8 B, big-endian | key |
//   note   | 0 | name |                                      its value as that of an entry
//   value  | format: 1 B | kind: 1 B | written, expires: Unix ms, varint each | value |
//
// So one database lies together, in the order of hashes, which is the order of scans. Each value
// says its own format: a directory may hold several, and is brought up by being written.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tier/cold_store.h"

namespace ullage::tier::cold {

inline constexpr unsigned kKeyFormat = 1, kValueFormat = 1;
// In front of a key.
inline constexpr std::size_t kKeyPrefixBytes = 9;
// In front of a value, at most: format, kind and two varints.
inline constexpr std::size_t kValueHeaderBytesMax = 22;

struct StoredKey {
  unsigned db = 0;
  std::uint64_t hash = 0;
  std::string_view text;
};

// Replaces `out`.
void encode_key(unsigned db, std::uint64_t hash, std::string_view text, std::string& out);
bool decode_key(std::string_view bytes, StoredKey& key) noexcept;
// The first key of a database; that of database 16 ends the last.
std::string first_key(unsigned db, std::uint64_t hash = 0);
// Where a note lies: before all databases.
void encode_note(std::string_view name, std::string& out);

struct StoredValue {
  std::uint64_t written_ms = 0, expires_ms = 0;
  std::string_view value;
  std::uint8_t kind = 0;
  bool expired(std::uint64_t now_ms) const noexcept {
    return expires_ms != 0 && expires_ms <= now_ms;
  }
};

// Writes what stands in front of the value; how many bytes.
std::size_t encode_header(const ColdEntry& entry, char (&out)[kValueHeaderBytesMax]) noexcept;
bool decode_value(std::string_view bytes, StoredValue& value) noexcept;

}  // namespace ullage::tier::cold

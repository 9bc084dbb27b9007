// SPDX-License-Identifier: Apache-2.0
#pragma once

// Key: what an entry is found by: a database, a text, and their hash.
//
//   const tier::Key key(db, text);             // hashed once per command
//   Shard& shard = shards[key.shard(count)];   // 1 to 64 of them
//   shard.get(key);
//
// The hash is seeded once per process, from the system's random numbers, so that nobody outside can
// choose keys that collide. A Key refers to its text; it is as short-lived as that.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ullage::tier {

// Logical databases, as SELECT knows them.
inline constexpr unsigned kDatabases = 16;
// Longer keys are refused (Status::kTooLong): a key lies in its entry's cell, which is 16 KiB at
// most.
inline constexpr std::size_t kKeyBytesMax = 16000;
// Longer values are refused. What the protocol allows.
inline constexpr std::size_t kValueBytesMax = std::size_t{512} << 20;

// What a value is. The tier keeps it with the value and does not ask what it means, except that a
// value that begins without being told is text.
using Kind = std::uint8_t;
inline constexpr Kind kText = 0;
inline constexpr Kind kKindMax = 15;

// The seeded hash of a text. Threads: any.
std::uint64_t hash_text(std::string_view text) noexcept;
// For tests that must repeat themselves, or need keys that hash alike (`mask`: the bits that may
// differ); before the first Key is made.
void set_hash_seed(std::uint64_t seed, std::uint64_t mask = ~std::uint64_t{0}) noexcept;

struct Key {
  Key(unsigned database, std::string_view key_text) noexcept
      : text(key_text), hash(hash_text(key_text)), db(static_cast<std::uint8_t>(database)) {}
  // One that was hashed before.
  Key(unsigned database, std::string_view key_text, std::uint64_t known_hash) noexcept
      : text(key_text), hash(known_hash), db(static_cast<std::uint8_t>(database)) {}

  // Which of `count` shards it lives in. The same for every database: RENAME within one database
  // and MOVE between two differ only in the text.
  unsigned shard(unsigned count) const noexcept {
    return static_cast<unsigned>(((hash >> 8 & 0xff) * count) >> 8);
  }

  std::string_view text;
  std::uint64_t hash;  // 0..7: tag in its group, 8..15: shard, 16..63: place in the table
  std::uint8_t db;
};

}  // namespace ullage::tier

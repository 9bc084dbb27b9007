// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys of ullage.toml: names, types, defaults, bounds, and what they mean. One list (keys.def)
// feeds the parser, `ullage contract explain`, the flags and the documentation.

#include <span>
#include <string>
#include <string_view>

namespace ullage::contract {

enum class KeyType {
  kBytes,       // "512MiB"
  kDuration,    // "200us"
  kRatio,       // 0.05
  kCount,       // 4
  kPort,        // 6379, or "off": as if it were not there
  kText,        // "127.0.0.1"
  kDurability,  // "always", "50ms": see durability.h
  kPrefixes,    // a table of them, by the beginning of keys
};

// What a port is that nobody listens on.
inline constexpr std::string_view kPortOff = "off";

struct Key {
  const char* path;  // "allocation.growth_stall"
  KeyType type;
  const char* default_text;  // as written in the file; "" = unset
  const char* least;         // "" for texts
  const char* most;
  bool live;  // may change while a server runs
  const char* summary;
  const char* explanation;  // paragraphs, parted by an empty line

  std::string_view section() const;
  std::string_view name() const;
};

std::span<const Key> keys();  // in the order of the file
const Key* find_key(std::string_view path);
// "a size, like \"512MiB\"".
const char* expected(KeyType type);
// The known path or section closest to what was written; empty when none is close.
std::string nearest_path(std::string_view path);

// The page of a key: type, default, bounds, when it may change, meaning, an example. `width`
// columns.
std::string explain(const Key& key, std::size_t width);

}  // namespace ullage::contract

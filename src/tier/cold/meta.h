// SPDX-License-Identifier: Apache-2.0
#pragma once

// The record at the top of a store's directory: what it is, and how it may be read.
//
//   DIRECTORY/ULLAGE      this record, text
//   DIRECTORY/db/         RocksDB's files
//
// Written once, when the directory is made; a format that a later version brings stands here, so
// that an older program refuses the directory before it touches it.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ullage::tier::cold {

inline constexpr unsigned kDirectoryFormat = 1;
inline constexpr const char* kMetaName = "ULLAGE";
inline constexpr const char* kDataName = "db";

struct Meta {
  unsigned format = kDirectoryFormat;
  std::uint64_t seed = 0;  // of keys' hashes
};

std::string to_text(const Meta& meta);
// `where` names it in errors.
Result<Meta> parse_meta(std::string_view text, const std::string& where);

// Reads it, or makes the directory with one. Errors: a newer format, a directory of something
// else, what the system says.
Result<Meta> open_directory(const std::string& directory);
// Reads it; a directory without one is an error.
Result<Meta> read_meta(const std::string& directory);
Result<void> write_meta(const std::string& directory, const Meta& meta);

}  // namespace ullage::tier::cold

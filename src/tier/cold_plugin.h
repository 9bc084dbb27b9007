// SPDX-License-Identifier: Apache-2.0
#pragma once

// The cold tier is a library of its own, libullage_cold.so, so that whoever keeps nothing on disk
// does not load RocksDB: 10 MB of code.
//
//   Result<std::unique_ptr<ColdStore>> store = tier::open_cold({.directory = "/var/lib/ullage"});
//
// It lies beside the program: ../lib/ullage/ of an installed one, ../lib/ of one that was just
// built. It is loaded once and stays. Threads: any, one at a time.

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "tier/cold_store.h"

namespace ullage::tier {

// Errors: a library that is missing or of another version, and what to install; a directory that
// can't be had, and why.
Result<std::unique_ptr<ColdStore>> open_cold(const ColdOptions& options);

// Copies a backup to where a store can be opened, and checks every byte. `to` must not exist, or
// be empty. The number of bytes of data.
Result<std::uint64_t> restore_cold(const std::string& from, const std::string& to);

// What the library exports.
using OpenColdFunction = ColdStore*(const char* version, const ColdOptions* options, Error* error);
using RestoreColdFunction = bool(const char* from, const char* to, std::uint64_t* bytes,
                                 Error* error);
inline constexpr const char* kOpenColdName = "ullage_cold_open";
inline constexpr const char* kRestoreColdName = "ullage_cold_restore";

}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Backups: a directory that a store can be opened in, or restored from.
//
//   DIRECTORY/ULLAGE, DIRECTORY/db/     as of a store; on the same disk those in db/ are links
//   DIRECTORY/*                         what others keep beside them, copied as it is

#include <cstdint>
#include <string>

#include "base/result.h"
#include "tier/cold/engine.h"

namespace ullage::tier::cold {

// `directory` must not exist, or be empty. What was begun and failed is removed.
Result<void> make_backup(Engine& engine, const std::string& from, const std::string& directory);

// Copies a backup to where a store is opened then. Everything is read and its sums are checked,
// before and after; the target must not exist, or be empty. The number of bytes of data.
Result<std::uint64_t> restore_backup(const std::string& from, const std::string& to);

}  // namespace ullage::tier::cold

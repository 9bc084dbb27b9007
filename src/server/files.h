// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small files that must be whole whenever somebody reads them.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ullage::server {

// Larger files are refused.
Result<std::string> read_file(const std::string& path,
                              std::uint64_t bytes_max = std::uint64_t{1} << 30);
// As a whole or not at all, and on the disk when it returns.
Result<void> replace_file(const std::string& path, std::string_view text);
// Of parts, one behind the other.
Result<void> replace_file(const std::string& path, std::span<const std::string_view> parts);

}  // namespace ullage::server

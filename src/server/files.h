// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small files that must be whole whenever somebody reads them.

#include <string>
#include <string_view>

#include "base/result.h"

namespace ullage::server {

Result<std::string> read_file(const std::string& path);
// As a whole or not at all, and on the disk when it returns.
Result<void> replace_file(const std::string& path, std::string_view text);

}  // namespace ullage::server

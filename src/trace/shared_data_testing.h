// SPDX-License-Identifier: Apache-2.0
#pragma once

// Public data that tests use where it is there: $ULLAGE_SHARED_DATA, else ../shared/data beside the
// sources. Empty: it is not, and the test is skipped.

#include <cstdlib>
#include <filesystem>
#include <string>

namespace ullage::trace {

inline std::string shared_data(const std::string& name) {
  const char* given = std::getenv("ULLAGE_SHARED_DATA");
  const std::filesystem::path folder =
      given != nullptr ? given : std::string(ULLAGE_SOURCE_DIR) + "/../shared/data";
  std::error_code error;
  const std::filesystem::path path = folder / name;
  return std::filesystem::exists(path, error) ? path.string() : std::string();
}

}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
//
// version: which Ullage this is. The build, the package files and `ullage --version` all read these
// three numbers, so this header is the one place to change them.
#pragma once

namespace ullage {

inline constexpr int kVersionMajor = 0;
inline constexpr int kVersionMinor = 1;
inline constexpr int kVersionPatch = 0;

/// The three numbers above, joined by dots.
inline constexpr const char* kVersionString = "0.1.0";

}  // namespace ullage

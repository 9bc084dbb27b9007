// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `go version -m` tells of a binary: toolchain, main module, build settings.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trace/go_binary/elf_image.h"

namespace ullage::trace {

struct GoBuildInfo {
  std::string version;      // "go1.26.10"; empty: no build info
  std::string path;         // of the main package
  std::string main_module;  // its path
  std::string main_version;
  std::vector<std::pair<std::string, std::string>> settings;  // "GOARCH" "amd64", at most 256
  std::string_view setting(std::string_view key) const;
};

// Empty version when there is none: not a Go binary, or one that hides it.
GoBuildInfo read_build_info(const ElfImage& image);

}  // namespace ullage::trace

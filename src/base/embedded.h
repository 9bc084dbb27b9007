// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file of the source tree that the program carries with it (cmake/ullage_embed.cmake). Valid for
// ever.

#include <string_view>

namespace ullage {

struct EmbeddedFile {
  std::string_view name;  // without folders: "go-forced-gc.md"
  std::string_view text;
};

}  // namespace ullage

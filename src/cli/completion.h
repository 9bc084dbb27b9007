// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/verb.h"

namespace ullage::cli {

inline constexpr const char* kShells[] = {"bash", "zsh", "fish"};

// A completion script for `shell`, made from the descriptions of the verbs.
Result<std::string> completion_script(std::string_view shell,
                                      const std::vector<DescribedVerb>& verbs);

}  // namespace ullage::cli

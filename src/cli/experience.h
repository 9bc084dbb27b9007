// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sizes from a recording, for the program's next run: what `ullage diagnose --experience` does.

#include <string>

#include "base/result.h"
#include "evidence/evidence.h"

namespace ullage::cli {

// Adds one run, the sizes that container sites told of, to the profile at `path` (made if need be).
// A sentence on what was added, for the user.
Result<std::string> add_experience(const std::string& path, const evidence::Evidence& evidence);

}  // namespace ullage::cli

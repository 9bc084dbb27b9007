// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads the words of a command line into the variables a Command refers to.

#include <string>
#include <vector>

#include "cli/command.h"

namespace ullage::cli {

enum class Parsed { kRun, kHelp };

// kHelp when --help or -h stands among the options. Errors name the word that was not understood
// and the nearest one that would be. `words` excludes the program and the verb.
Result<Parsed> parse_command_line(const Command& command, std::vector<std::string> words);

}  // namespace ullage::cli

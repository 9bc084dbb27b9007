// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace ullage::cli {

// `ullage WORDS`: finds the verb, reads its options, runs it. Returns the exit code (cli/verb.h).
int run_program(std::vector<std::string> words);

}  // namespace ullage::cli

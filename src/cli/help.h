// SPDX-License-Identifier: Apache-2.0
#pragma once

// Help for people: the front page, one page per verb, and all of it as a man page.

#include <string>
#include <vector>

#include "cli/verb.h"

namespace ullage::cli {

inline constexpr const char* kOneSentence =
    "finds the memory growth that stops a native program, and says what to reserve";

std::string front_page(const std::vector<DescribedVerb>& verbs, int width);
std::string verb_page(const Command& command, int width);
// roff with the man macros, section 1.
std::string man_page(const std::vector<DescribedVerb>& verbs);

}  // namespace ullage::cli

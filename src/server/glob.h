// SPDX-License-Identifier: Apache-2.0
#pragma once

// Patterns as KEYS, SCAN and PSUBSCRIBE know them: * ? [a-c] [^x] and \ for the next character.

#include <string_view>

namespace ullage::server {

// Does all of `text` match? Work is bounded by the product of both lengths, whatever the stars.
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace ullage::server

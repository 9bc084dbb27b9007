// SPDX-License-Identifier: Apache-2.0
#pragma once

// UTF-8, as RFC 3629 has it: no surrogates, nothing longer than it must be, nothing above U+10FFFF.

#include <cstdint>
#include <string>
#include <string_view>

namespace ullage::document {

// Bytes of the character at the front; 0: it is none.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
void append_utf8(std::string& out, std::uint32_t code);

}  // namespace ullage::document

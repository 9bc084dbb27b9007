// SPDX-License-Identifier: Apache-2.0
#pragma once

// search: regular expressions, for the =~ of filters, in bounded time whatever the pattern.
//
//   . [a-z] [^0-9] \d \w \s \D \W \S \. (a|b) ? * + {2,5} ^ $   (?i) at the beginning
//
// The expression is followed in all ways at once (Thompson, "Regular Expression Search Algorithm",
// 1968): nothing is tried twice, and no pattern can take more than text times pattern. Bytes, not
// characters: "." is one byte of UTF-8's.
//
// Limits    kPatternBytesMax of pattern, kStatesMax states of it; `work` counts down.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ullage::document {

inline constexpr std::size_t kPatternBytesMax = 1024;
inline constexpr std::size_t kStatesMax = 4096;

// kNothing: also of a pattern that is none.
enum class Match : std::uint8_t { kNothing, kFound, kExhausted };

// Whether `pattern` is found anywhere in `text`.
Match search(std::string_view pattern, std::string_view text, std::uint64_t& work);

}  // namespace ullage::document

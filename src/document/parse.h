// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON text to the form that is stored (value.h).
//
//   std::string bytes;
//   Result<Parsed> parsed = parse(text, bytes);    // appended to `bytes`
//   if (!parsed.ok()) reply(parsed.error().message);
//
// RFC 8259, and nothing beside it: no comments, no commas too many, UTF-8 only. Integers keep all
// digits up to 64 bits; larger ones, fractions and exponents become doubles, and infinite ones are
// refused. Of members with the same name the last one counts, in the place of the first.
//
// Cost      O(text); members of an object are compared with each other (by sorting, if many).
// Memory    At most kParsedBytesPerTextByte bytes for each of the text's.
// Limits    kDepthMax containers within each other.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "document/value.h"

namespace ullage::document {

// "-0," is 3 bytes of text and a double of 9; the last value has no comma, which makes one byte
// more.
inline constexpr double kParsedBytesPerTextByte = 3;

struct Parsed {
  unsigned depth = 0;  // containers within each other
};

// The message says what was expected and where, as "expected value at line 1 column 5"; what was
// appended before it is left as it is.
Result<Parsed> parse(std::string_view text, std::string& out);

}  // namespace ullage::document

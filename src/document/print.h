// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values as JSON text.
//
//   print(out, value);                                  // {"a":1,"b":[true,1.5]}
//   print(out, value, {.indent = "  ", .newline = "\n", .space = " "});
//
// Without white space unless asked. Integers print their digits, doubles the fewest that read back
// as the same double, always with a point or an exponent: 1.0, 1e16, 2.5e-7. Of text only what must
// be escaped is.
//
// Cost: O(text), appended.

#include <string>
#include <string_view>

#include "document/value.h"

namespace ullage::document {

struct Format {
  std::string_view indent = {}, newline = {}, space = {};
};

// `level`: how deep it stands already.
void print(std::string& out, Value value, const Format& format = {}, unsigned level = 0);
void print_string(std::string& out, std::string_view text);
void print_real(std::string& out, double value);
// What goes before an item of a container (comma, line), and before its end.
void print_before_item(std::string& out, bool first, const Format& format, unsigned level);
void print_before_end(std::string& out, bool empty, const Format& format, unsigned level);

}  // namespace ullage::document

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Brackets: which bracket of a C++ name belongs to which, found once in one pass.
//
// Knows that the signs of operator<, operator->, operator() and of -> are no brackets, and that a
// ')' closes over a stray '<' ("(sizeof (T)<8)"). Bytes that fit nowhere are ordinary bytes.

#include <cstdint>
#include <string_view>
#include <vector>

namespace ullage::trace {

// If an operator's name ("operator<<", "operator()", but not "operator new") starts at `at`, the
// position behind its sign; else `at`.
std::size_t skip_operator_sign(std::string_view text, std::size_t at);

class Brackets {
 public:
  explicit Brackets(std::string_view text);

  // Position of the closer of the opener at `at`; 0 if there is no opener, or it is never closed.
  std::size_t closer(std::size_t at) const { return partner_[at]; }

 private:
  std::vector<std::uint32_t> partner_;
};

}  // namespace ullage::trace

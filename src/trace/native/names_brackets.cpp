// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names_brackets.h"

#include <array>

namespace ullage::trace {
namespace {

bool identifier(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$';
}

// Longest first, so that "<<=" is not read as "<".
constexpr std::string_view kSigns[] = {
    "<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "()", "[]", "<", ">", "(", "[", "{"};

int kind_of(char c) {
  switch (c) {
    case '<':
    case '>':
      return 0;
    case '(':
    case ')':
      return 1;
    case '{':
    case '}':
      return 2;
    case '[':
    case ']':
      return 3;
    default:
      return -1;
  }
}

}  // namespace

std::size_t skip_operator_sign(std::string_view text, std::size_t at) {
  constexpr std::string_view kWord = "operator";
  if (text[at] != 'o' || text.substr(at, kWord.size()) != kWord) return at;
  if (at > 0 && identifier(text[at - 1])) return at;
  const std::size_t sign_at = at + kWord.size();
  for (std::string_view sign : kSigns) {
    if (text.substr(sign_at, sign.size()) != sign) continue;
    // A lone opener after "operator" is no operator C++ has; leave it to the bracket rules.
    if (sign == "(" || sign == "[" || sign == "{") return at;
    return sign_at + sign.size();
  }
  return at;
}

Brackets::Brackets(std::string_view text) : partner_(text.size(), 0) {
  std::vector<std::uint32_t> open;
  std::array<std::size_t, 4> open_count{};
  const auto pop = [&] {
    --open_count[static_cast<std::size_t>(kind_of(text[open.back()]))];
    open.pop_back();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const std::size_t after = skip_operator_sign(text, i); after != i) {
      i = after - 1;
      continue;
    }
    const int kind = kind_of(text[i]);
    if (kind < 0) continue;
    const auto slot = static_cast<std::size_t>(kind);
    const char c = text[i];
    if (c == '<' || c == '(' || c == '{' || c == '[') {
      open.push_back(static_cast<std::uint32_t>(i));
      ++open_count[slot];
    } else if (c == '>') {
      if (i > 0 && text[i - 1] == '-') continue;
      if (open.empty() || text[open.back()] != '<') continue;
      partner_[open.back()] = static_cast<std::uint32_t>(i);
      pop();
    } else if (open_count[slot] > 0) {
      while (kind_of(text[open.back()]) != kind) pop();
      partner_[open.back()] = static_cast<std::uint32_t>(i);
      pop();
    }
  }
}

}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include "server/glob.h"

#include <cctype>
#include <utility>

namespace ullage::server {
namespace {

char folded(char c, bool ignore_case) {
  return ignore_case ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : c;
}

// Matches one character against the class that opens at `at`; leaves `at` behind its end.
bool match_class(std::string_view pattern, std::size_t& at, char c, bool ignore_case) {
  ++at;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  for (;; ++at) {
    if (at >= pattern.size()) break;  // a class without end closes here
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
      found |= pattern[at] == c;
    } else if (pattern[at] == ']') {
      ++at;
      break;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      char low = folded(pattern[at], ignore_case), high = folded(pattern[at + 2], ignore_case);
      if (low > high) std::swap(low, high);
      const char folded_c = folded(c, ignore_case);
      found |= folded_c >= low && folded_c <= high;
      at += 2;
    } else {
      found |= folded(pattern[at], ignore_case) == folded(c, ignore_case);
    }
  }
  return found != negated;
}

// One character of the text against what stands at `at`, which is no star.
bool match_one(std::string_view pattern, std::size_t& at, char c, bool ignore_case) {
  switch (pattern[at]) {
    case '?':
      ++at;
      return true;
    case '[':
      return match_class(pattern, at, c, ignore_case);
    case '\\':
      if (at + 1 < pattern.size()) ++at;
      [[fallthrough]];
    default:
      return folded(pattern[at++], ignore_case) == folded(c, ignore_case);
  }
}

}  // namespace

// A later star makes an earlier one final, so one place to come back to is enough.
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case) {
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t at = 0, in_text = 0, star = kNone, star_text = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_text = in_text;
      if (star == pattern.size()) return true;
      continue;
    }
    if (at < pattern.size() && match_one(pattern, at, text[in_text], ignore_case)) {
      ++in_text;
      continue;
    }
    if (star == kNone) return false;
    at = star;
    in_text = ++star_text;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace ullage::server

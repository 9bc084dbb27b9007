// SPDX-License-Identifier: Apache-2.0
#include "document/matches.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

namespace ullage::document {
namespace {

Match found(std::string_view pattern, std::string_view text) {
  std::uint64_t work = 1 << 20;
  return search(pattern, text, work);
}

TEST(Search, FindsWhatTheStandardLibraryFinds) {
  const char* patterns[] = {
      "a",        "abc",        "^abc$",  "a.c",     "a*",        "^a*$",    "a+b",    "^(ab)+$",
      "a|b",      "^(a|bc)d$",  "[a-c]+", "^[^a]+$", "\\d+",      "^\\w+$",  "\\s",    "a{2}",
      "^a{2,3}$", "^(ab){2,}$", "^a?b?$", "(a|b)*c", "x(y(z|))?", "^$",      "a.*b",   "[.]",
      "\\.",      "^\\W$",      "(?:ab)", "^[]a]$",  "^[a-]$",    "^a{0}b$", "(a*)*b", "a||b"};
  const char* texts[] = {"",   "a",   "b",    "abc", "xabcx", "aab", "abab", "ababab", "bcd", "ad",
                         "12", "a 1", "aaaa", "aa",  "xyz",   "xy",  ".",    "-",      "]",   "_9"};
  for (const char* pattern : patterns) {
    const std::regex expected(std::string_view(pattern) == "^[]a]$" ? "^[\\]a]$" : pattern);
    for (const char* text : texts) {
      EXPECT_EQ(found(pattern, text) == Match::kFound, std::regex_search(text, expected))
          << pattern << " in '" << text << "'";
    }
  }
}

TEST(Search, MayIgnoreCase) {
  EXPECT_EQ(found("(?i)^hELLo [a-z]+$", "Hello WORLD"), Match::kFound);
  EXPECT_EQ(found("hELLo", "Hello"), Match::kNothing);
}

TEST(Search, WhatIsNoPatternIsFoundNowhere) {
  for (const char* pattern : {"(", ")", "[", "[a", "*", "a**b(", "a{", "a{2", "a{3,2}", "a{9999}",
                              "\\", "\\b", "\\1", "[z-a]", "(?=a)", "+"}) {
    EXPECT_EQ(found(pattern, "a**b("), Match::kNothing) << pattern;
  }
  EXPECT_EQ(found(std::string(kPatternBytesMax + 1, 'a'), std::string(2000, 'a')), Match::kNothing);
  EXPECT_EQ(found(std::string(100, '(') + std::string(100, ')'), "a"), Match::kNothing);
  EXPECT_EQ(found("((a{100}){100}){100}", "a"), Match::kNothing) << "too many states";
}

TEST(Search, TakesNoLongerThanTextTimesPattern) {
  std::uint64_t work = 100'000;
  EXPECT_EQ(search("(a*)*(a*)*(a|aa)*c", std::string(1000, 'a'), work), Match::kNothing);
  EXPECT_GT(work, 50'000u);
  work = 10;
  EXPECT_EQ(search("a+b", std::string(1000, 'a'), work), Match::kExhausted);
  EXPECT_EQ(work, 0u);
}

}  // namespace
}  // namespace ullage::document

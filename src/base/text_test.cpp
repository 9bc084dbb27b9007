// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

namespace ullage {
namespace {

TEST(Text, ReplacesWhatIsNotUtf8AndKeepsTheRest) {
  EXPECT_EQ(clean_utf8("naïve ≤ 😀\n"), "naïve ≤ 😀\n");
  EXPECT_EQ(clean_utf8("a\xFF"
                       "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(clean_utf8("cut \xE2\x82"), "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(clean_utf8("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");                  // overlong
  EXPECT_EQ(clean_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // surrogate
}

TEST(Text, LetsNoNameSpeakToTheTerminal) {
  EXPECT_EQ(clean_utf8("\x1B[31mred\x07"), "?[31mred?");
  EXPECT_EQ(clean_utf8("\xC2\x9B"
                       "31m"),
            "?31m");
}

TEST(Text, CountsCharactersNotBytes) {
  EXPECT_EQ(columns("≤ 5 µs"), 6u);
  EXPECT_EQ(shorten("vector≤long≥", 8), "vector≤…");
  EXPECT_EQ(shorten("short", 8), "short");
  EXPECT_EQ(shorten("x", 0), "");
}

TEST(ShellWord, QuotesOnlyWhatAShellWouldTakeApart) {
  EXPECT_EQ(shell_word("runs/shop.ulg"), "runs/shop.ulg");
  EXPECT_EQ(shell_word("my run.ulg"), "'my run.ulg'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("caf\u00e9"), "'caf\u00e9'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(ShellWord, SpellsWhatATerminalWouldNotShow) {
  EXPECT_EQ(shell_word("two\nlines"), "$'two\\x0alines'");
  EXPECT_EQ(shell_word("\x1b[31m it's \\"), "$'\\x1b[31m it\\'s \\x5c'");
  EXPECT_EQ(shell_word("\xff"), "$'\\xff'");
}

TEST(Text, WrapsAtSpacesAndIndentsWhatFollows) {
  EXPECT_EQ(wrap("the quick brown fox", 11, "- ", "  "), "- the quick\n  brown fox");
  EXPECT_EQ(wrap("", 10, "- ", "  "), "- ");
}

TEST(Text, KeepsANumberWithItsUnit) {
  EXPECT_EQ(wrap("it stalled 412 ms there", 15, "", ""), "it stalled\n412 ms there");
  EXPECT_EQ(wrap("younger than < 5 s now", 15, "", ""), "younger than\n< 5 s now");
  EXPECT_EQ(wrap("read 48 213 991 bytes", 18, "", ""), "read\n48 213 991 bytes");
}

TEST(Text, LeavesAWordLongerThanTheLineWhole) {
  EXPECT_EQ(wrap("see src/a/very/long/path.cpp:88 now", 12, "", ""),
            "see\nsrc/a/very/long/path.cpp:88\nnow");
}

}  // namespace
}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "server/glob.h"
#include "server/notify.h"
#include "server/numbers.h"

namespace ullage::server {
namespace {

TEST(Glob, MatchesWhatRedisMatches) {
  struct Case {
    const char *pattern, *text;
    bool matches;
  };
  const Case cases[] = {
      {"*", "", true},
      {"", "", true},
      {"", "a", false},
      {"a*c", "abbbc", true},
      {"a*c", "abbb", false},
      {"h?llo", "hello", true},
      {"h?llo", "hllo", false},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hello", false},
      {"h[^e]llo", "hallo", true},
      {"h[a-b]llo", "hbllo", true},
      {"h[b-a]llo", "hallo", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"[", "[", false},
      {"[a", "a", true},
      {"a\\", "a\\", true},
      {"**a**", "bab", true},
      {"*a*b*c", "xaxbxc", true},
      {"[]", "a", false},
      {"[^]", "a", true},
      {"[\\]]", "]", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(glob_match(c.pattern, c.text), c.matches) << c.pattern << " " << c.text;
  }
  EXPECT_TRUE(glob_match("A[B-C]", "ab", true));
}

TEST(Glob, IsNotSlowOnManyStars) {
  const std::string pattern = [] {
    std::string text;
    for (int i = 0; i < 500; ++i) text += "a*";
    return text + "b";
  }();
  EXPECT_FALSE(glob_match(pattern, std::string(20'000, 'a')));
}

TEST(NotifyFlags, ComeBackAsRedisWritesThem) {
  for (const auto& [written, back] :
       {std::pair{"KEA", "AKE"}, {"g$xK", "g$xK"}, {"", ""}, {"KEAmn", "AKEm"}}) {
    std::uint32_t flags = 0;
    ASSERT_TRUE(parse_notify_flags(written, flags)) << written;
    EXPECT_EQ(write_notify_flags(flags), back);
  }
  std::uint32_t flags = 7;
  EXPECT_FALSE(parse_notify_flags("K!", flags));
  EXPECT_EQ(flags, 7u);
}

TEST(Reals, AreWrittenAsPeopleExpect) {
  long double value = 0;
  ASSERT_TRUE(parse_real("10.50", value));
  EXPECT_EQ(write_real(value + 0.1L), "10.6");
  EXPECT_EQ(write_real(5000), "5000");
  EXPECT_EQ(write_real(-0.25L), "-0.25");
  for (const char* text : {"", " 1", "1 ", "nan", "1e5000", "x"}) {
    EXPECT_FALSE(parse_real(text, value)) << text;
  }
}

}  // namespace
}  // namespace ullage::server

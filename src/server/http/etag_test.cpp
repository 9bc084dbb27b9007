// SPDX-License-Identifier: Apache-2.0
#include "server/http/etag.h"

#include <gtest/gtest.h>

namespace ullage::server {
namespace {

TEST(Etag, IsWhatOthersMakeOfTheSameBytes) {
  // hashlib.blake2b(value, digest_size=16).hexdigest()
  EXPECT_EQ(etag_of(""), "\"cae66941d9efbd404e4d88758ea67670\"");
  EXPECT_EQ(etag_of("abc"), "\"cf4ab791c62b8d2b2109c90275287816\"");
  EXPECT_EQ(etag_of(std::string(128, 'a')), "\"1271d28e731afb57bdfba6bdaf3501be\"");
  EXPECT_EQ(etag_of(std::string(129, 'a')), "\"68b7bafbad5055c4ebe6eb170a0f8524\"");
  EXPECT_EQ(etag_of(std::string(1000, '\0')), "\"8c4f87abd07f9bf325b52dac4a399466\"");
}

TEST(TagLists, AreReadAndMatched) {
  TagList list;
  ASSERT_TRUE(parse_tags(" \"a\", W/\"b\" ,\"c,d\"", list));
  EXPECT_EQ(list.tags, (std::vector<std::string>{"\"a\"", "W/\"b\"", "\"c,d\""}));
  EXPECT_TRUE(matches(list, "\"c,d\"", false));
  EXPECT_FALSE(matches(list, "\"b\"", false)) << "a weak tag is not good enough for a write";
  EXPECT_TRUE(matches(list, "\"b\"", true));
  EXPECT_FALSE(matches(list, "\"d\"", true));
  ASSERT_TRUE(parse_tags("*", list));
  EXPECT_TRUE(matches(list, "\"x\"", false));
  for (const char* text : {"", "a", "\"a", "\"a\" \"b\"", "*, \"a\"", "w/\"a\"", ","}) {
    EXPECT_FALSE(parse_tags(text, list)) << text;
  }
}

}  // namespace
}  // namespace ullage::server

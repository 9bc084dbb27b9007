// SPDX-License-Identifier: Apache-2.0
#include "wire/http_target.h"

#include <gtest/gtest.h>

namespace ullage::wire {
namespace {

TEST(HttpTarget, IsTakenApartBeforeItIsDecoded) {
  HttpTarget target;
  ASSERT_TRUE(parse_target("/v1/keys/a%2Fb%3Fc?prefix=x%26y+z&db=&flag&&e=f=g", target));
  EXPECT_EQ(target.path, "/v1/keys/a%2Fb%3Fc");
  ASSERT_EQ(target.query.size(), 4u);
  EXPECT_EQ(*target.parameter("prefix"), "x&y z");
  EXPECT_EQ(*target.parameter("db"), "");
  EXPECT_EQ(*target.parameter("flag"), "");
  EXPECT_EQ(*target.parameter("e"), "f=g");
  EXPECT_EQ(target.parameter("none"), nullptr);
}

TEST(HttpTarget, RefusesWhatIsNotWellEncodedAndTooMuchOfIt) {
  HttpTarget target;
  for (const char* text : {"/a?b=%", "/a?b=%4", "/a?b=%4g", "/a?%zz=1"}) {
    EXPECT_FALSE(parse_target(text, target)) << text;
  }
  std::string many = "/a?";
  for (std::size_t i = 0; i <= kQueryParametersMax; ++i) many += "b=1&";
  EXPECT_FALSE(parse_target(many, target));
}

TEST(PercentDecode, GivesBackAnyBytes) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all), false), all);
  EXPECT_EQ(percent_decode("a+b%00%fF", false), std::string("a+b\0\xff", 5));
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_encode("a/b c"), "a%2Fb%20c");
}

}  // namespace
}  // namespace ullage::wire

// SPDX-License-Identifier: Apache-2.0
#include "server/http/answer.h"

#include <gtest/gtest.h>

namespace ullage::server {
namespace {

TEST(Answer, HasALengthExceptWhereHttpHasNone) {
  const std::string found = answer_head(text_answer(200, "hello"), true);
  EXPECT_TRUE(found.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_NE(found.find("\r\nContent-Length: 5\r\n"), std::string::npos);
  EXPECT_EQ(found.find("Connection:"), std::string::npos);
  EXPECT_TRUE(found.ends_with("\r\n\r\n"));
  const std::string same = answer_head(Answer{.status = 304, .fields = {{"ETag", "\"a\""}}}, false);
  EXPECT_EQ(same.find("Content-Length"), std::string::npos);
  EXPECT_NE(same.find("\r\nETag: \"a\"\r\n"), std::string::npos);
  EXPECT_NE(same.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(Problem, SaysWhatWhereAndWhatToDo) {
  const Answer answer = problem(404, "key-missing", "None.", "In \"db 0\".", "PUT it.");
  EXPECT_EQ(answer.type, "application/problem+json");
  for (const char* member :
       {"\"type\": \"urn:ullage:problem:key-missing\"", "\"title\": \"None.\"", "\"status\": 404",
        "\"detail\": \"In \\\"db 0\\\".\"", "\"next\": \"PUT it.\""}) {
    EXPECT_NE(answer.body.find(member), std::string::npos) << member << " in " << answer.body;
  }
}

TEST(Base64, GivesBackAnyBytesAndTakesOneFormOnly) {
  std::string bytes, back;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(parse_base64(base64(bytes), back)) << i;
    EXPECT_EQ(back, bytes);
    bytes += static_cast<char>(i * 7);
  }
  EXPECT_EQ(base64("\xff"), "/w==");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  for (const char* text :
       {"a", "ab", "abc", "a===", "====", "/x==", "Zm9vYmF=", "Zg==Zg==", "Zm 9"}) {
    EXPECT_FALSE(parse_base64(text, back)) << text;
  }
}

}  // namespace
}  // namespace ullage::server

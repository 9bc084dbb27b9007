// SPDX-License-Identifier: Apache-2.0
#include "server/monitors.h"

#include <gtest/gtest.h>

#include "server/secrets.h"

namespace ullage::server {
namespace {

using Words = std::vector<std::string_view>;

TEST(Monitors, WriteALineAsRedisDoes) {
  using namespace std::literals;
  const Words words{"SET", "a", "x\n\0\xff\"\\'\t\a\b~"sv, ""};
  EXPECT_EQ(monitor_line(1700000000000042, 5, "127.0.0.1:4000", words),
            R"(1700000000.000042 [5 127.0.0.1:4000] "SET" "a" "x\n\x00\xff\"\\'\t\a\b~" "")");
}

TEST(Monitors, ShowALargeWordInPart) {
  const std::string large(kShownBytes + 5, 'x');
  const std::string line = monitor_line(0, 0, "", Words{large});
  EXPECT_EQ(line.size(),
            kShownBytes + std::string_view("0.000000 [0 ] \"... (5 more bytes)\"").size());
  EXPECT_TRUE(line.ends_with("xxx... (5 more bytes)\""));
}

TEST(Secrets, AreHiddenWhereverACommandHasThem) {
  const auto shown = [](const char* name, Words words) {
    return without_secrets(*find_internal(name), words);
  };
  EXPECT_EQ(shown("auth", {"AUTH", "user", "pw"}), (Words{"AUTH", "(redacted)", "(redacted)"}));
  EXPECT_EQ(shown("hello", {"hello", "3", "Auth", "user", "pw", "SETNAME", "x"}),
            (Words{"hello", "3", "Auth", "(redacted)", "(redacted)", "SETNAME", "x"}));
  EXPECT_EQ(shown("hello", {"hello", "3", "AUTH", "user"}), (Words{"hello", "3", "AUTH", "user"}));
  EXPECT_EQ(shown("acl|setuser", {"ACL", "SETUSER", "bob", ">pw"}),
            (Words{"ACL", "SETUSER", "(redacted)", "(redacted)"}));
  EXPECT_EQ(shown("config|set", {"CONFIG", "SET", "timeout", "0", "RequirePass", "pw"}),
            (Words{"CONFIG", "SET", "timeout", "0", "RequirePass", "(redacted)"}));
  EXPECT_EQ(shown("set", {"SET", "auth", "x"}), (Words{"SET", "auth", "x"}));
}

}  // namespace
}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#include "wire/request_parser.h"

#include <gmock/gmock.h>

namespace ullage::wire {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Outcome {
  std::vector<std::vector<std::string>> commands;
  std::string error;
};

// Everything in `bytes`, which arrive `piece` at a time into a buffer that moves each time.
Outcome parse_in_pieces(std::string_view bytes, std::size_t piece, RequestLimits limits = {}) {
  RequestParser parser(limits);
  Outcome outcome;
  std::string held;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string moved = held + std::string(bytes.substr(at, piece));
    held.swap(moved);
    for (;;) {
      const Parsed got = parser.parse(held);
      if (got == Parsed::kNeedMore) break;
      if (got == Parsed::kError) {
        outcome.error = parser.error();
        return outcome;
      }
      if (!parser.words().empty()) {
        outcome.commands.emplace_back(parser.words().begin(), parser.words().end());
      }
      held.erase(0, parser.consumed());
      if (held.empty()) break;
    }
  }
  return outcome;
}

TEST(RequestParser, ReadsAPipelineTheSameHoweverItArrives) {
  const std::string_view bytes =
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n*1\r\n$4\r\nPING\r\n"
      "PING inline\r\nGET  \"a \\x41\\n\" 'b c'\n\r\n*0\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Outcome outcome = parse_in_pieces(bytes, piece);
    ASSERT_EQ(outcome.error, "") << piece;
    EXPECT_THAT(outcome.commands,
                ElementsAre(ElementsAre("SET", "k", "hello\r\nworld"), ElementsAre("PING"),
                            ElementsAre("PING", "inline"), ElementsAre("GET", "a A\n", "b c"),
                            ElementsAre("GET", "")))
        << piece;
  }
}

struct Refused {
  const char* bytes;
  const char* error;
};

TEST(RequestParser, RefusesInRedissWords) {
  const Refused cases[] = {
      {"*x\r\n", "Protocol error: invalid multibulk length"},
      {"*3000000000\r\n", "Protocol error: invalid multibulk length"},
      {"*1048577\r\n", "Protocol error: invalid multibulk length"},
      {"*1\r\n$x\r\n", "Protocol error: invalid bulk length"},
      {"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
      {"*3\r\n$3\r\nSET\r\n$2000000000\r\n", "Protocol error: invalid bulk length"},
      {"*2\r\n$3\r\nGET\r\nfooz\r\n", "Protocol error: expected '$', got 'f'"},
      {"GET \"x\r\n", "Protocol error: unbalanced quotes in request"},
      {"GET \"x\"y\r\n", "Protocol error: unbalanced quotes in request"},
  };
  for (const Refused& refused : cases) {
    EXPECT_EQ(parse_in_pieces(refused.bytes, 1).error, refused.error) << refused.bytes;
    EXPECT_EQ(parse_in_pieces(refused.bytes, 1000).error, refused.error) << refused.bytes;
  }
}

TEST(RequestParser, RefusesLinesThatDoNotEnd) {
  const std::string endless(70'000, 'a');
  EXPECT_EQ(parse_in_pieces(endless, 1000).error, "Protocol error: too big inline request");
  EXPECT_EQ(parse_in_pieces("*" + endless, 1000).error,
            "Protocol error: too big mbulk count string");
  EXPECT_EQ(parse_in_pieces("*1\r\n$" + endless, 1000).error,
            "Protocol error: too big bulk count string");
}

TEST(RequestParser, SaysHowMuchAWordWillTakeBeforeItArrives) {
  RequestParser parser;
  const std::string bytes = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc";
  ASSERT_EQ(parser.parse(bytes), Parsed::kNeedMore);
  EXPECT_EQ(parser.needed_bytes(), bytes.size() - 3 + 1'000'000 + 2);
}

TEST(RequestParser, AllocatesNothingForWordsThatWereOnlyPromised) {
  RequestParser parser;
  ASSERT_EQ(parser.parse("*1000000\r\n$1\r\na\r\n"), Parsed::kNeedMore);
  EXPECT_LE(parser.words().capacity(), 16u);
}

TEST(RequestParser, TellsWhatItHoldsAndGivesItBackBetweenCommands) {
  RequestParser parser;
  std::string bytes = "*2000\r\n";
  for (int i = 0; i < 1999; ++i) bytes += "$0\r\n\r\n";
  ASSERT_EQ(parser.parse(bytes), Parsed::kNeedMore);
  EXPECT_GE(parser.memory_bytes(), 1999 * sizeof(std::string_view));
  parser.trim();
  bytes += "$0\r\n\r\n";
  ASSERT_EQ(parser.parse(bytes), Parsed::kCommand) << "in the middle of a command nothing goes";
  EXPECT_EQ(parser.words().size(), 2000u);
  parser.trim();
  EXPECT_EQ(parser.memory_bytes(), 0u);
  std::string line;
  for (int i = 0; i < 1000; ++i) line += "a ";
  ASSERT_EQ(parser.parse(line + "\r\n"), Parsed::kCommand);
  EXPECT_GE(parser.memory_bytes(), 1000 * (sizeof(std::string_view) + sizeof(std::string)));
  parser.trim();
  EXPECT_EQ(parser.memory_bytes(), 0u);
}

TEST(ParseInteger, TakesWhatRedisTakes) {
  std::int64_t value = 0;
  for (const char* text : {"", "-", "+1", " 1", "1 ", "01", "-0", "1.0", "9223372036854775808",
                           "-9223372036854775809", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_integer(text, value)) << text;
  }
  EXPECT_TRUE(parse_integer("-9223372036854775808", value));
  EXPECT_EQ(value, INT64_MIN);
  EXPECT_TRUE(parse_integer("9223372036854775807", value));
  EXPECT_EQ(value, INT64_MAX);
  EXPECT_TRUE(parse_integer("0", value));
  EXPECT_EQ(value, 0);
}

TEST(SplitWords, EndsAtNothing) {
  std::vector<std::string> words;
  EXPECT_TRUE(split_words("   ", words));
  EXPECT_THAT(words, IsEmpty());
  EXPECT_TRUE(split_words("a \"\" b", words));
  EXPECT_THAT(words, ElementsAre("a", "", "b"));
}

}  // namespace
}  // namespace ullage::wire

// SPDX-License-Identifier: Apache-2.0
#include "document/path.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "document/parse.h"
#include "document/print.h"
#include "document/select.h"

namespace ullage::document {
namespace {

std::string encoded(std::string_view text) {
  std::string bytes;
  const auto parsed = parse(text, bytes);
  EXPECT_TRUE(parsed.ok()) << text << ": " << (parsed.ok() ? "" : parsed.error().message);
  return bytes;
}

std::string shown(const Selection& found) {
  std::string text = "[";
  for (const std::uint32_t match : found.matches) {
    if (text.size() > 1) text += ',';
    print(text, found.value(match));
  }
  return text + "]";
}

std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

TEST(Path, LeadsWhereTheTableSays) {
  std::ifstream table(std::string(ULLAGE_SOURCE_DIR) + "/src/document/testdata/paths.table");
  ASSERT_TRUE(table.is_open());
  std::string line, document;
  int number = 0, asked = 0;
  while (std::getline(table, line)) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("document ")) {
      document = encoded(line.substr(9));
      continue;
    }
    const bool wrong = line.find(" =! ") != std::string::npos;
    const std::size_t at = line.rfind(wrong ? " =! " : " => ");
    ASSERT_NE(at, std::string::npos) << "line " << number;
    const std::string text = trimmed(line.substr(0, at)), expected = trimmed(line.substr(at + 4));
    const Result<Path> path = Path::compile(text);
    ++asked;
    if (wrong) {
      ASSERT_FALSE(path.ok()) << "line " << number << ": " << text;
      const std::string where = "Error occurred on position " + expected + ",";
      EXPECT_TRUE(path.error().message.starts_with(where))
          << "line " << number << ": " << path.error().message;
      continue;
    }
    ASSERT_TRUE(path.ok()) << "line " << number << ": " << path.error().message;
    EXPECT_EQ(shown(select(*path, Value(document.data()))), expected)
        << "line " << number << ": " << text;
  }
  EXPECT_GT(asked, 130);
}

TEST(Path, KnowsTheOlderSyntaxAndWhetherItCanLeadToSeveral) {
  for (const char* text : {".", "a", ".a", "..a", "[0]", "$a", "$$"}) {
    EXPECT_TRUE(Path::compile(text)->legacy()) << text;
  }
  for (const char* text : {"$", "$.a", "$..a", "$[0]"}) {
    EXPECT_FALSE(Path::compile(text)->legacy()) << text;
  }
  for (const char* text : {"$", "$.a", "$['a'][0]", "$.a[-1].b"}) {
    EXPECT_TRUE(Path::compile(text)->definite()) << text;
  }
  for (const char* text : {"$.*", "$..a", "$[0,1]", "$['a','b']", "$[1:2]", "$[?(@.a)]"}) {
    EXPECT_FALSE(Path::compile(text)->definite()) << text;
  }
}

TEST(Path, HasBoundsForItsLengthItsStepsAndItsConditions) {
  EXPECT_FALSE(Path::compile("$" + std::string(kPathBytesMax, 'a')).ok());
  std::string many = "$", deep = "$[?", nested = "$";
  for (std::size_t i = 0; i <= kStepsMax; ++i) many += ".a";
  EXPECT_FALSE(Path::compile(many).ok());
  for (unsigned i = 0; i < kFilterDepthMax; ++i) deep += '(';
  EXPECT_FALSE(Path::compile(deep + "@.a").ok());
  for (unsigned i = 0; i <= kFilterDepthMax; ++i) nested += "[?(@";
  EXPECT_FALSE(Path::compile(nested).ok());
}

TEST(Path, AMessageShowsNoControlCharacters) {
  const auto path = Path::compile(std::string_view("gar\0\0\r\nbage", 11));
  ASSERT_FALSE(path.ok());
  for (const char c : path.error().message) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(Select, GivesUpOnAPathThatAsksForTooMuch) {
  std::string text(60, '[');
  text += "1";
  text += std::string(60, ']');
  const std::string document = encoded(text);
  const auto path = Path::compile("$..*..*..*..*..*..*..*..*");
  EXPECT_TRUE(select(*path, Value(document.data())).exhausted);
  EXPECT_FALSE(select(*Path::compile("$..*"), Value(document.data())).exhausted);
}

TEST(Select, AValueThatIsReachedTwiceIsOneOnceUnified) {
  const std::string document = encoded(R"({"a":{"b":1},"c":2})");
  Selection found = select(*Path::compile("$['a','a']['b','b']"), Value(document.data()));
  EXPECT_EQ(found.matches.size(), 4u);
  found.unify();
  EXPECT_EQ(found.matches.size(), 1u);
  EXPECT_EQ(found.value(found.matches[0]).integer(), 1);
}

}  // namespace
}  // namespace ullage::document

// SPDX-License-Identifier: Apache-2.0
//
// Texts to bytes and back.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "document/encode.h"
#include "document/parse.h"
#include "document/print.h"
#include "document/utf8.h"

namespace ullage::document {
namespace {

std::string encoded(std::string_view text) {
  std::string bytes;
  const auto parsed = parse(text, bytes);
  EXPECT_TRUE(parsed.ok()) << text << ": " << (parsed.ok() ? "" : parsed.error().message);
  EXPECT_TRUE(well_formed(bytes)) << text;
  return bytes;
}

std::string again(std::string_view text, const Format& format = {}) {
  const std::string bytes = encoded(text);
  std::string printed;
  print(printed, Value(bytes.data()), format);
  return printed;
}

std::string why_not(std::string_view text) {
  std::string bytes;
  const auto parsed = parse(text, bytes);
  return parsed.ok() ? "it parses" : parsed.error().message;
}

TEST(Document, TextsComeBackAsTheyWereWithoutTheSpaceAround) {
  for (const char* text : {
           "null",
           "true",
           "false",
           "0",
           "-1",
           "127",
           "128",
           "-128",
           "-129",
           "32767",
           "40000",
           "2147483648",
           "9223372036854775807",
           "-9223372036854775808",
           "9223372036854775808",
           "18446744073709551615",
           "1.5",
           "0.1",
           "-0.0",
           "1e16",
           "1.234e300",
           "1e-7",
           R"("")",
           R"("text")",
           "[]",
           "{}",
           R"([1,[2,[3]],{"a":{"b":[]}}])",
           R"({"z":1,"a":2,"m":3})",
           R"("\"\\\b\f\n\r\t\u0001\u001f")",
           R"("é€😀/")",
       }) {
    EXPECT_EQ(again(text), text);
  }
  EXPECT_EQ(again(" { \"a\" : [ 1 , 2 ] ,\n\t\"b\":\r{ } } "), R"({"a":[1,2],"b":{}})");
  EXPECT_EQ(again(R"("\u00e9\u20ac\ud83d\ude00\/")"), R"("é€😀/")");
}

TEST(Document, TakesNoMoreThanTheBoundForEachByteOfItsText) {
  for (const char* element : {"-0,", "1e5,", "0,", "[],", "{},", "\"\",", "null,", "65536,"}) {
    std::string text = "[", bytes;
    for (int i = 0; i < 1000; ++i) text += element;
    text.back() = ']';
    ASSERT_TRUE(parse(text, bytes).ok());
    const double most = kParsedBytesPerTextByte * static_cast<double>(text.size() + 1);
    EXPECT_LE(static_cast<double>(bytes.size()), most) << element;
  }
}

TEST(Document, NumbersKeepTheirDigitsOrTheNearestDouble) {
  const std::pair<const char*, const char*> cases[] = {
      {"1.0", "1.0"},
      {"1e2", "100.0"},
      {"1E+2", "100.0"},
      {"-0", "-0.0"},
      {"1e15", "1000000000000000.0"},
      {"1e16", "1e16"},
      {"12345678901234567", "12345678901234567"},
      {"1.5e16", "1.5e16"},
      {"123456789012345.6", "123456789012345.6"},
      {"0.00001", "0.00001"},
      {"0.000001", "1e-6"},
      {"0.0000012", "1.2e-6"},
      {"18446744073709551616", "1.8446744073709552e19"},
      {"-9223372036854775809", "-9.223372036854775808e18"},
      {"1e-400", "0.0"},
      {"5e-324", "5e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e308"},
      {"1.6350000000001313e+308", "1.6350000000001313e308"},
  };
  for (const auto& [text, expected] : cases) {
    if (std::string_view(text) == "-9223372036854775809") {
      EXPECT_EQ(again(text), "-9.223372036854776e18");
      continue;
    }
    EXPECT_EQ(again(text), expected) << text;
  }
  EXPECT_EQ(Value(encoded("9223372036854775807").data()).integer(),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(Value(encoded("18446744073709551615").data()).is_beyond());
}

TEST(Document, IsPrintedWithTheSpaceThatIsAskedFor) {
  const Format format{.indent = "\t", .newline = "\n", .space = " "};
  EXPECT_EQ(again(R"({"a":[1,{}],"b":[]})", format),
            "{\n\t\"a\": [\n\t\t1,\n\t\t{}\n\t],\n\t\"b\": []\n}");
  EXPECT_EQ(again(R"({"a":[1]})", {.space = " "}), R"({"a": [1]})");
  EXPECT_EQ(again(R"([1,2])", {.newline = "|"}), "[|1,|2|]");
}

TEST(Document, OfMembersWithOneNameTheLastCountsInThePlaceOfTheFirst) {
  EXPECT_EQ(again(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  std::string many = "{", expected = "{";
  for (int i = 0; i < 40; ++i) {
    many += "\"k" + std::to_string(i % 20) + "\":" + std::to_string(i) + (i < 39 ? "," : "}");
    if (i < 20) {
      expected += "\"k" + std::to_string(i) + "\":" + std::to_string(i + 20) + (i < 19 ? "," : "}");
    }
  }
  EXPECT_EQ(again(many), expected);
}

TEST(Document, AWrongTextIsRefusedWithThePlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "EOF while parsing a value at line 1 column 0"},
      {"{", "EOF while parsing an object at line 1 column 1"},
      {"[1,", "EOF while parsing a list at line 1 column 3"},
      {"[1,]", "trailing comma at line 1 column 4"},
      {"[1 2]", "expected `,` or `]` at line 1 column 4"},
      {"{\"a\" 1}", "expected `:` at line 1 column 6"},
      {"{1:2}", "key must be a string at line 1 column 2"},
      {"\n tru", "EOF while parsing a value at line 2 column 4"},
      {"trux", "expected ident at line 1 column 4"},
      {"nullabc", "trailing characters at line 1 column 5"},
      {"01", "invalid number at line 1 column 2"},
      {"1.", "EOF while parsing a value at line 1 column 2"},
      {"-", "EOF while parsing a value at line 1 column 1"},
      {"+1", "expected value at line 1 column 1"},
      {"1e999", "number out of range at line 1 column 5"},
      {"\"a", "EOF while parsing a string at line 1 column 2"},
      {"\"\\x\"", "invalid escape at line 1 column 3"},
      {"\"\\ud800\"", "unexpected end of hex escape at line 1 column 8"},
      {"\"\\udc00\"", "lone leading surrogate in hex escape at line 1 column 8"},
      {"\"\x01\"",
       "control character (\\u0000-\\u001F) found while parsing a string at line 1 "
       "column 2"},
      {"\"\xff\"", "invalid UTF-8 at line 1 column 2"},
      {"NaN", "expected value at line 1 column 1"},
      {"'a'", "expected value at line 1 column 1"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(why_not(text), expected) << text;
}

TEST(Document, NestsAsDeepAsItMayAndNoDeeper) {
  const auto nested = [](unsigned depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  std::string bytes;
  const auto parsed = parse(nested(kDepthMax), bytes);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->depth, kDepthMax);
  EXPECT_EQ(depth_of(Value(bytes.data())), kDepthMax);
  EXPECT_TRUE(well_formed(bytes));
  EXPECT_EQ(why_not(nested(kDepthMax + 1)).substr(0, 24), "recursion limit exceeded");
}

TEST(Document, HeadersTakeAsManyBytesAsTheyMust) {
  for (const std::size_t count : {0u, 1u, 127u, 254u, 255u, 256u, 65535u, 65536u, 70000u}) {
    std::string text = "[";
    for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "1" : ",1";
    const std::string bytes = encoded(text + "]");
    const Value value(bytes.data());
    EXPECT_EQ(value.count(), count);
    EXPECT_EQ(value.bytes(), bytes.size());
    EXPECT_EQ(value.header_bytes(), count < 256 ? 3u : count < 65536 ? 5u : 9u);
    const std::string string = encoded("\"" + std::string(count, 's') + "\"");
    EXPECT_EQ(Value(string.data()).string().size(), count);
    EXPECT_EQ(string.size() - count, count < 64 ? 1u : count < 256 ? 2u : count < 65536 ? 3u : 5u);
  }
}

TEST(Document, ASmallOneTakesLessThanItsText) {
  const std::string_view text =
      R"({"user":"alice","roles":["admin","dev"],"visits":42,"last":1700000000,"ok":true})";
  EXPECT_LT(encoded(text).size(), text.size());
}

TEST(Document, EqualityAsksForTypeAndContentNotForOrder) {
  std::uint64_t work = 1000;
  const auto same = [&work](std::string_view one, std::string_view other) {
    const std::string a = encoded(one), b = encoded(other);
    return equal(Value(a.data()), Value(b.data()), work);
  };
  EXPECT_TRUE(same(R"({"a":1,"b":[1,{"x":2,"y":3}]})", R"({"b":[1,{"y":3,"x":2}],"a":1})"));
  EXPECT_FALSE(same("[1,2]", "[2,1]"));
  EXPECT_FALSE(same("1", "1.0"));
  EXPECT_FALSE(same(R"({"a":1})", R"({"b":1})"));
  EXPECT_FALSE(same(R"({"a":1,"b":1})", R"({"a":1})"));
  work = 1;
  EXPECT_FALSE(same(R"({"a":1,"b":2})", R"({"b":2,"a":1})")) << "work is used up";
}

TEST(Document, BytesThatAreNotWholeAreToldApart) {
  const std::string whole = encoded(R"({"a":[1,"text",2.5],"b":{"c":null}})");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(well_formed(std::string_view(whole).substr(0, size))) << size;
  }
  EXPECT_TRUE(well_formed(whole + "more"));
  EXPECT_FALSE(well_formed(std::string("\x20\x01\x02\x81", 4))) << "two are promised, one is there";
}

TEST(Utf8, IsAsStrictAsTheStandard) {
  for (const char* good : {"", "a", "é", "€", "😀", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace ullage::document

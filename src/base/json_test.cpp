// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace ullage {
namespace {

TEST(JsonWriter, WritesNestedThingsInTheOrderGiven) {
  JsonWriter json;
  json.begin_object();
  json.field("b", std::uint64_t{18446744073709551615u});
  json.field("a", -1);
  json.begin_array("list");
  json.value(true);
  json.begin_object();
  json.end_object();
  json.null();
  json.end_array();
  json.end_object();
  EXPECT_EQ(json.text(),
            "{\n  \"b\": 18446744073709551615,\n  \"a\": -1,\n  \"list\": [\n    true,\n    {},\n"
            "    null\n  ]\n}\n");
}

TEST(JsonWriter, CompactStyleHasNoWhiteSpace) {
  JsonWriter json(JsonWriter::Style::kCompact);
  json.begin_object();
  json.field("x", 0.1);
  json.begin_array("y");
  json.value(1);
  json.value(2);
  json.end_array();
  json.end_object();
  EXPECT_EQ(json.text(), R"({"x":0.1,"y":[1,2]})");
}

std::string written(std::string_view text, bool html = false) {
  JsonWriter json(JsonWriter::Style::kCompact, html);
  json.value(text);
  return json.text();
}

TEST(JsonWriter, EscapesWhateverANameMayHold) {
  EXPECT_EQ(written("a\"b\\c\n\t\r"), R"("a\"b\\c\n\t\r")");
  EXPECT_EQ(written(std::string_view("\0\x1b", 2)), R"("\u0000\u001b")");
  EXPECT_EQ(written("µ\xFF"), "\"µ\xEF\xBF\xBD\"");
}

TEST(JsonWriter, CannotCloseAScriptElementWhenHtmlIsEscaped) {
  EXPECT_EQ(written("</script>&", true), R"("\u003c/script\u003e\u0026")");
  EXPECT_EQ(written("</script>"), R"("</script>")");
}

TEST(JsonWriter, WritesNullForNumbersJsonDoesNotHave) {
  JsonWriter json(JsonWriter::Style::kCompact);
  json.begin_array();
  json.value(std::nan(""));
  json.value(HUGE_VAL);
  json.value(2.5);
  json.end_array();
  EXPECT_EQ(json.text(), "[null,null,2.5]");
}

}  // namespace
}  // namespace ullage

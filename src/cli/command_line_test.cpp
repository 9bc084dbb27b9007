// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ullage::cli {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A verb with one option of each sort.
struct Sample {
  Sample() {
    command.name = "sample";
    command.flag("-q,--quiet", "Say less.", quiet);
    command.option("-o,--output", "FILE", "Write here.", output);
    command.size_option("--max-size", "At most.", max_bytes);
    command.count_option("--top", "So many.", top);
    command.output_option("--json", "As JSON.", json);
    command.option("--dir", "FOLDER", "Look here.", folders);
    command.positional = {.name = "FILE",
                          .help = "",
                          .count_min = 0,
                          .count_max = 3,
                          .choices = {},
                          .completes = Completes::kFiles,
                          .words = &files};
  }
  std::string error(std::vector<std::string> words) {
    Result<Parsed> parsed = parse_command_line(command, std::move(words));
    return parsed.ok() ? "" : parsed.error().message;
  }

  Command command;
  bool quiet = false;
  std::string output;
  std::uint64_t max_bytes = 0, top = 0;
  std::optional<std::string> json;
  std::vector<std::string> folders, files, wrapped;
};

TEST(CommandLine, ReadsFlagsOptionsAndFilesInAnyOrder) {
  Sample s;
  EXPECT_EQ(
      s.error({"a", "-q", "--top", "3", "-o", "x", "b", "--max-size=64K", "--dir=1", "--dir", "2"}),
      "");
  EXPECT_TRUE(s.quiet);
  EXPECT_EQ(s.output, "x");
  EXPECT_EQ(s.top, 3u);
  EXPECT_EQ(s.max_bytes, 65536u);
  EXPECT_THAT(s.folders, ElementsAre("1", "2"));
  EXPECT_THAT(s.files, ElementsAre("a", "b"));
}

TEST(CommandLine, AFormWithoutAPathGoesToStandardOutputAndLeavesTheNextWordAlone) {
  Sample s;
  EXPECT_EQ(s.error({"--json", "a.ulg"}), "");
  EXPECT_EQ(s.json, "-");
  EXPECT_THAT(s.files, ElementsAre("a.ulg"));
}

TEST(CommandLine, AFormTakesItsPathAfterAnEqualsSign) {
  Sample s;
  EXPECT_EQ(s.error({"--json=out.json", "a.ulg"}), "");
  EXPECT_EQ(s.json, "out.json");
  Sample dash;
  EXPECT_EQ(dash.error({"--json=-", "a.ulg"}), "");
  EXPECT_EQ(dash.json, "-");
  Sample number;  // CLI11 gives numbers and truth values a meaning of their own
  EXPECT_EQ(number.error({"--json=false", "a.ulg"}), "");
  EXPECT_EQ(number.json, "false");
}

TEST(CommandLine, AFileMayLookLikeAnOptionAfterTwoDashes) {
  Sample s;
  EXPECT_EQ(s.error({"--", "-q"}), "");
  EXPECT_FALSE(s.quiet);
  EXPECT_THAT(s.files, ElementsAre("-q"));
}

TEST(CommandLine, SaysWhichOptionIsUnknownAndWhichIsNear) {
  Sample s;
  EXPECT_THAT(s.error({"--outptu", "x"}), HasSubstr("Did you mean --output?"));
  EXPECT_THAT(s.error({"--zzz"}), HasSubstr("no option --zzz."));
  EXPECT_THAT(s.error({"--jsn=a"}), HasSubstr("Did you mean --json?"));
}

TEST(CommandLine, SaysWhichValueIsWrongAndWhatOneLooksLike) {
  Sample s;
  EXPECT_THAT(s.error({"--max-size=lots"}), HasSubstr("--max-size: 'lots' is not a size"));
  EXPECT_THAT(s.error({"--top=-3"}), HasSubstr("'-3' is not a whole number"));
  EXPECT_THAT(s.error({"--top"}), HasSubstr("--top needs a value"));
}

TEST(CommandLine, TheWrappedCommandKeepsItsOwnOptions) {
  Sample s;
  s.command.wrapped = &s.wrapped;
  s.command.positional = {};
  EXPECT_EQ(s.error({"-o", "x", "ls", "-q", "--top", "--", "a"}), "");
  EXPECT_FALSE(s.quiet);
  EXPECT_THAT(s.wrapped, ElementsAre("ls", "-q", "--top", "--", "a"));
  EXPECT_EQ(s.error({"-q", "--", "-o", "--help"}), "");
  EXPECT_TRUE(s.quiet);
  EXPECT_THAT(s.wrapped, ElementsAre("-o", "--help"));
  EXPECT_EQ(s.error({}), "");
  EXPECT_THAT(s.wrapped, IsEmpty());
}

TEST(CommandLine, HelpWinsOverWhatIsMissing) {
  Sample s;
  s.command.positional.count_min = 1;
  Result<Parsed> parsed = parse_command_line(s.command, {"--help"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value(), Parsed::kHelp);
  EXPECT_THAT(s.error({}), HasSubstr("no FILE was given"));
  EXPECT_THAT(s.error({"1", "2", "3", "4"}), HasSubstr("'4' is one word too many"));
}

TEST(ParseSize, ReadsUnitsOfBothKinds) {
  EXPECT_EQ(parse_size("64K").value(), 65536u);
  EXPECT_EQ(parse_size("10MiB").value(), 10u << 20);
  EXPECT_EQ(parse_size("2GB").value(), 2'000'000'000u);
  EXPECT_EQ(parse_size("4096").value(), 4096u);
  EXPECT_EQ(parse_size("1m").value(), 1u << 20);
  for (const char* wrong : {"", "K", "-1", "1Q", "99999999999999999999", "1 2", "0x10"}) {
    EXPECT_FALSE(parse_size(wrong).ok()) << wrong;
  }
}

}  // namespace ullage::cli

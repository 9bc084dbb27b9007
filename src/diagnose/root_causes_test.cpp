// SPDX-License-Identifier: Apache-2.0
#include "diagnose/root_causes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;

constexpr const char* kRow =
    "[a row]\n"
    "when: go-assist-storm\n"
    "cause: because\n";

RootCauses table(const std::string& text) {
  Result<RootCauses> parsed = RootCauses::parse(text, "team.table");
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.ok() ? parsed.value() : RootCauses();
}

std::string error(const std::string& text) {
  const Result<RootCauses> parsed = RootCauses::parse(text, "team.table");
  return parsed.ok() ? "" : parsed.error().message;
}

Finding finding(const std::string& detector) {
  Finding one;
  one.detector = detector;
  one.where.file = "/src/orders/book.go";
  one.where.function = "example.com/shop/orders.(*Book).Add";
  one.title = "a title";
  one.evidence = {"app.trace byte 7: read mem stats took 7 ms."};
  return one;
}

TEST(RootCauses, ReadsARowAndGoesOnWithIndentedLines) {
  const RootCauses rows = table(
      "# comment\n\n[ two words ]\nwhen: go-assist-storm + go-forced-gc\nnot: go-cpu-starvation\n"
      "where: orders/\nsays: 7 ms\ncause: one\n  and two\n\n   and three\ndo:\n  something\n"
      "next: ullage explain go-forced-gc\n");
  ASSERT_EQ(rows.rows().size(), 1u);
  const RootCause& row = rows.rows()[0];
  EXPECT_EQ(row.title, "two words");
  EXPECT_THAT(row.when, testing::ElementsAre("go-assist-storm", "go-forced-gc"));
  EXPECT_THAT(row.without, testing::ElementsAre("go-cpu-starvation"));
  EXPECT_EQ(row.where, "orders/");
  EXPECT_EQ(row.says, "7 ms");
  EXPECT_EQ(row.cause, "one and two and three");
  EXPECT_EQ(row.advice, "something");
  EXPECT_EQ(row.next, "ullage explain go-forced-gc");
  EXPECT_EQ(row.line, 3u);
}

TEST(RootCauses, SaysWhichLineIsWrongAndWhatWasExpected) {
  EXPECT_EQ(error("when: any\n"),
            "team.table:1: a field before the first row; write [title] above it.");
  EXPECT_EQ(error("[a]\nwhen: go-asist-storm\ncause: x\n"),
            "team.table:1: there is no detector 'go-asist-storm', perhaps go-assist-storm. See: "
            "ullage explain");
  EXPECT_EQ(error("[a]\nwhen: any\n[b]\nwhen: any\ncause: x\n"),
            "team.table:1: [a] has no 'cause'.");
  EXPECT_EQ(error("[a]\ncause: x\n"),
            "team.table:1: [a] has no 'when': name the detectors, or any.");
  EXPECT_EQ(error("[a]\nwhen: any\ncauze: x\n"),
            "team.table:3: there is no field 'cauze', perhaps cause. Fields: when, not, where, "
            "says, cause, do, next.");
  EXPECT_EQ(error("[a]\nwhen: any\nwhen: any\n"),
            "team.table:3: 'when' is there twice in this row.");
  EXPECT_EQ(error("[a]\nsome words\n"),
            "team.table:2: expected FIELD: TEXT, or a title in brackets.");
  EXPECT_EQ(error("  indented\n"),
            "team.table:1: an indented line goes on with a field, and there is none above.");
  EXPECT_THAT(error("[]\n"), HasSubstr("team.table:1: a row begins with its title"));
  EXPECT_THAT(error("[a]\nwhen: go-forced-gc +\n +\ncause: x\n"), HasSubstr("a name is missing"));
  EXPECT_EQ(error(std::string("[a]\0", 4)), "team.table: not a text file.");
}

TEST(RootCauses, KeepsItsLimits) {
  std::string many;
  for (std::size_t i = 0; i < RootCauses::kRowsMax; ++i) many += kRow;
  EXPECT_EQ(table(many).rows().size(), RootCauses::kRowsMax);
  EXPECT_THAT(error(many + kRow), HasSubstr("more than 1000 rows"));
  EXPECT_THAT(error("[a]\nwhen: any\ncause: " + std::string(RootCauses::kValueMax + 1, 'x')),
              HasSubstr("team.table:3: longer than 4000 characters"));
  EXPECT_THAT(error(std::string(RootCauses::kBytesMax + 1, '\n')), HasSubstr("larger than 1 MiB"));
}

TEST(RootCauses, GivesTheRowWithTheMostConditionsThenTheFirst) {
  const RootCauses rows = table(
      "[one]\nwhen: go-assist-storm\ncause: one\n"
      "[same]\nwhen: go-assist-storm\ncause: same\n"
      "[both]\nwhen: go-assist-storm + go-forced-gc\ncause: both\n"
      "[there]\nwhen: any\nwhere: orders.(*Book)\nsays: read mem stats\nnot: go-stack-growth\n"
      "cause: there\n");
  Finding one = finding("go-assist-storm");
  one.where.function = "main.main";
  one.where.file = "main.go";
  EXPECT_EQ(rows.row_for(one)->cause, "one");
  one.also.push_back({"go-forced-gc", ""});
  EXPECT_EQ(rows.row_for(one)->cause, "both");
  EXPECT_EQ(rows.row_for(finding("go-pointer-map"))->cause, "there");
  EXPECT_EQ(rows.row_for(finding("go-stack-growth")), nullptr);
}

TEST(RootCauses, OfTheUserComeBeforeTheBuiltInOnes) {
  const RootCauses mine = table(
      "[ours]\nwhen: any\nwhere: orders/\ncause: The book is rebuilt at nine.\ndo: Call Ann.\n"
      "next: cat runbook.md\n");
  std::vector<Finding> findings = {finding("go-assist-storm"), finding("go-assist-storm")};
  findings[0].remedy = "allocate less.";
  findings[0].check = "go tool trace app.trace";
  findings[1].where = {};
  findings[1].check = "go tool trace app.trace";
  name_causes(mine, findings);
  EXPECT_EQ(findings[0].cause, "The book is rebuilt at nine.");
  EXPECT_EQ(findings[0].remedy, "allocate less. Call Ann.");
  EXPECT_EQ(findings[0].check, "cat runbook.md");
  EXPECT_EQ(findings[1].cause, RootCauses::built_in().row_for(findings[1])->cause);
  EXPECT_EQ(findings[1].check, "go tool trace app.trace");  // the detector's own is more exact
}

TEST(RootCauses, KnowACauseForEveryDetectorOfManagedPrograms) {
  std::set<std::string> titles;
  for (const RootCause& row : RootCauses::built_in().rows()) {
    EXPECT_TRUE(titles.insert(row.title).second) << row.title;
    EXPECT_THAT(row.cause, testing::EndsWith(".")) << row.title;
  }
  for (const Detector& detector : detectors()) {
    const std::string name = detector.name;
    if (!name.starts_with("go-") && !name.starts_with("jvm-")) continue;
    const RootCause* row = RootCauses::built_in().row_for(finding(name));
    EXPECT_NE(row, nullptr) << name << ": add a row to root_causes.table";
  }
}

TEST(RootCauses, TellGoroutinesThatSendFromThoseThatReceiveAndFromOthers) {
  Finding one = finding("go-retry-leak");
  const auto cause = [&](const std::string& state) {
    one.title = "300 goroutines were started, wait" + state + " and never end";
    return RootCauses::built_in().row_for(one)->cause;
  };
  EXPECT_THAT(cause(" (chan send)"), HasSubstr("waits to send into a channel"));
  EXPECT_THAT(cause(" (chan receive)"), HasSubstr("waits to receive from a channel"));
  for (const char* state : {"", " (select)", " (semacquire)", " (IO wait)"}) {
    EXPECT_THAT(cause(state), testing::Not(HasSubstr("channel"))) << state;
  }
}

TEST(RootCauses, NameWhatSeveralDetectorsSayTogether) {
  Finding one = finding("go-append-without-capacity");
  const std::string alone = RootCauses::built_in().row_for(one)->cause;
  one.also.push_back({"go-growth-delays-stop", ""});
  EXPECT_NE(RootCauses::built_in().row_for(one)->cause, alone);
}

}  // namespace
}  // namespace ullage::diagnose

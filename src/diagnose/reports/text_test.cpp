// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/reports/reports.h"
#include "diagnose/reports/sample_testing.h"

namespace ullage::diagnose {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string report(const evidence::Evidence& evidence, const ReportOptions& options = {}) {
  return text_report(evidence, diagnose(evidence, {}), options);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// What a person sees, whole. Change it on purpose.
constexpr const char* kReport = R"(
2 findings in 58.2 s of shop: 4 200 000 events, 412 MB live at most, all of 25.2 MB understood

  repeated-growth   std::vector<Order> grew 20 times, orders.cpp:88 in load_orders
    cost: 122 ms of stalls, worst 46.7 ms; 33.6 MB copied
    Called from main.cpp:12 in main
    Grew 20 times between 120 ms and 910 ms, from 1 element (32 B) to 1 048 576 elements (33.6 MB).
    Growing copied 33.6 MB and stopped its callers for 122 ms in all, 46.7 ms at worst; up to
      16.8 MB of it lived twice.
    How we know: one function obtains the larger block and frees the smaller, 20 of 20 growths from
      the same stack; std::vector<Order>::_M_realloc_insert is known to grow containers.
    One growth stopped its caller for 46.7 ms (bound: 1 ms).
    Do: give it its size at birth: orders.reserve(1'100'000) (it reached room for
        1 048 576 elements). Saves 20 growths, 33.6 MB of copying, 122 ms of stalls and 16.8 MB of
        old and new side by side.

  repeated-growth   std::string grew 400 times in 100 containers, page.cpp:7 in render
    cost: 300 us of stalls, worst 20 us; 800 kB copied
    Called from main.cpp:12 in main
    100 containers grew 400 times, ending at 7 681 bytes each.
    Growing copied 800 kB and stopped its callers for 300 us in all, 20 us at worst.
    How we know: 390 of 400 growths copied the same bytes over; std::string::_M_append is known to
      grow containers.
    Do: give it its size at birth: reserve(7700) (the largest has room for 7 681 bytes). Saves
        400 growths, 800 kB of copying and 300 us of stalls.

  note   80.5 % of 2 000 000 blocks die younger than 100 ms. By blocks: < 1 us 0.5 %, < 1 ms 30 %,
    < 100 ms 50 %, never freed 19.5 %. By bytes: < 1 us 0.5 %, < 1 ms 30 %, < 100 ms 50 %, never
    freed 19.5 %.

Next: ullage diagnose shop.ulg --html=report.html
)";

TEST(TextReport, ReadsLikeThis) { EXPECT_EQ("\n" + report(sample_evidence()), kReport); }

TEST(TextReport, WrapsAtTheWidthOfTheTerminal) {
  for (const int width : {60, 80, 100, 140}) {
    for (const std::string& line : lines_of(report(sample_evidence(), {.width = width}))) {
      EXPECT_LE(columns(line), static_cast<std::size_t>(width)) << line;
    }
  }
}

TEST(TextReport, ShowsTheCostliestUnderTopAndSaysHowManyAreLeft) {
  const std::string text = report(sample_evidence(), {.top = 1});
  EXPECT_THAT(text, HasSubstr("orders.cpp:88"));
  EXPECT_THAT(text, Not(HasSubstr("page.cpp:7")));
  EXPECT_THAT(text, HasSubstr("1 more finding"));
  EXPECT_THAT(text, EndsWith("Next: ullage diagnose shop.ulg --top=0\n"));
}

TEST(TextReport, ShowsOnlyTheSiteAskedFor) {
  const std::string text = report(sample_evidence(), {.site_filter = "page.cpp:7"});
  EXPECT_THAT(text, StartsWith("1 finding in 58.2 s"));
  EXPECT_THAT(text, Not(HasSubstr("orders.cpp:88")));
  EXPECT_THAT(text, HasSubstr("2 others left out"));
}

TEST(TextReport, SaysThatNoFindingMatchesTheSite) {
  const std::string text = report(sample_evidence(), {.site_filter = "nothinghere"});
  EXPECT_THAT(text, HasSubstr("No finding matches \"nothinghere\"."));
  EXPECT_THAT(text, Not(HasSubstr("too little for a finding")));
}

TEST(TextReport, DoesNotSayThatNothingGrewWhereProofWasMissing) {
  evidence::Evidence evidence = sample_evidence();
  for (evidence::GrowthSite& site : evidence.growth_sites) site.verdict = evidence::Verdict::kWeak;
  const std::string text = report(evidence, {.width = 300});
  EXPECT_THAT(text, Not(HasSubstr("Nothing grew by copying")));
  EXPECT_THAT(text, HasSubstr("2 places had larger blocks follow smaller ones"));
}

TEST(TextReport, SaysThatSampledGrowthsAreAtLeastThoseSeen) {
  evidence::Evidence evidence = sample_evidence();
  evidence.process.sample_bytes = 512 << 10;
  EXPECT_THAT(report(evidence, {.width = 300}), HasSubstr("growths are at least those seen"));
}

TEST(TextReport, SaysWhyNothingCanBeJudged) {
  evidence::Evidence evidence = sample_evidence();
  EXPECT_EQ(not_judgeable(evidence), "");
  evidence.growth_sites.clear();
  EXPECT_EQ(not_judgeable(evidence), "") << "whole, and nothing grew";
  evidence.understood.segments_damaged = 1;
  EXPECT_THAT(report(evidence, {.width = 300}), HasSubstr("! No growth could be linked"));
}

TEST(TextReport, IsPlainUnlessColourWasAskedFor) {
  EXPECT_THAT(report(sample_evidence()), Not(HasSubstr("\x1b")));
  EXPECT_THAT(report(sample_evidence(), {.colour = true}), HasSubstr("\x1b[1;33m"));
}

TEST(TextReport, LetsNoSymbolNameSpeakToTheTerminal) {
  evidence::Evidence evidence = sample_evidence();
  evidence.growth_sites[0].user.function = "evil\x1b[2J\xff";
  evidence.growth_sites[0].container = "std::vector<\x1b]0;owned\x07>";
  evidence.process.program = "\x1b[2J";
  const std::string text = report(evidence);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_EQ(text, clean_utf8(text));
}

TEST(TextReport, SaysWhatWasLookedAtWhenThereIsNothingToSay) {
  evidence::Evidence evidence = sample_evidence();
  evidence.growth_sites.clear();
  const std::string text = report(evidence);
  EXPECT_THAT(text, StartsWith("No findings in 58.2 s of shop: 4 200 000 events"));
  EXPECT_THAT(text, HasSubstr("Looked at 2 000 000 allocations"));
  EXPECT_THAT(text, HasSubstr("Nothing grew by copying."));
  EXPECT_THAT(text, HasSubstr("Next: ullage record --slack"));
}

TEST(TextReport, NeverHidesWhatWasNotUnderstood) {
  evidence::Evidence evidence = sample_evidence();
  evidence.understood.bytes_used = 12'600'000;
  evidence.understood.segments_damaged = 3;
  evidence.understood.notes = {"Stopped at byte 12 600 000: the file looks cut short."};
  evidence.process.ended = "killed or still running";
  const std::string text = report(evidence);
  EXPECT_THAT(text, HasSubstr("50 % of 25.2 MB understood"));
  EXPECT_THAT(text, HasSubstr("3 damaged segments"));
  EXPECT_THAT(text, HasSubstr("! Stopped at byte 12 600 000"));
  EXPECT_THAT(text, HasSubstr("killed or still running"));
}

TEST(TextReport, EndsWithTheCommandItWasGiven) {
  EXPECT_THAT(report(sample_evidence(), {.next_command = "ullage diff a b"}),
              EndsWith("Next: ullage diff a b\n"));
}

}  // namespace
}  // namespace ullage::diagnose

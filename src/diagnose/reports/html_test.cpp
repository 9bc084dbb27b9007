// SPDX-License-Identifier: Apache-2.0
//
// What can be told without a browser; tests/html_report.py opens the page in one.
// ULLAGE_DUMP_HTML=page.html diagnose_test --gtest_filter='HtmlReport.*' leaves the page behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "diagnose/reports/html_data.h"
#include "diagnose/reports/html_sample_testing.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string sample_page() {
  const evidence::Evidence evidence = sample::rich();
  ReportOptions options;
  options.source_root = "/build/checkout";
  return html_report(evidence, sample::rich_findings(evidence), options);
}

// The text between the data element's tags.
std::string data_of(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const auto from = page.find(open) + open.size();
  return page.substr(from, page.find("</script>", from) - from);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(HtmlReport, HoldsEveryFindingWithPlaceCostRemedyAndFingerprint) {
  const std::string page = sample_page();
  if (const char* path = std::getenv("ULLAGE_DUMP_HTML")) std::ofstream(path) << page;
  for (const char* text : {"orders vector grew 71 times", "book.cpp:88", "\"stall_ns\":412000000",
                           "orders_.reserve(8'400'000)", "9c1f7a2e5b80d340"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
}

TEST(HtmlReport, AsksNothingOfTheNetworkAndForbidsItself) {
  const std::string page = sample_page();
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("unsafe-inline")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  // The one address in it is the name of SVG, which is never fetched.
  EXPECT_EQ(count(page, "http://"), 1u);
  EXPECT_EQ(count(page, "http://www.w3.org/2000/svg"), 1u);
  for (const char* tag : {"<link", "<img", "<iframe", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(tag)));
  }
}

TEST(HtmlReport, KeepsAHostileNameInsideTheData) {
  const std::string page = sample_page();
  // Two scripts and no more: the data and ours. The name's own "</script>" never appears.
  EXPECT_EQ(count(page, "</script>"), 2u);
  EXPECT_EQ(count(page, "<script"), 2u);
  EXPECT_THAT(data_of(page), HasSubstr("\\u003c/script\\u003e\\u003cimg src=x"));
  // A placeholder in a name is a name.
  EXPECT_EQ(count(page, "\"use strict\""), 1u);
  EXPECT_THAT(data_of(page), HasSubstr("{{script}}"));
}

TEST(HtmlReport, TitleIsEscapedWhateverTheProgramIsCalled) {
  evidence::Evidence evidence;
  evidence.process.program = "</title><script>alert(1)</script>";
  const std::string page = html_report(evidence, {}, {});
  EXPECT_THAT(page, HasSubstr("<title>&lt;/title&gt;&lt;script&gt;"));
  EXPECT_EQ(count(page, "<script"), 2u);
}

TEST(HtmlReport, IsTheSamePageForTheSameEvidence) { EXPECT_EQ(sample_page(), sample_page()); }

TEST(HtmlReport, DrawsARunWithNothingInIt) {
  const std::string page = html_report({}, {}, {});
  EXPECT_THAT(data_of(page), HasSubstr("\"findings\":[]"));
  EXPECT_THAT(data_of(page), HasSubstr("\"share\":1"));
}

TEST(HtmlReport, PathsBelowTheSourceRootAreWrittenRelativeToIt) {
  const std::string data = data_of(sample_page());
  EXPECT_THAT(data, HasSubstr("\"at\":\"src/book.cpp:88\""));
  EXPECT_THAT(data, HasSubstr("\"at\":\"/usr/include/c++/12/bits/vector.tcc:459\""));
}

TEST(HtmlReport, AMillionSitesMakeAPageThatSaysWhatItLeftOut) {
  evidence::Evidence evidence;
  evidence.growth_sites.assign(kHtmlGrowthSites + 7, sample::orders_site());
  evidence.allocation_sites.resize(kHtmlAllocationSites + 1);
  evidence.marks.resize(50 * kHtmlMarks);
  evidence.marks[12'345].rss_bytes = 777'777;
  const std::string data = data_of(html_report(evidence, {}, {}));
  EXPECT_THAT(data, HasSubstr("Of 2 007 growth sites the costliest 2 000 are in this page"));
  EXPECT_THAT(data, HasSubstr("Of 1 001 allocation sites"));
  EXPECT_THAT(data, HasSubstr(",777777,"));  // the highest mark of its stretch stays
  // Totals still count all of them.
  EXPECT_THAT(data, HasSubstr("\"links\":" + std::to_string(71 * (kHtmlGrowthSites + 7))));
  EXPECT_LT(data.size(), 4u << 20);
}

TEST(HtmlReport, CutsDeepStacksInTheMiddleAndLongNamesAtTheEnd) {
  evidence::Evidence evidence;
  evidence::GrowthSite site = sample::orders_site();
  for (int i = 0; i < 500; ++i) {
    site.stack.insert(site.stack.begin() + 1,
                      sample::frame("recursive" + std::string(20'000, 'x'), "a.cpp", i % 7, 1));
  }
  evidence.growth_sites = {site};
  const std::string data = data_of(html_report(evidence, {}, {}));
  EXPECT_LT(data.size(), 40'000u);
  EXPECT_THAT(data, HasSubstr("(frames left out)"));
  EXPECT_THAT(data, HasSubstr("\"name\":\"main\""));  // the outermost frame is still there
}

TEST(HtmlReport, StopsTakingNewFramesAtItsLimitAndSaysSo) {
  evidence::Evidence evidence;
  for (int i = 0; i < 1000; ++i) {
    evidence::GrowthSite site = sample::orders_site();
    for (int k = 0; k < 90; ++k) {
      site.stack.push_back(sample::frame(
          "f" + std::to_string(i) + "_" + std::to_string(k) + std::string(250, 'y'), "", 0, 1));
    }
    evidence.growth_sites.push_back(site);
  }
  const std::string data = data_of(html_report(evidence, {}, {}));
  EXPECT_LT(data.size(), 2 * kHtmlFrameBytes);
  EXPECT_THAT(data, HasSubstr("were cut short to keep this page small"));
}

TEST(HtmlReport, BytesThatAreNotTextBecomeText) {
  evidence::Evidence evidence = sample::rich();
  evidence.growth_sites[0].user.function = "bad\xff\xfe\x00name\x1b[31m";
  evidence.process.command.push_back("\xc3\x28");
  const std::string page = html_report(evidence, {}, {});
  EXPECT_THAT(page, HasSubstr("bad\xEF\xBF\xBD"));
  EXPECT_THAT(page, Not(HasSubstr("\xff")));
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace ullage::diagnose

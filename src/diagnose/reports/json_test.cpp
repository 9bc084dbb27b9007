// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "diagnose/diff.h"
#include "diagnose/reports/incident_sample_testing.h"
#include "diagnose/reports/reports.h"
#include "diagnose/reports/sample_testing.h"

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string report(const evidence::Evidence& evidence, const ReportOptions& options = {}) {
  return json_report(evidence, diagnose(evidence, {}), options);
}

// Every "name": of a JSON text.
std::set<std::string> keys_of(const std::string& json) {
  std::set<std::string> keys;
  for (std::size_t at = 0; (at = json.find("\": ", at)) != std::string::npos; ++at) {
    const std::size_t begin = json.rfind('"', at - 1) + 1;
    keys.insert(json.substr(begin, at - begin));
  }
  return keys;
}

TEST(JsonReport, HoldsTheFactsTheSitesAndTheFindings) {
  const std::string json = report(sample_evidence());
  EXPECT_THAT(json, HasSubstr("\"schema\": \"ullage/findings\",\n  \"schema_version\": 1,"));
  EXPECT_THAT(json, HasSubstr("\"events\": 4200000"));
  EXPECT_THAT(json, HasSubstr("\"finding_count\": 2"));
  EXPECT_THAT(json, HasSubstr("\"advised_elements\": 1100000"));
  EXPECT_THAT(json,
              HasSubstr("\"remedy\": \"give it its size at birth: orders.reserve(1'100'000)"));
  EXPECT_THAT(json, HasSubstr("\"stands\": true,\n      \"verdict\": \"structure\""));
  EXPECT_THAT(json, HasSubstr("\"detector\": \"growth-stall\""));  // folded, and still there
}

TEST(JsonReport, KeepsEverySiteUnderASiteFilterButOnlyItsFindings) {
  const std::string json = report(sample_evidence(), {.site_filter = "orders.cpp:88"});
  EXPECT_THAT(json, HasSubstr("\"finding_count\": 1"));
  EXPECT_THAT(json, HasSubstr("\"index\": 1"));
}

TEST(JsonReport, TellsAnUnknownPeakFromNone) {
  evidence::Evidence evidence = sample_evidence();
  evidence.process.rss_peak_bytes = 4096;
  EXPECT_THAT(report(evidence), HasSubstr("\"rss_peak_bytes\": 4096,"));
  EXPECT_THAT(diff_json(diff(evidence, evidence)), HasSubstr("\"rss_peak_bytes\": 4096,"));
  evidence.process.rss_peak_bytes = 0;  // it ended before anyone looked
  EXPECT_THAT(report(evidence), HasSubstr("\"rss_peak_bytes\": null,"));
  EXPECT_THAT(diff_json(diff(evidence, evidence)), HasSubstr("\"rss_peak_bytes\": null,"));
}

TEST(JsonReport, MarksTheLifetimeClassesThatHaveNoUpperEdge) {
  const std::string json = report(sample_evidence());
  EXPECT_THAT(json,
              HasSubstr("\"below_ns\": 1000,\n      \"freed\": true,\n      \"blocks\": 10000"));
  EXPECT_THAT(json,
              HasSubstr("\"below_ns\": null,\n      \"freed\": false,\n      \"blocks\": 390000"));
}

TEST(JsonReport, HasNoFieldThatItsPageDoesNotExplain) {
  std::ifstream in(ULLAGE_SOURCE_DIR "/docs/formats/findings-json.md");
  std::stringstream page;
  page << in.rdbuf();
  std::set<std::string> keys = keys_of(report(sample_evidence()));
  keys.merge(keys_of(diff_json(diff(sample_evidence(), sample_evidence()))));
  keys.merge(keys_of(json_report(sample_incident(), sample_incident_findings(), {})));
  EXPECT_GT(keys.size(), 140u);
  for (const std::string& key : keys) {
    EXPECT_THAT(page.str(), HasSubstr("`" + key + "`")) << "undocumented field";
  }
}

TEST(JsonReport, StaysUtf8WhateverTheNamesHold) {
  evidence::Evidence evidence = sample_evidence();
  evidence.growth_sites[0].container = "bad \xff name \"quoted\"";
  evidence.process.command = {std::string("\0\x80", 2)};
  const std::string json = report(evidence);
  EXPECT_THAT(json, Not(HasSubstr("\xff")));
  EXPECT_THAT(json, HasSubstr("\\\"quoted\\\""));
}

}  // namespace
}  // namespace ullage::diagnose

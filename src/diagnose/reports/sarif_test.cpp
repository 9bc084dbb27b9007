// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/reports/reports.h"
#include "diagnose/reports/sample_testing.h"

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string report(const evidence::Evidence& evidence, const ReportOptions& options = {}) {
  return sarif_report(evidence, diagnose(evidence, {}), options);
}

TEST(SarifReport, HasOneRulePerDetectorAndOneResultPerFinding) {
  const std::string sarif = report(sample_evidence());
  EXPECT_THAT(sarif, HasSubstr("\"version\": \"2.1.0\""));
  for (const Detector& detector : detectors()) {
    EXPECT_THAT(sarif, HasSubstr("\"id\": \"" + std::string(detector.name) + "\""));
  }
  const auto findings = diagnose(sample_evidence(), {});
  for (const Finding& finding : findings) {
    EXPECT_THAT(sarif, HasSubstr("\"ullage/v1\": \"" + finding.fingerprint + "\""));
  }
  EXPECT_THAT(sarif, HasSubstr("\"level\": \"warning\""));
  EXPECT_THAT(sarif, HasSubstr("\"level\": \"note\""));
}

TEST(SarifReport, WritesPathsRelativeToTheSourceRootAndNeverWhereThatIs) {
  const std::string sarif = report(sample_evidence(), {.source_root = "/src/shop/"});
  EXPECT_THAT(sarif,
              HasSubstr("\"uri\": \"orders.cpp\",\n                  \"uriBaseId\": \"SRCROOT\""));
  EXPECT_THAT(sarif, HasSubstr("\"startLine\": 88"));
  EXPECT_THAT(sarif, Not(HasSubstr("/src/shop")));
  EXPECT_THAT(sarif, HasSubstr("file:///usr/include/c%2B%2B/12/bits/vector.tcc"));
}

TEST(SarifReport, EscapesPathsAsUris) {
  evidence::Evidence evidence = sample_evidence();
  evidence.growth_sites[0].user.file = "my code/größe #1.cpp";
  EXPECT_THAT(report(evidence), HasSubstr("\"uri\": \"my%20code/gr%C3%B6%C3%9Fe%20%231.cpp\""));
}

TEST(SarifReport, PassesOnWhatWasNotUnderstood) {
  evidence::Evidence evidence = sample_evidence();
  evidence.understood.notes = {"Stopped at byte 12."};
  EXPECT_THAT(report(evidence), HasSubstr("\"text\": \"Stopped at byte 12.\""));
}

TEST(SarifReport, IsCompleteWithoutFindings) {
  EXPECT_THAT(sarif_report({}, {}, {}), HasSubstr("\"results\": []"));
}

}  // namespace
}  // namespace ullage::diagnose

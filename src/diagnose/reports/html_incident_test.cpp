// SPDX-License-Identifier: Apache-2.0
//
// What can be told of an incident's page without a browser; tests/html_report.py opens it in one.
// ULLAGE_DUMP_HTML=page.html diagnose_test --gtest_filter='HtmlIncident.Links*' leaves it behind;
// HtmlIncident.StaysSmall* leaves the largest there can be.
#include "diagnose/reports/html_incident.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "diagnose/reports/incident_moments.h"
#include "diagnose/reports/incident_sample_testing.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string page_of(const evidence::Evidence& evidence, const Findings& findings) {
  const std::string page = html_report(evidence, findings, {});
  if (const char* path = std::getenv("ULLAGE_DUMP_HTML")) std::ofstream(path) << page;
  return page;
}

TEST(HtmlIncident, LinksFindingsToTheirMoments) {
  const std::string page = page_of(sample_incident(), sample_incident_findings());
  // Of the assists, no pause; of the stop, the fifth pause and the fifth collection.
  EXPECT_THAT(page,
              HasSubstr("\"moments\":[{\"known\":true,\"from\":990000000,\"to\":1050000000,"
                        "\"at\":1000000000,\"took\":0,\"pauses\":[],\"cycles\":[],\"spans\":[0,1]},"
                        "{\"known\":true,\"from\":990000000,\"to\":1040000000,"
                        "\"at\":999000000,\"took\":33600000,\"pauses\":[4],\"cycles\":[4],"));
  EXPECT_THAT(page, HasSubstr("shop \u00b7 incident report"));
  EXPECT_EQ(count(page, "<script"), 2u);
}

TEST(HtmlIncident, AFindingWithoutALineHasTheMomentOfTheLineItCites) {
  evidence::Evidence evidence = sample_incident();
  evidence::Incident& incident = evidence.incident;
  incident.artefacts[1].name = "logs/gc.log";
  incident.pauses[2].where = {1, evidence::Position::Unit::kLine, 77};
  Finding finding;
  finding.where.file = "gc.log";
  finding.where.line = 77;
  const Moments moments = moments_of({finding}, incident, 10).at(0);
  ASSERT_EQ(moments.pauses.size(), 1u);
  EXPECT_EQ(moments.pauses[0], 2u);
  EXPECT_EQ(moments.at_ns, incident.pauses[2].start_ns);
}

TEST(HtmlIncident, AFindingThatNamesAKindOfPauseHasThose) {
  Finding finding;
  finding.title = "3 pauses for G1 Humongous Allocation";
  evidence::Evidence evidence = sample_incident();
  evidence.incident.pauses[1].cause = "G1 Humongous Allocation";
  evidence.incident.pause_kinds.push_back(
      {"GC sweep termination", "G1 Humongous Allocation", 1, 1, 1, 0, 0});
  EXPECT_EQ(moments_of({finding}, evidence.incident, 10).at(0).pauses.size(), 1u);
  finding.title = "nothing of the kind";
  EXPECT_TRUE(moments_of({finding}, evidence.incident, 10).at(0).empty());
}

// The largest incident that the model lets through.
evidence::Evidence largest() {
  evidence::Evidence evidence = sample_incident();
  evidence::Incident& incident = evidence.incident;
  const evidence::Stack stack = incident.pauses[4].culprit_stack;
  const auto deep = [&](std::uint64_t i) {
    evidence::Stack frames;
    for (int depth = 0; depth < 40; ++depth) {
      frames.push_back(go_frame("example.com/a/long/module/path/internal/pkg.(*Type" +
                                    std::to_string((i * 7 + static_cast<unsigned>(depth)) % 3000) +
                                    ").Method",
                                "/go/src/example.com/a/long/module/path/internal/pkg/file.go",
                                static_cast<int>(i % 5000)));
    }
    return frames;
  };
  incident.end_ns = 600'000'000'000;
  incident.pauses.resize(evidence::kPausesMax, incident.pauses[4]);
  for (std::size_t i = 0; i < incident.pauses.size(); ++i) {
    incident.pauses[i].start_ns = static_cast<std::int64_t>(i) * 30'000'000;
    incident.pauses[i].duration_ns = 20'000 + i * 7919 % 9'000'000;
    incident.pauses[i].culprit_stack = deep(i);
  }
  incident.cycles.resize(evidence::kCyclesMax, incident.cycles[4]);
  for (std::size_t i = 0; i < incident.cycles.size(); ++i) {
    incident.cycles[i].start_ns = static_cast<std::int64_t>(i) * 3'000'000;
    incident.cycles[i].ordinal = i + 1;
  }
  incident.heap.resize(evidence::kHeapPointsMax, incident.heap[0]);
  for (std::size_t i = 0; i < incident.heap.size(); ++i) {
    incident.heap[i].at_ns = static_cast<std::int64_t>(i) * 146'000'000;
    incident.heap[i].live_bytes = 1'000'000'000 + i * 7919 % 100 * 10'000'000;
    incident.heap[i].goal_bytes = 2'000'000'000;
  }
  const auto fill = [&](auto& list, std::size_t size, auto change) {
    list.resize(size, list[0]);
    for (std::size_t i = 0; i < size; ++i) change(list[i], i);
  };
  fill(incident.heap_sites, evidence::kHeapSitesMax, [&](auto& site, std::size_t i) {
    site.stack = deep(i);
    site.alloc_bytes = 1'000'000'000 - i;
  });
  fill(incident.cpu_sites, evidence::kCpuSitesMax, [&](auto& site, std::size_t i) {
    site.stack = deep(i + 3);
    site.cpu_ns = 1'000'000'000 - i;
  });
  fill(incident.waits, evidence::kWaitsMax, [&](auto& wait, std::size_t i) {
    wait.stack = deep(i + 5);
    wait.total_ns = 1'000'000'000 - i;
  });
  fill(incident.assist_sites, 20'000, [&](auto& site, std::size_t i) {
    site.stack = deep(i + 11);
    site.total_ns = 1'000'000'000 - i;
  });
  return evidence;
}

TEST(HtmlIncident, StaysSmallWhateverTheTraceHeld) {
  Findings findings = sample_incident_findings();
  findings.resize(kHtmlFindings, findings[0]);
  for (std::size_t i = 2; i < findings.size(); ++i) {
    findings[i].where.line = static_cast<int>(i);
    findings[i].fingerprint = std::to_string(i);
  }
  const std::string page = page_of(largest(), findings);
  EXPECT_LT(page.size(), 3'000'000u);
}

TEST(HtmlIncident, KeepsTheLongestAndTheLongestOfEveryStretch) {
  evidence::Evidence evidence = largest();
  evidence::Incident& incident = evidence.incident;
  for (evidence::Pause& pause : incident.pauses) pause.duration_ns = 1000;
  incident.pauses[12'345].duration_ns = 77'777'777;
  const std::string page = html_report(evidence, {}, {});
  EXPECT_THAT(page, HasSubstr(",77777777,"));
}

TEST(HtmlIncident, SaysWhatItLeftOut) {
  evidence::Evidence evidence = largest();
  evidence.incident.pause_kinds = {{"stop", "", 20'000, 1, 1, 0, 0}};
  const std::vector<std::string> sentences = html_incident_left_out(evidence.incident);
  ASSERT_EQ(sentences.size(), 2u);
  EXPECT_THAT(sentences[0], HasSubstr("Of 20 000 pauses the longest 1 500"));
  EXPECT_THAT(sentences[1], HasSubstr("collections"));
  EXPECT_TRUE(html_incident_left_out(sample_incident().incident).empty());
}

}  // namespace
}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
//
// An incident in the forms for other programs. Chromium and json.loads look at whole documents in
// tests/html_report.py and tests/incident.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "diagnose/reports/incident_costs.h"
#include "diagnose/reports/incident_json.h"
#include "diagnose/reports/incident_sample_testing.h"
#include "diagnose/reports/reports.h"
#include "diagnose/reports/sample_testing.h"

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(IncidentCosts, HasEachCostAtItsStack) {
  const std::vector<CostStack> costs = incident_costs(sample_incident().incident);
  ASSERT_EQ(costs.size(), 5u);
  EXPECT_EQ(costs[0].values[kCostAssist], 900'000'000u);
  EXPECT_EQ(costs[1].values[kCostStopped], 33'500'000u);
  EXPECT_EQ(costs[1].stack[1].function, "main.load");
  EXPECT_EQ(costs[2].values[kCostAllocated], 400'000'000u);
  EXPECT_EQ(costs[2].values[kCostInUse], 80'000'000u);
  EXPECT_EQ(costs[2].stack[0].function, "runtime.growslice") << "what the profile hid";
  EXPECT_EQ(costs[3].values[kCostGrowthCpu], 400'000'000u);
  EXPECT_EQ(costs[4].values[kCostWait], 300'000'000u);
}

TEST(IncidentCosts, CountsOneOfSeveralHeapProfilesOnly) {
  evidence::Evidence evidence = sample_incident();
  evidence::Incident& incident = evidence.incident;
  incident.snapshots.push_back(incident.snapshots[0]);
  evidence::HeapSite later = incident.heap_sites[0];
  later.snapshot = 1;
  later.alloc_bytes = 900'000'000;
  incident.heap_sites.push_back(later);
  EXPECT_EQ(telling_snapshot(incident), 1u);
  std::uint64_t allocated = 0;
  for (const CostStack& cost : incident_costs(incident)) allocated += cost.values[kCostAllocated];
  EXPECT_EQ(allocated, 900'000'000u);
}

TEST(IncidentJson, HasTheIncidentUnderAVersionOfItsOwn) {
  const std::string json = json_report(sample_incident(), sample_incident_findings(), {});
  EXPECT_THAT(json, HasSubstr("\"incident\": {\n    \"version\": 1,"));
  EXPECT_THAT(json, HasSubstr("\"how\": \"GC ordinal\",\n          \"shift_ns\": -30000000,\n"
                              "          \"error_ns\": 1000000"));
  EXPECT_THAT(json, HasSubstr("\"culprit_offset_ns\": 33500000"));
  EXPECT_THAT(json, HasSubstr("\"detector\": \"assist-storm\""));
}

TEST(IncidentJson, KeepsTheLongestPausesAndCountsTheOthers) {
  evidence::Evidence evidence = sample_incident();
  evidence::Incident& incident = evidence.incident;
  evidence::Pause pause = incident.pauses[0];
  pause.duration_ns = 7;
  incident.pauses.assign(kJsonPauses + 10, pause);
  incident.pauses.back().duration_ns = 8'000'001;
  incident.pause_kinds = {{"GC sweep termination", "", kJsonPauses + 10, 1, 1, 0, 0}};
  const std::string json = json_report(evidence, {}, {});
  EXPECT_EQ(count(json, "\"duration_ns\": 7,"), kJsonPauses - 1);
  EXPECT_EQ(count(json, "\"duration_ns\": 8000001,"), 1u);
  EXPECT_THAT(json, HasSubstr("\"left_out\": {\n      \"pauses\": 10,"));
}

TEST(IncidentJson, IsAbsentFromRecordingsOfNativePrograms) {
  evidence::Evidence native;
  EXPECT_THAT(json_report(native, {}, {}), Not(HasSubstr("\"incident\"")));
}

TEST(IncidentPerfetto, HasASliceForEveryPauseAndCollection) {
  const std::string trace = perfetto_report(sample_incident(), sample_incident_findings(), {});
  // 8 pauses, 8 collections, one stack of assists, one of waits.
  EXPECT_EQ(count(trace, "\"ph\":\"b\""), 18u);
  EXPECT_EQ(count(trace, "\"ph\":\"e\""), 18u);
  EXPECT_EQ(count(trace, "\"name\":\"heap\""), 8u);
  EXPECT_EQ(count(trace, "\"name\":\"heap goal\""), 8u);
  EXPECT_THAT(trace, HasSubstr("\"ts\":999000,\"cat\":\"pauses\""));
  EXPECT_THAT(trace, HasSubstr("\"last_to_stop\":24,\"at\":\"load.go:41 in main.load\""));
}

TEST(IncidentPprof, OpensOnTheFirstCostThatItHas) {
  // Looked into with pprof's own decoder in pprof_test.cpp; here the types must differ.
  evidence::Evidence evidence = sample_incident();
  const std::string with = pprof_report(evidence, {}, {});
  evidence.incident.assist_sites.clear();
  EXPECT_NE(pprof_report(evidence, {}, {}), with);
  EXPECT_EQ(with.substr(0, 2), "\x1f\x8b");
}

TEST(IncidentFolded, HasALineForEveryCostOfAStackThatBeginsWithIt) {
  const std::string lines = folded_report(sample_incident(), {}, {});
  EXPECT_THAT(lines, HasSubstr("assist;main.serve;main.handle 900000000\n"));
  EXPECT_THAT(lines, HasSubstr("stopped;main.main;main.load;runtime.growslice 33500000\n"));
  EXPECT_THAT(lines, HasSubstr("alloc_space;"));
  EXPECT_THAT(lines, Not(HasSubstr("finding_")));
  Finding held;
  held.detector = "go-unbounded-growth";
  held.stack.resize(1);
  held.stack[0].function = "main.cache";
  held.cost.wasted_bytes = 5'000'000;
  Finding note = held;
  note.severity = Severity::kNote;
  note.stack[0].function = "main.note";
  const std::string with = folded_report(sample_incident(), {held, note}, {});
  EXPECT_THAT(with, HasSubstr("finding_wasted;main.cache 5000000\n"));
  EXPECT_THAT(with, Not(HasSubstr("main.note")));
}

TEST(IncidentCosts, AreNoneOfARecordingWhateverItsFindings) {
  const std::vector<Finding> findings = diagnose(sample_evidence(), {});
  ASSERT_FALSE(findings.empty());
  EXPECT_TRUE(incident_costs(sample_evidence().incident, findings).empty());
  EXPECT_EQ(folded_report(sample_evidence(), findings, {}),
            folded_report(sample_evidence(), {}, {}));
  EXPECT_EQ(pprof_report(sample_evidence(), findings, {}), pprof_report(sample_evidence(), {}, {}));
}

TEST(IncidentSarif, NamesItsArtefactsAndTheirNotes) {
  const std::string sarif = sarif_report(sample_incident(), sample_incident_findings(), {});
  EXPECT_THAT(sarif, HasSubstr("shop.heap: It ends in the middle of a sample."));
  EXPECT_THAT(sarif, HasSubstr("shop.gctrace: gctrace, 83 lines, 2 unknown"));
  EXPECT_THAT(sarif, HasSubstr("\"startLine\": 41"));
}

TEST(IncidentSarif, HasTheCauseAndTheProcessorTimeAsTheTextHas) {
  Findings findings = sample_incident_findings();
  findings[0].cause = "It is copied whole.";
  findings[0].cost.cpu_ns = 2'000'000'000;
  findings[0].cost.growths = 41;
  const std::string sarif = sarif_report(sample_incident(), findings, {});
  EXPECT_THAT(sarif, HasSubstr("Why: It is copied whole."));
  EXPECT_THAT(sarif, HasSubstr("2 s of processors"));
  EXPECT_THAT(sarif, HasSubstr("\"cpuNs\": 2000000000"));
  EXPECT_THAT(sarif, HasSubstr("\"growths\": 41"));
  EXPECT_THAT(sarif, HasSubstr("\"cause\": \"It is copied whole.\""));
  const std::string html = html_report(sample_incident(), findings, {});
  EXPECT_THAT(html, HasSubstr("\"cpu_ns\":2000000000"));
  EXPECT_THAT(html, HasSubstr("\"cause\":\"It is copied whole.\""));
}

}  // namespace
}  // namespace ullage::diagnose

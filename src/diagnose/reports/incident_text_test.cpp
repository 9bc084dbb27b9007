// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/reports/incident_sample_testing.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string report(const evidence::Evidence& evidence, const ReportOptions& options = {}) {
  return text_report(evidence, sample_incident_findings(), options);
}

// What a person sees first, whole. Change it on purpose.
constexpr const char* kHeader = R"(
2 findings in 2 s of shop, go1.26.10, 8 processors, GOGC 100, GOMEMLIMIT 4 GiB
  Pauses      10 in 2 s: 34.7 ms in all, worst 33.6 ms
              8 GC sweep termination: 34.3 ms, worst 33.6 ms
              2 read mem stats: 400 us, worst 300 us
  Assists     120: 900 ms in all, worst 25 ms, at 1 stack
  Collections 8; live heap 30 MB → 240 MB, last goal 480 MB
  Read
    shop.trace    Go execution trace, go1.26; 60 123 events, all understood; the incident's clock
    shop.gctrace  gctrace; 83 lines, 2 unknown; aligned by GC ordinal ± 1 ms
    shop.heap     pprof heap profile; 12 samples, 900 B of 1 kB understood, cut short
      ! It ends in the middle of a sample.

  assist-storm   allocating goroutines marked for 900 ms, handle.go:7 in main.handle
)";

TEST(IncidentText, BeginsWithWhatRanHowLongItStoodAndWhatWasRead) {
  EXPECT_THAT("\n" + report(sample_incident()), testing::StartsWith(kHeader));
}

TEST(IncidentText, EndsWithTheNextCommandForAllOfItsFiles) {
  EXPECT_THAT(report(sample_incident()),
              EndsWith("Next: ullage diagnose shop.trace shop.gctrace shop.heap "
                       "--html=report.html\n"));
  ReportOptions options;
  options.command_files = "incident/";
  EXPECT_THAT(report(sample_incident(), options),
              EndsWith("Next: ullage diagnose incident/ --html=report.html\n"));
}

TEST(IncidentText, AsksForWhatIsNotThereOnly) {
  evidence::Evidence evidence = sample_incident();
  const auto next = [&evidence] {
    const std::string text = text_report(evidence, {}, {});
    return text.substr(text.rfind("Next: "));
  };
  const auto formats = [&evidence](std::vector<std::string> names) {
    evidence.incident.artefacts.assign(names.size(), {});
    for (std::size_t i = 0; i < names.size(); ++i) {
      evidence.incident.artefacts[i].name = "f" + std::to_string(i);
      evidence.incident.artefacts[i].format = names[i];
      evidence.incident.artefacts[i].records = 1;
    }
  };
  EXPECT_THAT(next(), EndsWith("shop.heap --html=report.html\n")) << "a trace and a heap profile";
  formats({"Go execution trace"});
  EXPECT_THAT(next(), EndsWith("--for 30s   # adds a heap profile\n"));
  formats({"gctrace"});
  EXPECT_THAT(next(), EndsWith("# adds an execution trace and a heap profile\n"));
  evidence.incident.facts.runtime = evidence::Runtime::kJvm;
  formats({"JVM GC log (unified)", "JVM class histogram", "JVM class histogram"});
  EXPECT_EQ(next(), "Next: ullage diagnose f0 f1 f2 --html=report.html\n");
  formats({"JVM GC log (unified)", "JVM class histogram"});
  EXPECT_EQ(next(), "Next: ullage record -- java ...   # adds a second histogram\n");
  formats({"JVM thread dump"});
  EXPECT_THAT(next(), EndsWith("# adds a log of the collector and two histograms\n"));
}

TEST(IncidentText, NamesTheHeapOfAJvm) {
  evidence::Evidence evidence = sample_incident();
  evidence::RuntimeFacts& facts = evidence.incident.facts;
  facts = {};
  facts.runtime = evidence::Runtime::kJvm;
  facts.version = "21.0.4+7";
  facts.collector = "Z";
  facts.generational = true;
  facts.heap_max_bytes = 512u << 20;
  EXPECT_THAT(report(evidence),
              HasSubstr("of JDK 21.0.4+7, generational Z, heap of 512 MiB at most"));
}

TEST(IncidentText, SaysWhenAClockCouldNotBeAligned) {
  evidence::Evidence evidence = sample_incident();
  evidence.incident.artefacts[1].alignment = {};
  EXPECT_THAT(report(evidence), HasSubstr("2 unknown; clock not aligned"));
}

TEST(IncidentText, NamesNoClockWhereOnlyOneHasTimes) {
  evidence::Evidence evidence = sample_incident();
  evidence.incident.artefacts[1].has_times = false;
  EXPECT_THAT(report(evidence), Not(HasSubstr("the incident's")));
}

TEST(IncidentText, SaysNothingOfAllocationsAndOfWhatOnlyRecordingsKnow) {
  const std::string text = text_report(sample_incident(), {}, {});
  EXPECT_THAT(text, Not(HasSubstr("Looked at")));
  EXPECT_THAT(text, Not(HasSubstr("live at most")));
  EXPECT_THAT(text, HasSubstr("No findings in 2 s of shop"));
}

TEST(IncidentText, WhereNothingWasUnderstoodSaysThatSilenceProvesNothing) {
  evidence::Evidence evidence = sample_incident();
  for (evidence::Artefact& artefact : evidence.incident.artefacts) artefact.records = 0;
  EXPECT_THAT(text_report(evidence, {}, {}), HasSubstr("that there is no finding says nothing"));
  EXPECT_NE(not_judgeable(evidence), "");
  EXPECT_EQ(not_judgeable(sample_incident()), "");
}

}  // namespace
}  // namespace ullage::diagnose

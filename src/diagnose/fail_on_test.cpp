// SPDX-License-Identifier: Apache-2.0
#include "diagnose/fail_on.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/reports/sample_testing.h"

namespace ullage::diagnose {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> failures(const std::string& expression,
                                  const Baseline* baseline = nullptr) {
  return FailOn::parse(expression).value().failures(diagnose(sample_evidence(), {}), baseline);
}

TEST(FailOn, HoldsWhenAFindingIsThereAndNeverForNotesAlone) {
  EXPECT_THAT(failures("any"), SizeIs(2));
  EXPECT_THAT(failures("warning"), SizeIs(2));
  EXPECT_THAT(failures("error"), IsEmpty());
  EXPECT_THAT(failures("note"), SizeIs(3));
}

TEST(FailOn, HoldsForADetectorAlsoWhereItsFindingWasFolded) {
  EXPECT_THAT(failures("repeated-growth"), SizeIs(2));
  EXPECT_THAT(failures("growth-stall"), SizeIs(1));  // told with the vector's repeated growth
  EXPECT_THAT(failures("arithmetic-growth"), IsEmpty());
}

TEST(FailOn, HoldsAboveALimitAndSaysByWhat) {
  EXPECT_THAT(failures("stall>5ms"),
              ElementsAre("stall>5ms: repeated-growth at orders.cpp:88 in load_orders: "
                          "46.7 ms in one stall"));
  EXPECT_THAT(failures("stall > 50 ms"), IsEmpty());
  EXPECT_THAT(failures("stall-total>50ms"), SizeIs(1));
  EXPECT_THAT(failures("copied>33554400"), IsEmpty());
  EXPECT_THAT(failures("copied>=33554400"), SizeIs(1));
  EXPECT_THAT(failures("growths>20"), SizeIs(1));
  EXPECT_THAT(failures("copied>1GB, growths>100"), SizeIs(1));
}

TEST(FailOn, HoldsForWhatTheBaselineDoesNotHave) {
  const auto findings = diagnose(sample_evidence(), {});
  const Baseline all = parse_baseline(json_report(sample_evidence(), findings, {})).value();
  EXPECT_TRUE(FailOn::parse("new").value().needs_baseline());
  EXPECT_FALSE(FailOn::parse("any,stall>5ms").value().needs_baseline());
  EXPECT_THAT(failures("new", &all), IsEmpty());
  Baseline without_first = all;
  without_first.erase(findings[0].fingerprint);
  EXPECT_THAT(failures("new", &without_first), ElementsAre(HasSubstr("not in the baseline")));
}

TEST(FailOn, CountsTheGrowthsOfAPlaceWhoseFindingCountsSomethingElse) {
  Finding finding;
  finding.detector = "go-growth-under-lock";
  finding.cost.events = 3;
  finding.cost.events_unit = "waits";
  finding.cost.growths = 41;
  const auto fail_on = FailOn::parse("growths>40").value();
  EXPECT_THAT(fail_on.failures({finding}, nullptr), ElementsAre(HasSubstr("41 growths")));
}

TEST(FailOn, RefusesALimitThatNothingInTheIncidentMeasures) {
  const auto unmeasured = [](const char* expression, const evidence::Evidence& evidence) {
    return FailOn::parse(expression).value().unmeasured(evidence);
  };
  evidence::Evidence profile;
  profile.incident.artefacts.resize(1);
  profile.incident.snapshots.push_back({.kind = "heap"});
  EXPECT_EQ(unmeasured("growths>5,copied>1MB,wasted>1MB", profile), "");
  EXPECT_THAT(unmeasured("stall>5ms", profile),
              AllOf(HasSubstr("\"stall>5ms\": nothing here measures that; an execution trace"),
                    HasSubstr("can be judged by: copied, growths, wasted.")));
  evidence::Evidence trace;
  trace.incident.artefacts.resize(1);
  trace.incident.event_counts = {{"GoStart", 12}};
  EXPECT_EQ(unmeasured("stall>5ms,stall-total>1s,any", trace), "");
  EXPECT_THAT(
      unmeasured("growths>5", trace),
      AllOf(HasSubstr("\"growths>5\": nothing here measures that; a heap or allocs profile"),
            HasSubstr("can be judged by: stall, stall-total.")));
  EXPECT_EQ(unmeasured("growths>5", sample_evidence()), "") << "a recording measures all";
}

TEST(FailOn, SaysWhatItDidNotUnderstandAndWhatItWould) {
  const auto message = [](const char* expression) {
    const Result<FailOn> parsed = FailOn::parse(expression);
    return parsed.ok() ? std::string("parsed") : parsed.error().message;
  };
  EXPECT_THAT(message("sometimes"), HasSubstr("\"sometimes\" is no condition. Known: any, note"));
  EXPECT_THAT(message("any,"), HasSubstr("\"\" is no condition"));
  EXPECT_THAT(message("stall<5ms"), HasSubstr("only > and >= are limits"));
  EXPECT_THAT(message("stall>5"), HasSubstr("the unit is missing"));
  EXPECT_THAT(message("speed>5ms"), HasSubstr("Known: stall, stall-total, copied"));
  EXPECT_THAT(message("growths>many"), HasSubstr("a whole number"));
}

TEST(FailOn, LooksOnlyAtNewAndWorsePlacesOfADiff) {
  const evidence::Evidence before = sample_evidence();
  evidence::Evidence after = sample_evidence();
  const auto gate = [](const char* expression, const Difference& difference) {
    return FailOn::parse(expression).value().failures(difference);
  };
  EXPECT_THAT(gate("any,new,worse,copied>1", diff(before, after)), IsEmpty());
  after.growth_sites[0].copied_bytes *= 2;
  EXPECT_THAT(gate("worse", diff(before, after)), SizeIs(1));
  EXPECT_THAT(gate("new", diff(before, after)), IsEmpty());
  EXPECT_THAT(gate("copied>50MB", diff(before, after)), SizeIs(1));
  after.growth_sites[0].user.function = "load_faster";
  EXPECT_THAT(gate("new", diff(before, after)),
              ElementsAre("new: std::vector<Order> at orders.cpp:88 in load_faster: grows now, and "
                          "did not before"));
}

TEST(Baseline, IsReadFromFindingsSarifAndDiff) {
  const evidence::Evidence evidence = sample_evidence();
  const auto findings = diagnose(evidence, {});
  for (const std::string& report :
       {json_report(evidence, findings, {}), sarif_report(evidence, findings, {})}) {
    const Result<Baseline> baseline = parse_baseline(report);
    ASSERT_TRUE(baseline.ok()) << baseline.error().message;
    for (const Finding& finding : findings) {
      EXPECT_TRUE(baseline.value().contains(finding.fingerprint));
      for (const Related& related : finding.also) {
        EXPECT_TRUE(baseline.value().contains(related.fingerprint));
      }
    }
  }
  EXPECT_EQ(parse_baseline(diff_json(diff(evidence, evidence))).value().size(), 2u);
  EXPECT_TRUE(parse_baseline(sarif_report({}, {}, {})).value().empty());
}

TEST(Baseline, RefusesWhatIsNotOurs) {
  EXPECT_THAT(parse_baseline("").error().message, HasSubstr("not JSON"));
  EXPECT_THAT(parse_baseline("<xml/>").error().message, HasSubstr("not JSON"));
  EXPECT_THAT(parse_baseline("{\"a\": 1}").error().message, HasSubstr("neither findings, SARIF"));
  EXPECT_THAT(parse_baseline("{\"schema\": \"ullage/fi").error().message,
              HasSubstr("ends inside a string that starts at byte 11"));
}

TEST(Baseline, RefusesEveryReportThatIsCutShort) {
  const auto findings = diagnose(sample_evidence(), {});
  std::string whole = json_report(sample_evidence(), findings, {});
  whole.erase(whole.find_last_not_of('\n') + 1);
  ASSERT_TRUE(parse_baseline(whole).ok());
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto cut = parse_baseline(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(cut.ok()) << size << " of " << whole.size() << " bytes";
    EXPECT_THAT(cut.error().message, HasSubstr("cut short"));
  }
}

}  // namespace
}  // namespace ullage::diagnose

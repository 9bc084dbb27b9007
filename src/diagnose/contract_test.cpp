// SPDX-License-Identifier: Apache-2.0
//
// What the case files of contract-violation can't show: folding, ratios, collectors.
#include "contract/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/fail_on.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;

evidence::Evidence filling_a_vector() {
  evidence::Evidence evidence;
  evidence.process.program = "shop";
  evidence.process.allocated_bytes = 100'000'000;
  evidence::GrowthSite site;
  site.user.function = "load";
  site.user.file = "load.cpp";
  site.user.line = 8;
  site.growth.function = "std::vector<int>::_M_realloc_insert";
  site.verdict = evidence::Verdict::kStructure;
  site.law = evidence::GrowthLaw::kGeometric;
  site.factor = 2;
  site.named_growth = true;
  site.chains = 1;
  site.links = site.moved_links = 20;
  site.copied_bytes = 20'000'000;
  site.stall_ns_max = site.credible_stall_ns_max = 9'000'000;
  site.stall_ns_total = site.credible_stall_ns_total = 30'000'000;
  site.final = {1, 40'000'000, 40'000'000, 40'000'000, 40'000'000};
  evidence.growth_sites.push_back(site);
  return evidence;
}

std::vector<Finding> judged(const evidence::Evidence& evidence, const char* path,
                            const char* value) {
  contract::Contract contract;
  EXPECT_TRUE(contract.set("allocation.growth_stall", "1h", "test").ok());
  EXPECT_TRUE(contract.set(path, value, "test").ok());
  DetectorOptions options;
  options.contract = &contract;
  return diagnose(evidence, options);
}

std::size_t violations(const std::vector<Finding>& findings) {
  const FailOn gate = FailOn::parse("violation").value();
  EXPECT_TRUE(gate.needs_contract());
  return gate.failures(findings, nullptr).size();
}

TEST(ContractViolation, JoinsTheFindingThatSpeaksAboutThePlaceAlready) {
  const auto findings = judged(filling_a_vector(), "allocation.growth_stall_total", "20ms");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].detector, "repeated-growth");
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_THAT(findings[0].evidence, testing::Contains(HasSubstr("The contract allows 20ms")));
  EXPECT_EQ(violations(findings), 1u);
}

TEST(ContractViolation, CopiesAreJudgedPerAllocatedByteWhateverTheClock) {
  const auto broken = judged(filling_a_vector(), "allocation.copy_ratio", "0.19");
  EXPECT_EQ(violations(broken), 1u);
  const auto finding = std::find_if(broken.begin(), broken.end(), [](const Finding& f) {
    return f.detector == "contract-violation";
  });
  ASSERT_NE(finding, broken.end());
  EXPECT_THAT(finding->title, HasSubstr("growth copied 0.2 bytes per byte"));
  EXPECT_EQ(finding->where.line, 8);
  EXPECT_EQ(violations(judged(filling_a_vector(), "allocation.copy_ratio", "0.2")), 0u);
}

TEST(ContractViolation, CollectorsAreJudgedByTheirLongestStopAndWait) {
  evidence::Evidence evidence;
  evidence.incident.artefacts.emplace_back().name = "gc.log";
  evidence::Pause pause;
  pause.kind = "Pause Full";
  pause.duration_ns = 30'000'000;
  evidence.incident.pauses.push_back(pause);
  evidence.incident.assist_max_ns = 4'000'000;
  const auto pauses = judged(evidence, "reclamation.pause", "29ms");
  ASSERT_EQ(violations(pauses), 1u);
  EXPECT_THAT(pauses[0].title, HasSubstr("Pause Full stopped the program for 30 ms"));
  EXPECT_EQ(pauses[0].where.file, "gc.log");
  EXPECT_EQ(violations(judged(evidence, "reclamation.pause", "30ms")), 0u);
  EXPECT_EQ(violations(judged(evidence, "reclamation.assist", "3ms")), 1u);
  evidence.incident.stalls.emplace_back().duration_ns = 80'000'000;
  EXPECT_EQ(violations(judged(evidence, "reclamation.assist", "79ms")), 1u);
}

TEST(ContractViolation, WithoutAContractNothingIsViolated) {
  EXPECT_EQ(violations(diagnose(filling_a_vector(), {})), 0u);
}

}  // namespace
}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

using evidence::Evidence;
using evidence::GrowthSite;

GrowthSite vector_site(const std::string& user, std::uint64_t stall_ns) {
  GrowthSite site;
  site.user.function = user;
  site.user.file = "shop.cpp";
  site.user.line = 10;
  site.growth.function = "std::vector<long>::_M_realloc_insert";
  site.container = "std::vector<long>";
  site.container_kind = "vector";
  site.verdict = evidence::Verdict::kContent;
  site.law = evidence::GrowthLaw::kGeometric;
  site.factor = 2;
  site.element_bytes = 8;
  site.element_source = "dwarf";
  site.chains = 1;
  site.links = site.moved_links = site.content_links = 20;
  site.copied_bytes = 8 << 20;
  site.stall_ns_total = site.credible_stall_ns_total = stall_ns;
  site.stall_ns_max = site.credible_stall_ns_max = stall_ns / 2;
  site.first = {1, 64, 64, 64, 64};
  site.final = {1, 8 << 20, 8 << 20, 8 << 20, 8 << 20};
  return site;
}

TEST(Diagnose, RanksByStallThenCopiedThenWasted) {
  Evidence evidence;
  evidence.growth_sites = {vector_site("cheap", 100'000), vector_site("dear", 900'000),
                           vector_site("middle", 500'000)};
  evidence.growth_sites[0].copied_bytes = 9 << 20;
  const std::vector<Finding> findings = diagnose(evidence, {});
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].where.function, "dear");
  EXPECT_EQ(findings[1].where.function, "middle");
  EXPECT_EQ(findings[2].where.function, "cheap");
}

TEST(Diagnose, KeepsNotesLastWhateverTheyCost) {
  Evidence evidence;
  evidence.growth_sites = {vector_site("load", 100'000)};
  evidence.lifetimes.blocks = {1000, 0, 0, 0, 0, 0, 0};
  const std::vector<Finding> findings = diagnose(evidence, {});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[1].detector, "lifetime-classes");
  EXPECT_EQ(findings[1].severity, Severity::kNote);
}

TEST(Diagnose, TellsAPlaceOnceAndKeepsTheFingerprintsOfItsAspects) {
  Evidence evidence;
  evidence.process.live_bytes_max = 16 << 20;
  evidence.growth_sites = {vector_site("load", 400'000'000)};
  evidence.growth_sites[0].overlap_bytes_at_peak = 4 << 20;
  const std::vector<Finding> findings = diagnose(evidence, {});
  ASSERT_EQ(findings.size(), 1u);
  const Finding& finding = findings[0];
  EXPECT_EQ(finding.detector, "repeated-growth");
  EXPECT_EQ(finding.severity, Severity::kError);  // the stall's
  ASSERT_EQ(finding.also.size(), 2u);
  EXPECT_EQ(finding.also[0].detector, "growth-stall");
  EXPECT_EQ(finding.also[1].detector, "peak-overlap");
  EXPECT_EQ(finding.cost.stall_ns, 400'000'000u);  // not counted twice
  EXPECT_EQ(finding.cost.wasted_bytes, std::uint64_t{4 << 20});
  std::set<std::string> fingerprints = {finding.fingerprint, finding.also[0].fingerprint,
                                        finding.also[1].fingerprint};
  EXPECT_EQ(fingerprints.size(), 3u);
}

TEST(Diagnose, GivesTwoContainersInOneFunctionDifferentFingerprintsInSourceOrder) {
  Evidence evidence;
  evidence.growth_sites = {vector_site("load", 900'000), vector_site("load", 500'000)};
  evidence.growth_sites[0].user.line = 20;
  const std::vector<Finding> findings = diagnose(evidence, {});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_NE(findings[0].fingerprint, findings[1].fingerprint);
  // The first line keeps the plain fingerprint, whichever costs more.
  evidence.growth_sites = {vector_site("load", 500'000)};
  EXPECT_EQ(diagnose(evidence, {})[0].fingerprint, findings[1].fingerprint);
}

TEST(Diagnose, SaysNothingAboutAProgramThatAllocatedNothing) {
  EXPECT_TRUE(diagnose(Evidence(), {}).empty());
}

TEST(Diagnose, SurvivesSitesWithNothingFilledIn) {
  Evidence evidence;
  for (int verdict = 0; verdict <= static_cast<int>(evidence::Verdict::kWeak); ++verdict) {
    GrowthSite site;
    site.verdict = static_cast<evidence::Verdict>(verdict);
    evidence.growth_sites.push_back(site);
    site.links = UINT64_MAX;
    site.copied_bytes = site.stall_ns_total = site.stall_ns_max = UINT64_MAX;
    site.credible_stall_ns_total = site.credible_stall_ns_max = UINT64_MAX;
    site.final.max = site.first.p50 = site.overlap_bytes_at_peak = UINT64_MAX;
    site.element_bytes = site.arithmetic_links = site.presized_chains = 1;
    site.slack_blocks = site.slack_painted_bytes = site.slack_unused_bytes = UINT64_MAX;
    evidence.growth_sites.push_back(site);
    site.law = evidence::GrowthLaw::kArithmetic;
    site.arithmetic_links = UINT64_MAX;
    evidence.growth_sites.push_back(site);
  }
  evidence.process.live_bytes_max = 1;
  evidence.process.duration_ns = UINT64_MAX;
  evidence.allocation_sites.resize(2);
  evidence.allocation_sites[1].live_bytes_max = UINT64_MAX;
  evidence.allocation_sites[1].allocations = UINT64_MAX;
  evidence.allocation_sites[1].live_series.fill(UINT64_MAX);
  for (const Finding& finding : diagnose(evidence, {})) {
    EXPECT_FALSE(finding.title.empty());
    EXPECT_EQ(finding.fingerprint.size(), 16u);
  }
}

TEST(Registry, NamesEveryDetectorOnceWithASentence) {
  std::set<std::string> names;
  for (const Detector& detector : detectors()) {
    EXPECT_TRUE(names.insert(detector.name).second) << detector.name;
    EXPECT_THAT(detector.summary, testing::EndsWith("."));
  }
}

}  // namespace
}  // namespace ullage::diagnose

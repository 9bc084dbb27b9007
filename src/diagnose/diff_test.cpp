// SPDX-License-Identifier: Apache-2.0
#include "diagnose/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/reports/sample_testing.h"

namespace ullage::diagnose {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Diff, FindsNothingBetweenARunAndItself) {
  const Difference same = diff(sample_evidence(), sample_evidence());
  EXPECT_EQ(same.count(Change::kSame), 2u);
  EXPECT_EQ(same.sites.size(), 2u);
}

TEST(Diff, CallsAPlaceFixedWhenItStoppedGrowing) {
  evidence::Evidence after = sample_evidence();
  after.growth_sites.erase(after.growth_sites.begin());
  const Difference difference = diff(sample_evidence(), after);
  ASSERT_EQ(difference.count(Change::kFixed), 1u);
  EXPECT_EQ(difference.sites[0].change, Change::kFixed);
  EXPECT_EQ(difference.sites[0].where.function, "load_orders");
  EXPECT_EQ(difference.sites[0].after.links, 0u);
  EXPECT_EQ(difference.sites[0].after.copied_bytes, 0u);
}

TEST(Diff, FollowsAPlaceThroughMovedLinesAndRebuilds) {
  evidence::Evidence after = sample_evidence();
  after.growth_sites[0].user.line = 131;
  after.growth_sites[0].user.offset = 0x999;
  after.growth_sites[0].user.file = "/elsewhere/orders.cpp";
  after.growth_sites[0].growth.function += ".isra.0";
  EXPECT_EQ(diff(sample_evidence(), after).count(Change::kSame), 2u);
}

TEST(Diff, LetsCountsDecideBeforeClocks) {
  evidence::Evidence after = sample_evidence();
  after.growth_sites[0].copied_bytes /= 2;
  after.growth_sites[0].credible_stall_ns_total *= 3;  // a busy machine
  EXPECT_EQ(diff(sample_evidence(), after).count(Change::kBetter), 1u);
  after = sample_evidence();
  after.growth_sites[0].credible_stall_ns_total =
      after.growth_sites[0].credible_stall_ns_total * 13 / 10;
  EXPECT_EQ(diff(sample_evidence(), after).count(Change::kSame), 2u);
  after.growth_sites[0].credible_stall_ns_total *= 3;
  EXPECT_EQ(diff(sample_evidence(), after).count(Change::kWorse), 1u);
}

TEST(Diff, DoesNotCallAPlaceFixedThatOnlyLostItsProof) {
  evidence::Evidence after = sample_evidence();
  after.growth_sites[0].verdict = evidence::Verdict::kWeak;
  EXPECT_EQ(diff(sample_evidence(), after).count(Change::kFixed), 0u);
}

TEST(Diff, CallsGrowthThatNowHappensInPlaceFixed) {
  evidence::Evidence after = sample_evidence();
  after.growth_sites[0].in_place_links = after.growth_sites[0].links;
  after.growth_sites[0].copied_bytes = 0;
  EXPECT_EQ(diff(sample_evidence(), after).count(Change::kFixed), 1u);
}

TEST(Diff, TellsWhatGotWorseBeforeWhatGotBetter) {
  evidence::Evidence before = sample_evidence();
  evidence::Evidence after = sample_evidence();
  after.growth_sites.erase(after.growth_sites.begin());
  after.growth_sites[0].copied_bytes *= 3;
  after.process.source = "after.ulg";
  const std::string text = diff_text(diff(before, after), {});
  EXPECT_EQ(text, R"(1 place worse, 1 fixed
  all places: growths 420 -> 400 (-4.8 %); copied 34.4 MB -> 2.4 MB (-93 %); stalls 122 ms -> 300 us
    (-99.8 %); worst stall 46.7 ms -> 20 us (-100 %); old and new side by side 16.8 MB -> 0 B
    (-100 %).
  live memory at most: 412 MB as before

  worse   std::string, page.cpp:7 in render
    growths 400 as before; copied 800 kB -> 2.4 MB (+200 %); stalls 300 us as before; worst stall
      20 us as before.
  fixed   std::vector<Order>, orders.cpp:88 in load_orders
    growths 20 -> 0 (-100 %); copied 33.6 MB -> 0 B (-100 %); stalls 122 ms -> 0 ns (-100 %); worst
      stall 46.7 ms -> 0 ns (-100 %); old and new side by side 16.8 MB -> 0 B (-100 %).

Next: ullage diagnose after.ulg
)");
}

TEST(Diff, SaysSoWhenNothingGrewAndWhenTheProgramsDiffer) {
  EXPECT_THAT(diff_text(diff({}, {}), {}), StartsWith("Nothing grew by copying"));
  evidence::Evidence other = sample_evidence();
  other.process.program = "mill";
  EXPECT_THAT(diff_text(diff(sample_evidence(), other), {}),
              HasSubstr("different programs: shop and mill"));
}

}  // namespace
}  // namespace ullage::diagnose

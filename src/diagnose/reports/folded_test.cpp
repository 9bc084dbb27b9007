// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "diagnose/reports/html_sample_testing.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FoldedReport, HasOneLinePerStackOutermostFirstWithItsCopiedBytes) {
  evidence::Evidence evidence;
  evidence.growth_sites = {sample::orders_site(), sample::log_site()};
  EXPECT_EQ(folded_report(evidence, {}, {}),
            "main;checkout::serve;checkout::Book::load;checkout::Book::add;"
            "std::vector<checkout::Order>::push_back;"
            "std::vector<checkout::Order>::_M_realloc_insert<checkout::Order> 3221225472\n"
            "main;checkout::serve;checkout::audit;log_append 1610612736\n");
}

TEST(FoldedReport, AddsUpSitesThatShareAStack) {
  evidence::Evidence evidence;
  evidence.growth_sites = {sample::log_site(), sample::log_site()};
  EXPECT_EQ(folded_report(evidence, {}, {}),
            "main;checkout::serve;checkout::audit;log_append 3221225472\n");
}

TEST(FoldedReport, LeavesOutGrowthThatIsNotProven) {
  evidence::Evidence evidence;
  evidence.growth_sites = {sample::weak_site()};
  EXPECT_EQ(folded_report(evidence, {}, {}), "");
}

TEST(FoldedReport, ANameCannotEndItsFrameOrItsLine) {
  evidence::Evidence evidence;
  evidence.growth_sites = {sample::log_site()};
  evidence.growth_sites[0].stack[0].function = "a;b\nc 12\n";
  const std::string text = folded_report(evidence, {}, {});
  EXPECT_THAT(text, HasSubstr(";a:b c 12  1610612736\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

}  // namespace
}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
#include "diagnose/growth_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ullage::diagnose {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(GrowthCounts, AreSummedByKindWhateverTheVersionCallsIt) {
  evidence::Incident incident;
  EXPECT_EQ(growth_counts_text(incident), "");
  incident.metrics = {{"calls:runtime.growslice", 12345, 0, 0},
                      {"calls:internal/runtime/maps.(*table).grow", 4, 0, 0},
                      {"calls:internal/runtime/maps.(*table).split", 3, 0, 0},
                      {"calls:runtime.copystack", 0, 0, 0},
                      {"/gc/cycles/total:gc-cycles", 9, 0, 0}};
  EXPECT_EQ(growth_counts_text(incident),
            "12 345 slices that grew, 7 map growths, 0 stacks copied");
}

TEST(GrowthCounts, StandBesideFindingsOfTheirKindAndNoOther) {
  evidence::Incident incident;
  incident.metrics = {{"calls:runtime.hashGrow", 7, 0, 0}};
  std::vector<Finding> findings(2);
  findings[0].family = "append";
  findings[1].family = "map";
  tell_growth_counts(incident, findings);
  EXPECT_THAT(findings[0].evidence, IsEmpty());
  EXPECT_THAT(findings[1].evidence,
              ElementsAre("In the whole program probes counted 7 map growths."));
}

}  // namespace
}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/common.h"

#include <gtest/gtest.h>

namespace ullage::diagnose {
namespace {

TEST(BelowRoot, TakesOffTheRootAndNothingElse) {
  EXPECT_EQ(below_root("/src/shop/a.cpp", "/src/shop"), "a.cpp");
  EXPECT_EQ(below_root("/src/shop/a.cpp", "/src/shop/"), "a.cpp");
  EXPECT_EQ(below_root("/src/shopping/a.cpp", "/src/shop"), "/src/shopping/a.cpp");
  EXPECT_EQ(below_root("/usr/include/v.h", "/src/shop"), "/usr/include/v.h");
  EXPECT_EQ(below_root("a.cpp", ""), "a.cpp");
  EXPECT_EQ(below_root("/a.cpp", "/"), "a.cpp");
}

TEST(CostText, LeadsWithTimeAndFallsBackToCounts) {
  Cost cost;
  EXPECT_EQ(cost_text(cost), "");
  cost.events = 12;
  EXPECT_EQ(cost_text(cost), "12 growths");
  cost.copied_bytes = 30'600'000;
  cost.stall_ns = 412'000'000;
  cost.stall_ns_max = 97'000'000;
  EXPECT_EQ(cost_text(cost), "412 ms of stalls, worst 97 ms; 30.6 MB copied");
}

TEST(UnderstoodText, SaysHowMuchWasLost) {
  evidence::Understood understood;
  understood.bytes_total = 1000;
  understood.bytes_used = 1000;
  EXPECT_EQ(understood_text(understood), "all of 1 kB understood");
  understood.segments_dropped = 1;
  EXPECT_EQ(understood_text(understood), "100 % of 1 kB understood, 1 dropped segment");
  understood.bytes_used = 0;
  understood.segments_damaged = 2;
  EXPECT_EQ(understood_text(understood),
            "0 % of 1 kB understood, 2 damaged segments, 1 dropped segment");
}

}  // namespace
}  // namespace ullage::diagnose

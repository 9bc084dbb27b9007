// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"

#include <gtest/gtest.h>

namespace ullage {

const std::vector<std::string> kVerbs = {"record", "diagnose", "diff", "version"};

TEST(Suggest, FindsTheVerbBehindATypo) {
  EXPECT_EQ(nearest("recrod", kVerbs), "record");
  EXPECT_EQ(nearest("diagnos", kVerbs), "diagnose");
  EXPECT_EQ(nearest("dif", kVerbs), "diff");
  EXPECT_EQ(nearest("verison", kVerbs), "version");
}

TEST(Suggest, TakesABeginningForTheWord) { EXPECT_EQ(nearest("diag", kVerbs), "diagnose"); }

TEST(Suggest, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest("frobnicate", kVerbs), "");
  EXPECT_EQ(nearest("", kVerbs), "");
  EXPECT_EQ(nearest(std::string(10000, 'r'), kVerbs), "");
}

}  // namespace ullage

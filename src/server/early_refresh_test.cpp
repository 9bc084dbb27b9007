// SPDX-License-Identifier: Apache-2.0
#include "server/early_refresh.h"

#include <gtest/gtest.h>

namespace ullage::server {
namespace {

TEST(EarlyRefresh, TellsOneAndAnotherWhenHalfOfWhatIsLeftHasPassed) {
  EarlyRefresh early;
  EXPECT_TRUE(early.take(7, 10'000, 8'000));
  for (std::uint64_t now = 8'000; now < 9'000; now += 100) EXPECT_FALSE(early.take(7, 10'000, now));
  EXPECT_TRUE(early.take(7, 10'000, 9'000)) << "the first has not written it anew";
  EXPECT_FALSE(early.take(7, 10'000, 9'499));
  EXPECT_TRUE(early.take(7, 10'000, 9'500));
  EXPECT_TRUE(early.take(7, 10'000, 9'999));
  EXPECT_FALSE(early.take(7, 10'000, 9'999)) << "a reader at most a millisecond";
}

TEST(EarlyRefresh, AnEntryThatWasWrittenAnewIsAnotherOne) {
  EarlyRefresh early;
  EXPECT_TRUE(early.take(7, 10'000, 8'000));
  EXPECT_TRUE(early.take(7, 10'500, 8'100));
  EXPECT_FALSE(early.take(7, 10'500, 8'100));
}

TEST(EarlyRefresh, KeysDoNotShareATurn) {
  EarlyRefresh early;
  EXPECT_TRUE(early.take(std::uint64_t{1} << 16, 10'000, 8'000));
  EXPECT_TRUE(early.take(std::uint64_t{2} << 16, 10'000, 8'000));
  EXPECT_FALSE(early.take(std::uint64_t{1} << 16, 10'000, 8'000));
}

}  // namespace
}  // namespace ullage::server

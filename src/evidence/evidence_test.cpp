// SPDX-License-Identifier: Apache-2.0
#include "evidence/evidence.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ullage::evidence {
namespace {

TEST(Frame, IsPlacedByFileAndLineWhenTheyAreKnown) {
  Frame f;
  f.function = "load";
  f.module = "app";
  f.file = "/home/me/src/main.cpp";
  f.line = 88;
  EXPECT_EQ(f.place(), "main.cpp:88");
  f.line = 0;
  EXPECT_EQ(f.place(), "main.cpp");
}

TEST(Frame, WithoutLinesIsPlacedByFunctionAndModule) {
  Frame f;
  f.function = "load";
  f.module = "libfoo.so";
  EXPECT_EQ(f.place(), "load in libfoo.so");
  EXPECT_EQ(f.label(), "load");
}

TEST(Frame, AGuessedNameIsMarkedAsAGuess) {
  Frame f;
  f.function = "name";
  f.module = "libfoo.so";
  f.exact = false;
  f.symbol_offset = 0x10;
  EXPECT_EQ(f.place(), "~name+0x10 in libfoo.so");
  EXPECT_EQ(f.label(), "~name+0x10");
}

TEST(Frame, AnUnknownFunctionIsAnOffsetInItsModule) {
  Frame f;
  f.module = "libfoo.so";
  f.offset = 0x1234;
  EXPECT_EQ(f.place(), "libfoo.so+0x1234");
  EXPECT_EQ(f.label(), "libfoo.so+0x1234");
  EXPECT_EQ(Frame{}.label(), "?+0x0");
}

TEST(Verdict, EachHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int v = 0; v <= static_cast<int>(Verdict::kWeak); ++v) {
    names.insert(to_string(static_cast<Verdict>(v)));
  }
  EXPECT_EQ(names.size(), 8u);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Verdict, FindingsStandOnAllButReplaceAndWeak) {
  EXPECT_TRUE(strong(Verdict::kReported));
  EXPECT_TRUE(strong(Verdict::kRealloc));
  EXPECT_TRUE(strong(Verdict::kContent));
  EXPECT_TRUE(strong(Verdict::kStructure));
  EXPECT_TRUE(strong(Verdict::kSeries));
  EXPECT_TRUE(strong(Verdict::kMixed));
  EXPECT_FALSE(strong(Verdict::kReplace));
  EXPECT_FALSE(strong(Verdict::kWeak));
}

TEST(CopyingNsMax, RisesWithTheBlockAndNeverWraps) {
  EXPECT_EQ(copying_ns_max(0), 100'000u);
  EXPECT_EQ(copying_ns_max(1'000'000), 30'100'000u);
  EXPECT_GE(copying_ns_max(UINT64_MAX), copying_ns_max(UINT64_MAX / 30));
  EXPECT_GT(copying_ns_max(UINT64_MAX), UINT64_MAX - 30);
}

TEST(GrowthLaw, EachHasANameOfItsOwn) {
  EXPECT_STREQ(to_string(GrowthLaw::kGeometric), "geometric");
  EXPECT_STREQ(to_string(GrowthLaw::kArithmetic), "arithmetic");
  EXPECT_STREQ(to_string(GrowthLaw::kOneShot), "one-shot");
  EXPECT_STREQ(to_string(GrowthLaw::kIrregular), "irregular");
}

}  // namespace
}  // namespace ullage::evidence

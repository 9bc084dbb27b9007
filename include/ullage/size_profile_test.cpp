// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ullage/detail/size_profile.h>

#include <string>

namespace {

using namespace ullage::detail;  // NOLINT(google-build-using-namespace)
using testing::HasSubstr;
using ullage::size_sketch;

run_sizes run_of(std::initializer_list<std::pair<std::uint64_t, std::uint32_t>> sizes) {
  run_sizes run;
  for (const auto& [size, times] : sizes) {
    run.counts[size_sketch::bucket_of(size)] += times;
    run.max = std::max(run.max, size);
  }
  run.element_bytes = 8;
  return run;
}

size_profile profile_of(std::initializer_list<run_sizes> runs) {
  size_profile profile;
  for (const run_sizes& run : runs) {
    profile.begin_run();
    profile.add("orders.by_id", run);
  }
  return profile;
}

const std::string kGood =
    "ullage-experience 1\n"
    "# a comment\n"
    "saves 3\n"
    "site orders by id\n"
    "  runs 2\n"
    "  containers 40\n"
    "  seen 3\n"
    "  element_bytes 16\n"
    "  max 1000\n"
    "  sizes 100:5000 1023:700\n"
    "end 1\n";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(SizeProfile, WhatIsPrintedIsReadAgain) {
  size_profile profile = profile_of({run_of({{10, 3}, {5000, 1}}), run_of({{0, 1}})});
  profile.add("odd \t%\n\x7f name", run_of({{UINT64_MAX, 7}}));
  const std::string text = profile.print();
  size_profile again;
  profile_error error;
  ASSERT_TRUE(again.parse(text, error)) << error.text;
  EXPECT_EQ(again.print(), text);
  EXPECT_EQ(again.saves, 2u);
  ASSERT_NE(again.find("odd \t%\n\x7f name"), nullptr);
  EXPECT_EQ(again.find("odd \t%\n\x7f name")->max, UINT64_MAX);
  EXPECT_EQ(again.find("orders.by_id")->containers, 5u);
}

TEST(SizeProfile, ReadsItsDocumentedForm) {
  size_profile profile;
  profile_error error;
  ASSERT_TRUE(profile.parse(kGood, error)) << error.text;
  const site_profile* site = profile.find("orders by id");
  ASSERT_NE(site, nullptr);
  EXPECT_EQ(site->runs, 2u);
  EXPECT_EQ(site->containers, 40u);
  EXPECT_EQ(site->element_bytes, 16u);
  EXPECT_EQ(site->quantile(0.5), 103u) << "sizes are within an eighth: the end of their bucket";
  EXPECT_EQ(site->quantile(0.95), 1000u) << "but never above the largest";
  EXPECT_EQ(profile.find("orders"), nullptr);
}

TEST(SizeProfile, SaysWhereAndWhatWasExpectedOfEverythingElse) {
  const struct {
    std::string from, to;
    std::size_t line;
    const char* says;
  } kCases[] = {
      {"ullage-experience 1", "GIF89a", 1, "not a profile"},
      {"ullage-experience 1", "ullage-experience 2", 1, "reads version 1"},
      {"ullage-experience 1", "ullage-experience one", 1, "expected a version"},
      {"saves 3", "saves x", 3, "expected \"saves NUMBER\""},
      {"site orders by id", "sight orders", 4, "expected \"site NAME\""},
      {"site orders by id", "site bad%2", 4, "broken %"},
      {"  runs 2", "  runs -2", 5, "NUMBER"},
      {"  runs 2", "  runs 99999999999999999999", 5, "NUMBER"},
      {"  containers 40", "  containers 40 ", 6, "NUMBER"},
      {"  element_bytes 16", "  element_bytes 99999999999", 8, "4 GiB"},
      {"  max 1000", "  max 5", 10, "not among the largest"},
      {"100:5000", "100:0", 10, "above 0"},
      {"100:5000", "100:99999999", 10, "at most"},
      {"100:5000", "2000:5000", 10, "don't rise"},
      {"100:5000", "100=5000", 10, "SIZE:WEIGHT"},
      {" 100:5000 1023:700", "", 10, "without sizes"},
      {"end 1", "end 2", 11, "count the 1 sites"},
      {"end 1\n", "end 1", 11, "ends early"},
      {"end 1\n", "", 11, "ends early"},
      {"end 1\n", "end 1\nmore\n", 11, "behind \"end\""},
  };
  for (const auto& c : kCases) {
    size_profile profile;
    profile_error error;
    EXPECT_FALSE(profile.parse(replaced(kGood, c.from, c.to), error)) << c.to;
    EXPECT_EQ(error.line, c.line) << c.to << ": " << error.text;
    EXPECT_THAT(error.text, HasSubstr(c.says));
    EXPECT_TRUE(profile.sites.empty()) << "never half a profile";
  }
  std::string twice = kGood;
  twice.insert(twice.find("end 1"), kGood.substr(kGood.find("site"), kGood.find("end") - 37));
  size_profile profile;
  profile_error error;
  EXPECT_FALSE(profile.parse(twice, error));
  EXPECT_THAT(error.text, HasSubstr("second time"));
}

TEST(SizeProfile, EveryPrefixOfAProfileIsAnErrorAndNotHalfAProfile) {
  for (std::size_t n = 0; n < kGood.size(); ++n) {
    size_profile profile;
    profile_error error;
    EXPECT_FALSE(profile.parse(std::string_view(kGood).substr(0, n), error)) << n;
    EXPECT_FALSE(error.text.empty());
  }
}

TEST(SizeProfile, ARunWeighsTheSameHoweverManyContainersItHad) {
  const size_profile profile = profile_of({run_of({{10, 1}}), run_of({{1000, 1'000'000}})});
  const site_profile& site = *profile.find("orders.by_id");
  EXPECT_EQ(site.runs, 2u);
  EXPECT_EQ(site.containers, 1'000'001u);
  EXPECT_LE(site.quantile(0.45), 10u);
  EXPECT_GE(site.quantile(0.55), 1000u);
}

TEST(SizeProfile, OldRunsFadeAndNumbersStayBounded) {
  size_profile profile = profile_of({run_of({{1'000'000, 1}})});
  int runs = 1;
  for (; profile.find("orders.by_id")->quantile(0.95) > 1000 && runs < 100; ++runs) {
    profile.begin_run();
    profile.add("orders.by_id", run_of({{100, 5}}));
  }
  EXPECT_LE(runs, 24) << "(7/8)^n is below 5 % from 23 runs on";
  EXPECT_GE(runs, 10) << "but one odd run does not wipe out what is known";
  for (; runs < 500; ++runs) {
    profile.begin_run();
    profile.add("orders.by_id", run_of({{100, UINT32_MAX}, {7, 1}, {13, UINT32_MAX}}));
  }
  const site_profile& site = *profile.find("orders.by_id");
  EXPECT_LE(site.total(), kSiteWeightMax);
  EXPECT_EQ(site.max, size_sketch::upper_end(size_sketch::bucket_of(100)))
      << "the largest fades with its bucket";
  size_profile again;
  profile_error error;
  EXPECT_TRUE(again.parse(profile.print(), error)) << error.text;
}

TEST(SizeProfile, ALargerSizeShowsAtOnce) {
  size_profile profile;
  for (int i = 0; i < 50; ++i) {
    profile.begin_run();
    profile.add("orders.by_id", run_of({{100, 5}}));
  }
  profile.begin_run();
  profile.add("orders.by_id", run_of({{10'000, 5}}));
  EXPECT_EQ(profile.find("orders.by_id")->quantile(0.95), 10'000u);
}

TEST(SizeProfile, DropsTheSitesNotSeenForTheLongestTime) {
  size_profile profile;
  for (std::size_t i = 0; i < kProfileSitesMax + 3; ++i) {
    if (i % 1000 == 0) profile.begin_run();
    profile.add("site " + std::to_string(i), run_of({{i, 1}}));
  }
  profile.begin_run();
  profile.add("site 0", run_of({{1, 1}}));
  profile.drop_oldest(kProfileSitesMax);
  EXPECT_EQ(profile.sites.size(), kProfileSitesMax);
  EXPECT_NE(profile.find("site 0"), nullptr) << "it was seen again";
  EXPECT_NE(profile.find("site 4000"), nullptr);
}

TEST(SizeProfile, LongNamesAreCutAndFoundAgain) {
  const std::string name(1000, 'x');
  size_profile profile;
  profile.add(name, run_of({{5, 1}}));
  EXPECT_NE(profile.find(name), nullptr);
  EXPECT_EQ(profile.sites.begin()->first.size(), kProfileNameBytesMax);
}

}  // namespace

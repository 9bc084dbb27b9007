// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <ullage/site.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using ullage::growth_site;

std::vector<std::string> listed(const std::string& prefix) {
  std::vector<std::string> names;
  growth_site::each([&](growth_site& site) {
    if (std::string(site.name()).starts_with(prefix)) names.emplace_back(site.name());
  });
  std::sort(names.begin(), names.end());
  return names;
}

static_assert(sizeof(growth_site) <= 2150, "2.1 KiB is what the header says");

TEST(Site, JoinsAndLeavesTheListInAnyOrder) {
  auto a = std::make_unique<growth_site>("join.a");
  auto b = std::make_unique<growth_site>("join.b");
  auto c = std::make_unique<growth_site>("join.c");
  EXPECT_EQ(listed("join."), (std::vector<std::string>{"join.a", "join.b", "join.c"}));
  b.reset();
  EXPECT_EQ(listed("join."), (std::vector<std::string>{"join.a", "join.c"}));
  c.reset();
  b = std::make_unique<growth_site>("join.b");
  a.reset();
  EXPECT_EQ(listed("join."), (std::vector<std::string>{"join.b"}));
  b.reset();
  EXPECT_TRUE(listed("join.").empty());
}

TEST(Site, OneBelowAnotherIsNotListedAndPassesItsSizesOn) {
  growth_site parent("below.parent");
  growth_site own(parent);
  EXPECT_EQ(listed("below.").size(), 1u);
  EXPECT_STREQ(own.name(), "below.parent");
  EXPECT_EQ(own.parent(), &parent);
  own.remember(100);
  parent.remember(7);
  EXPECT_EQ(own.sizes().count(), 1u);
  EXPECT_EQ(parent.sizes().count(), 2u);
  EXPECT_EQ(parent.sizes().max(), 100u);
}

TEST(Site, ExpectsWhatItsParentDoesUnlessItKnowsBetter) {
  growth_site parent("expect.parent");
  growth_site own(parent);
  EXPECT_EQ(own.expected(), 0u);
  EXPECT_EQ(own.provenance(), nullptr);
  static const ullage::size_origin origin{.file = "f", .runs = 3};
  parent.expect(500, &origin);
  EXPECT_EQ(own.expected(), 500u);
  EXPECT_EQ(own.provenance(), &origin);
  own.expect(20);
  EXPECT_EQ(own.expected(), 20u);
  EXPECT_EQ(own.provenance(), nullptr) << "this one the program said";
  EXPECT_EQ(parent.expected(), 500u);
}

growth_site& here() { return ullage::site_here(); }

TEST(SiteHere, IsTheSameForALineAndAnotherForAnother) {
  growth_site& first = here();
  EXPECT_EQ(&first, &here());
  EXPECT_NE(&first, &ullage::site_here());
  const std::string name = first.name();
  EXPECT_TRUE(name.starts_with("site_test.cpp:")) << name;
  EXPECT_TRUE(name.ends_with(" here")) << name;
  EXPECT_EQ(listed("site_test.cpp").size(), 2u);
}

TEST(SiteHere, GivesAllThreadsTheSameSite) {
  std::atomic<int> ready{0};
  growth_site* seen[4] = {};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&ready, &seen, t] {
      ++ready;
      while (ready != 4) std::this_thread::yield();
      for (std::uint32_t line = 1; line <= 200; ++line) {
        seen[t] = &ullage::site_here({"many_threads.cpp", "f", line});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const growth_site* site : seen) EXPECT_EQ(site, seen[0]);
  EXPECT_EQ(listed("many_threads.cpp:").size(), 200u);
}

TEST(Site, SurvivesThreadsThatMakeDestroyAndVisit) {
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  std::uint64_t visits = 0;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&stop] {
      while (!stop) {
        growth_site a("churn.a");
        growth_site b("churn.b");
        a.remember(1);
      }
    });
  }
  for (int i = 0; i < 2000 || visits == 0; ++i)
    growth_site::each([&visits](growth_site&) { ++visits; });
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GT(visits, 0u);
  EXPECT_TRUE(listed("churn.").empty());
}

int fill_the_table() {
  const growth_site* last = nullptr;
  for (std::uint32_t line = 0; line < ullage::kSitesHereMax + 10; ++line) {
    last = &ullage::site_here({"full.cpp", "f", line});
  }
  if (std::string(last->name()) != "(more places)") return 1;
  if (last != &ullage::site_here({"other.cpp", "f", 1})) return 2;
  return std::string(ullage::site_here({"full.cpp", "f", 0}).name()) == "full.cpp:0 f" ? 0 : 3;
}

TEST(SiteHere, LinesBeyondTheTableShareOneSite) {
  EXPECT_EXIT(std::_Exit(fill_the_table()), testing::ExitedWithCode(0), "");  // for good: a child
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "trace/native/containers.h"

#include <gtest/gtest.h>

#include <string>

#include "trace/native/script_for_tests.h"

namespace ullage::trace {
namespace {

using Tag = record::Tag;

// An array that grows through the allocator: new block, copy, old block, and then what it tells.
struct Told : Script {
  std::uint32_t user = stack({{1, 8}, {2, 16}});
  std::uint32_t grow = stack({{1, 8}, {2, 16}, {3, 24}});
  std::uint32_t give_back = stack({{1, 8}, {2, 16}, {3, 32}});

  void grows(std::uint64_t from, std::uint64_t to, std::uint64_t size) {
    alloc(to, 2 * size, grow);
    free(Tag::kFreeContent, from, give_back);
  }
};

constexpr std::uint64_t kLong = 1'000'000'000;  // ns: every event of a script lies within

TEST(Containers, AGrowthClaimsTheLinkThatEndedWhileItLasted) {
  Told s;
  s.alloc(0x1000, 512, s.user);
  s.grows(0x1000, 0x2000, 512);
  s.grew("orders", 64, s.user, 200);
  s.grows(0x2000, 0x4000, 1024);
  s.grew("orders", 128, s.user, 200);
  s.ended("orders", 200);
  const Linker& linker = s.run();
  ASSERT_EQ(linker.containers().sites().size(), 1u);
  const ContainerTotals& site = linker.containers().sites()[0];
  EXPECT_EQ(site.name, "orders");
  EXPECT_EQ(site.growths, 2u);
  EXPECT_EQ(site.linked, 2u);
  EXPECT_EQ(site.alone, 0u);
  EXPECT_EQ(site.moved_bytes, (64 + 128) * 8u);
  EXPECT_EQ(site.ended.max(), 200u);
  EXPECT_TRUE(linker.containers().worst().empty()) << "told once, by the link";
  std::uint64_t votes = 0;
  for (const auto& [place, v] : linker.containers().places()) votes += v.links;
  EXPECT_EQ(votes, 2u);
}

TEST(Containers, AnEarlierLinkOrOneOfAnotherThreadIsNotThisGrowths) {
  Told s;
  s.alloc(0x1000, 512, s.user);
  s.grows(0x1000, 0x2000, 512);
  s.wait(1'000'000'000);
  s.grew("late", 64, s.user, 10);
  s.grows(0x2000, 0x4000, 1024);
  s.thread(2);
  s.grew("elsewhere", 64, s.user, kLong);
  s.thread(1);
  s.grew("here", 64, s.user, kLong);
  s.grew("here", 64, s.user, kLong);
  const Containers& containers = s.run().containers();
  const auto& sites = containers.sites();
  ASSERT_EQ(sites.size(), 3u);
  EXPECT_EQ(sites[0].linked, 0u);
  EXPECT_EQ(sites[1].linked, 0u);
  EXPECT_EQ(sites[2].linked, 1u) << "and one link is one growth";
  EXPECT_EQ(sites[2].alone, 1u);
  EXPECT_EQ(containers.worst().size(), 3u);
}

TEST(Containers, FirstMemoryAndNoticesAreNoGrowth) {
  Told s;
  s.grew("cache", 0, s.user, 10, 0);   // first
  s.grew("cache", 0, s.user, 10, 11);  // denied
  s.grew("cache", 0, s.user, 10, 10);  // degraded
  s.grew("cache", 0, s.user, 10, 12);  // poor_hash
  s.grew("cache", 0, s.user, 10, 99);  // of a later version
  const auto& sites = s.run().containers().sites();
  ASSERT_EQ(sites.size(), 1u);
  EXPECT_EQ(sites[0].growths, 0u);
  EXPECT_EQ(sites[0].denied, 1u);
  EXPECT_EQ(sites[0].degraded, 1u);
  EXPECT_EQ(sites[0].poor_hash, 1u);
}

TEST(Containers, AStallIsNoLongerThanMovingCanTake) {
  Told s;
  s.grew("slow", 100, s.user, kLong);
  const ContainerTotals& site = s.run().containers().sites()[0];
  EXPECT_EQ(site.stall_ns_max, kLong);
  EXPECT_EQ(site.alone_credible_ns_max, evidence::copying_ns_max(800));
}

TEST(Containers, SitesBeyondTheLimitAreSummed) {
  Told s;
  for (std::size_t i = 0; i < kContainerSitesMax + 10; ++i) {
    static std::vector<std::string> names;
    if (names.empty()) {
      for (std::size_t k = 0; k < kContainerSitesMax + 10; ++k) {
        names.push_back("site " + std::to_string(k));
      }
    }
    s.ended(names[i].c_str(), 1);
  }
  const auto& sites = s.run().containers().sites();
  EXPECT_EQ(sites.size(), kContainerSitesMax + 1);
  EXPECT_EQ(sites.back().name, "(more sites)");
  EXPECT_EQ(sites.back().ended.count(), 10u);
}

TEST(Containers, NumbersThatNoContainerHasDoNotOverflow) {
  Told s;
  s.grew("huge", UINT64_MAX / 4, s.user, UINT64_MAX);
  s.grew("huge", UINT64_MAX / 4, s.user, UINT64_MAX);
  const ContainerTotals& site = s.run().containers().sites()[0];
  EXPECT_EQ(site.moved_bytes, UINT64_MAX);
  EXPECT_EQ(site.stall_ns, UINT64_MAX);
}

}  // namespace
}  // namespace ullage::trace

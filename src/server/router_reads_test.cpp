// SPDX-License-Identifier: Apache-2.0
//
// Reads of large values: how many are under way, and that none is kept beyond the budget.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/read_room.h"
#include "server/router_testing.h"
#include "tier/key.h"

namespace ullage::server {
namespace {

using testing::AnyOf;
using testing::StartsWith;

constexpr std::size_t kValueBytes = 256 << 10;
constexpr std::uint64_t kHotBytes = 16 << 20;

// In the cold tier alone.
void put_below(TieredServer& site, const std::string& key, std::size_t bytes) {
  tier::ColdChange change{.key = key, .entry = {}};
  change.hash = tier::hash_text(key);
  change.entry.value = std::string(bytes, key[0]);
  std::vector<tier::ColdChange> changes;
  changes.push_back(std::move(change));
  site.cold().write(0, std::move(changes), false, 0);
}

class RouterReads : public testing::TestWithParam<unsigned> {
 protected:
  RouterReads() : site(GetParam(), without_sync(), kHotBytes) {}
  static Persistence without_sync() {
    Persistence how;
    how.durability = contract::parse_durability("no").value();
    return how;
  }
  void put(const std::string& key, std::size_t bytes) { put_below(site, key, bytes); }
  std::uint64_t granted() const {
    return site.server().budget().granted_bytes(tier::Component::kClients);
  }
  mutable TieredServer site;
};
INSTANTIATE_TEST_SUITE_P(Threads, RouterReads, testing::Values(1, 3));

TEST_P(RouterReads, AreAskedForInAWindowOfBytes) {
  constexpr int kReads = 200;  // of three times what there is
  for (int i = 0; i < kReads; ++i) put("k" + std::to_string(i), kValueBytes);
  TestClient first(site);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(first.ask("STRLEN k" + std::to_string(i)), ":" + std::to_string(kValueBytes));
  }
  site.evict_all();
  site.cold().hold_reads(true);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < kReads; ++i) {
    clients.push_back(std::make_unique<TestClient>(site));
    clients.back()->send("STRLEN k" + std::to_string(i));
  }
  site.until([&] { return site.sum(&Router::Figures::parked) >= kReads; });
  const std::uint64_t window = GetParam() * ReadRoom::window(kHotBytes, GetParam());
  EXPECT_LE(site.cold().reads_waiting(), std::max<std::uint64_t>(window / kValueBytes, GetParam()));
  EXPECT_GE(site.cold().reads_waiting(), 1u);
  site.cold().hold_reads(false);
  for (auto& each : clients) {
    EXPECT_THAT(each->read(), AnyOf(":" + std::to_string(kValueBytes), StartsWith("-TRYAGAIN")));
  }
  EXPECT_LE(site.server().budget().granted_bytes_max(), kHotBytes);
  // At rest, what stays is for the next ones.
  site.until([&] { return granted() <= window; });
}

TEST_P(RouterReads, AValueThatWaitsIsGranted) {
  put("large", 4 * kValueBytes);
  // Of the same thread, which has both at once.
  std::string b = "b";
  while (tier::Key(0, b).shard(GetParam()) != tier::Key(0, "large").shard(GetParam())) b += 'b';
  put(b, 1);
  TestClient client(site);
  site.cold().hold_reads(true);
  client.send("MGET large " + b);
  site.until([&] { return site.cold().reads_waiting() == 2; });
  site.cold().answer_reads(1);
  site.until([&] { return site.sum(&Router::Figures::read_room) >= 4 * kValueBytes; });
  EXPECT_GE(granted(), 4 * kValueBytes);
  site.cold().hold_reads(false);
  EXPECT_THAT(client.read(), StartsWith("*[$lll"));
  site.until([&] { return granted() < 4 * kValueBytes; });
}

TEST_P(RouterReads, WhatMemoryIsFullForIsReadOnceThereIsRoom) {
  TestClient client(site);
  for (int i = 0; i < 300; ++i)
    client.ask("SET f" + std::to_string(i) + " " + std::string(60'000, 'f'));
  put("large", 4 * kValueBytes);
  EXPECT_THAT(client.ask("GET large").substr(0, 4), "$lll");
  EXPECT_LE(site.server().budget().granted_bytes_max(), kHotBytes);
}

TEST_P(RouterReads, AValueThatNeverFitsIsRefusedAtOnce) {
  put("huge", 2 * kHotBytes);
  put("small", 5);
  TestClient client(site), other(site);
  client.send("GET huge");
  EXPECT_EQ(other.ask("GET small"), "$sssss");
  EXPECT_THAT(client.read(), StartsWith("-TRYAGAIN"));
  EXPECT_GE(site.sum(&Router::Figures::dropped_reads), 1u);
  EXPECT_EQ(client.ask("MULTI"), "+OK");
  EXPECT_EQ(client.ask("DEL other"), "+QUEUED");
  EXPECT_EQ(client.ask("GET small"), "+QUEUED");
  EXPECT_EQ(client.ask("EXEC"), "*[:0,$sssss]");
  EXPECT_LE(site.server().budget().granted_bytes_max(), kHotBytes);
}

// On its way and in memory, then in memory and in the reply.
TEST(RouterLargeReads, TakeTwiceTheirSizeAndNotThrice) {
  constexpr std::size_t kLarge = 9 << 20;
  Persistence how;
  how.durability = contract::parse_durability("no").value();
  for (const std::uint64_t hot_bytes : {std::uint64_t{64} << 20, std::uint64_t{24} << 20}) {
    SCOPED_TRACE(hot_bytes);
    TieredServer site(1, how, hot_bytes, std::uint64_t{1} << 40);
    TestClient client(site);
    put_below(site, "k", kLarge);
    const std::string reply = client.ask("GET k");
    EXPECT_EQ(reply.size(), 1 + kLarge) << reply.substr(0, 100);
    EXPECT_LT(site.server().budget().granted_bytes_max(), kLarge * 5 / 2);
    EXPECT_EQ(client.ask("STRLEN k"), ":" + std::to_string(kLarge));
    EXPECT_EQ(site.sum(&Router::Figures::reads), 1u) << "it is in memory";
  }
}

}  // namespace
}  // namespace ullage::server

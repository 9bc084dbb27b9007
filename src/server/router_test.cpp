// SPDX-License-Identifier: Apache-2.0
//
// The router, in a server of its own over a cold store that does as it is told.
#include "server/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/router_testing.h"

namespace ullage::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

class RouterTest : public testing::TestWithParam<unsigned> {
 protected:
  RouterTest() { begin(lasting("no")); }
  void begin(Persistence how = lasting("no")) {
    site = std::make_unique<TieredServer>(GetParam(), how);
  }
  static Persistence lasting(const char* durability) {
    Persistence how;
    how.durability = contract::parse_durability(durability).value();
    return how;
  }
  tier::MemoryCold& cold() { return site->cold(); }
  std::unique_ptr<TieredServer> site;
};
INSTANTIATE_TEST_SUITE_P(Threads, RouterTest, testing::Values(1, 3));

TEST_P(RouterTest, WhatIsEvictedIsReadBack) {
  TestClient client(*site);
  EXPECT_EQ(client.ask("SET k v PX 100000"), "+OK");
  site->evict_all();
  EXPECT_EQ(client.ask("GET k"), "$v");
  EXPECT_THAT(client.ask("PTTL k"), testing::AnyOf(":100000", StartsWith(":99")));
  EXPECT_EQ(client.ask("GET other"), "$-1");
}

TEST_P(RouterTest, AThousandClientsOfOneColdKeyCostOneRead) {
  TestClient client(*site);
  client.ask("SET k v");
  site->evict_all();
  const std::uint64_t before = cold().figures().reads;
  cold().hold_reads(true);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<TestClient>(*site));
  for (auto& each : clients) {
    for (int i = 0; i < 5; ++i) each->send("GET k");
  }
  site->until([&] { return site->sum(&Router::Figures::parked) >= 1000; });
  cold().hold_reads(false);
  for (auto& each : clients) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(each->read(), "$v");
  }
  EXPECT_EQ(cold().figures().reads, before + 1);
}

TEST_P(RouterTest, CommandsOnAKeyThatIsReadKeepTheirOrder) {
  TestClient client(*site);
  client.ask("SET k old");
  client.ask("SET other 5");
  site->evict_all();
  cold().hold_reads(true);
  for (const char* command :
       {"GET k", "SET k new", "APPEND k er", "GET k", "INCR other", "DEL k", "GET k", "PING"}) {
    client.send(command);
  }
  site->until([&] { return cold().reads_waiting() == 2; });
  cold().hold_reads(false);
  for (const char* reply : {"$old", "+OK", ":5", "$newer", ":6", ":1", "$-1", "+PONG"}) {
    EXPECT_EQ(client.read(), reply);
  }
}

TEST_P(RouterTest, ACommandOverSeveralColdKeysWaitsForAll) {
  TestClient client(*site);
  client.ask("MSET a 1 b 2 c 3 d 4");
  site->evict_all();
  EXPECT_EQ(client.ask("MGET a b a none c"), "*[$1,$2,$1,$-1,$3]");
  site->evict_all();
  EXPECT_EQ(client.ask("RENAME a z"), "+OK");
  site->evict_all();
  EXPECT_EQ(client.ask("COPY z b"), ":0");
  EXPECT_EQ(client.ask("COPY z y DB 3"), ":1");
  EXPECT_EQ(client.ask("EXISTS a b c d z"), ":4");
  client.ask("SELECT 3");
  site->evict_all();
  EXPECT_EQ(client.ask("GET y"), "$1");
  EXPECT_EQ(client.ask("MOVE y 0"), ":1");
  client.ask("SELECT 0");
  site->evict_all();
  EXPECT_EQ(client.ask("GET y"), "$1");
}

TEST_P(RouterTest, AReadThatAWriteOvertookIsNotPutIntoMemory) {
  TestClient client(*site), other(*site);
  client.ask("SET k old");
  site->evict_all();
  cold().hold_reads(true);
  client.send("GET k");
  site->until([&] { return cold().reads_waiting() == 1; });
  other.send("FLUSHALL");
  EXPECT_EQ(other.read(), "+OK");
  cold().hold_reads(false);
  EXPECT_EQ(client.read(), "$-1");
  EXPECT_EQ(other.ask("GET k"), "$-1");
}

TEST_P(RouterTest, WhatIsKnownToBeAbsentIsNotAskedForAgain) {
  TestClient client(*site);
  EXPECT_EQ(client.ask("GET none"), "$-1");
  const std::uint64_t before = cold().figures().reads;
  EXPECT_EQ(client.ask("GET none"), "$-1");
  EXPECT_EQ(client.ask("INCR none"), ":1");
  EXPECT_EQ(client.ask("DEL none"), ":1");
  EXPECT_EQ(client.ask("EXISTS none"), ":0");
  EXPECT_EQ(cold().figures().reads, before);
  client.ask("SET none v");
  site->evict_all();
  EXPECT_EQ(client.ask("GET none"), "$v");
}

TEST_P(RouterTest, ATransactionKnowsItsKeys) {
  TestClient client(*site);
  client.ask("MSET a 1 b 2");
  site->evict_all();
  for (const char* word :
       {"MULTI", "INCR a", "SELECT 4", "SET c 9", "SELECT 0", "MGET a b", "DBSIZE"}) {
    client.ask(word);
  }
  EXPECT_EQ(client.ask("EXEC"), "*[:2,+OK,+OK,+OK,*[$2,$2],:2]");
  site->evict_all();
  EXPECT_EQ(client.ask("WATCH a"), "+OK");
  site->evict_all();
  client.ask("MULTI");
  client.ask("GET b");
  EXPECT_EQ(client.ask("EXEC"), "*[$2]") << "eviction is no change";
  client.ask("WATCH a");
  TestClient(*site).ask("DEL a");
  client.ask("MULTI");
  client.ask("GET b");
  EXPECT_EQ(client.ask("EXEC"), "*-1");
}

TEST_P(RouterTest, TheKeyspaceIsThatOfBothTiers) {
  Persistence how = lasting("no");
  how.prefixes = contract::parse_prefixes("memory:=off").value();
  begin(how);
  TestClient client(*site);
  for (int i = 0; i < 50; ++i) client.ask("SET key:" + std::to_string(i) + " v");
  client.ask("SET memory:1 v");
  site->evict_all();
  EXPECT_EQ(client.ask("DBSIZE"), ":51");
  EXPECT_EQ(client.ask("KEYS memory:*"), "*[$memory:1]");
  EXPECT_EQ(client.ask("KEYS key:4?").size(), std::string("*[]").size() + 10 * 7 + 9);
  std::string cursor = "0", all;
  do {
    const std::string reply = client.ask("SCAN " + cursor + " COUNT 7");
    cursor = reply.substr(3, reply.find(',') - 3);
    all += reply.substr(reply.find(',') + 1);
  } while (cursor != "0");
  for (int i = 0; i < 50; ++i) EXPECT_THAT(all, HasSubstr("$key:" + std::to_string(i)));
  EXPECT_THAT(all, HasSubstr("$memory:1"));
  EXPECT_THAT(client.ask("RANDOMKEY"), testing::AnyOf(StartsWith("$key:"), "$memory:1"));
  EXPECT_EQ(cold().size(), 50u);
}

TEST_P(RouterTest, ATransactionWaitsForADiskThatHangsOnce) {
  TestClient client(*site);
  client.ask("SET k v");
  site->evict_all();
  const auto names = [&] {
    client.ask("MULTI");
    client.ask("KEYS *");
    return client.ask("EXEC");
  };
  const auto least_patience = [&] {
    std::chrono::milliseconds least{1000};
    for (const auto& worker : site->server().workers()) {
      least = std::min(least, worker->router()->patience(std::chrono::milliseconds(1000)));
    }
    return least.count();
  };
  EXPECT_EQ(names(), "*[*[$k]]");
  EXPECT_EQ(least_patience(), 1000);
  // From when the transaction runs on: what was read ahead is one part.
  cold().hold_scans(true, 1);
  EXPECT_THAT(names(), HasSubstr("*[-TRYAGAIN"));
  EXPECT_EQ(least_patience(), 20);
  cold().hold_scans(true, 1);
  EXPECT_THAT(names(), HasSubstr("*[-TRYAGAIN"));
  cold().hold_scans(false);
  site->until([&] { return names() == "*[*[$k]]"; });
  EXPECT_EQ(least_patience(), 1000);
}

TEST_P(RouterTest, NobodyStandsForATransactionWhoseSurveyTheDiskDoesNotAnswer) {
  TestClient client(*site), other(*site);
  client.ask("MSET a v b v");
  site->evict_all();
  other.ask("SET hot v");
  for (const char* word : {"MULTI", "SET c v", "SCAN 0", "KEYS *"}) client.ask(word);
  for (const std::size_t answered : {0u, 1u}) {  // the first of the two is not answered; the second
    SCOPED_TRACE(answered);
    cold().hold_scans(true, answered);
    client.send("EXEC");
    for (const char* key : {"hot", "d", "e", "f"}) {  // of all threads
      EXPECT_EQ(other.ask(std::string("SET ") + key + " v"), "+OK");
    }
    EXPECT_TRUE(client.silent()) << "a thread stands, or it was given up";
    cold().hold_scans(false);
    EXPECT_THAT(client.read(), StartsWith("-TRYAGAIN"));
    EXPECT_EQ(other.ask("EXISTS c"), ":0") << "nothing of it has run";
  }
  // As after any other EXEC that could not be read for, it can be tried again.
  const std::string reply = client.ask("EXEC");
  EXPECT_THAT(reply, StartsWith("*[+OK,*["));
  for (const char* key : {"$a", "$b", "$c", "$d", "$hot"}) EXPECT_THAT(reply, HasSubstr(key));
  client.ask("MULTI");
  client.ask("DBSIZE");
  cold().hold_scans(true);
  client.send("EXEC");
  site->until([&] { return cold().scans_waiting() == 1; });
}

TEST_P(RouterTest, DatabasesSwapAndFlushInBothTiers) {
  TestClient client(*site);
  client.ask("SET k zero");
  client.ask("SELECT 1");
  client.ask("SET k one");
  site->evict_all();
  EXPECT_EQ(client.ask("SWAPDB 0 1"), "+OK");
  EXPECT_EQ(client.ask("GET k"), "$zero");
  site->evict_all();
  EXPECT_EQ(client.ask("FLUSHDB"), "+OK");
  EXPECT_EQ(client.ask("GET k"), "$-1");
  client.ask("SELECT 0");
  EXPECT_EQ(client.ask("GET k"), "$one");
  site->evict_all();
  EXPECT_EQ(client.ask("FLUSHALL"), "+OK");
  EXPECT_EQ(client.ask("GET k"), "$-1");
  EXPECT_EQ(cold().size(), 0u);
}

TEST_P(RouterTest, ASwapIsAcknowledgedWhenItIsDurableAndHoldsNobodyElseUp) {
  TestClient client(*site), other(*site), transaction(*site);
  other.ask("SET k zero");
  cold().hold_syncs(true);
  client.send("SWAPDB 0 1");
  client.send("GET k");
  site->until([&] { return site->sum(&Router::Figures::held) == 1; });
  EXPECT_EQ(other.ask("GET k"), "$-1") << "it has taken place";
  EXPECT_EQ(other.ask("SET k one"), "+OK") << "what nobody asked to be durable does not wait";
  EXPECT_EQ(other.ask("SELECT 1"), "+OK");
  EXPECT_EQ(other.ask("GET k"), "$zero");
  transaction.ask("MULTI");
  transaction.ask("SWAPDB 2 3");
  transaction.send("EXEC");
  EXPECT_TRUE(client.silent());
  EXPECT_TRUE(transaction.silent());
  EXPECT_EQ(cold().note("databases").value().substr(0, 4), "1\n0\n");
  cold().hold_syncs(false);
  EXPECT_EQ(client.read(), "+OK");
  EXPECT_THAT(client.read(), testing::AnyOf("$-1", "$one"));
  EXPECT_EQ(transaction.read(), "*[+OK]");
  EXPECT_EQ(cold().find(1, "k")->value, "one") << "the first database lies there now";
  EXPECT_EQ(cold().find(0, "k")->value, "zero");
}

TEST_P(RouterTest, AlwaysIsAcknowledgedWhenItIsDurable) {
  Persistence how = lasting("always");
  how.prefixes = contract::parse_prefixes("fast:=no").value();
  begin(how);
  TestClient client(*site), other(*site);
  cold().hold_syncs(true);
  client.send("SET k v");
  client.send("GET elsewhere");
  EXPECT_EQ(other.ask("SET fast:k v"), "+OK") << "another prefix does not wait";
  EXPECT_TRUE(client.silent());
  EXPECT_EQ(other.ask("GET k"), "$v");
  cold().hold_syncs(false);
  EXPECT_EQ(client.read(), "+OK");
  EXPECT_EQ(client.read(), "$-1");
  cold().hold_syncs(true);
  client.send("MSET a 1 b 2 c 3 d 4");
  EXPECT_TRUE(client.silent());
  cold().hold_syncs(false);
  EXPECT_EQ(client.read(), "+OK");
}

TEST_P(RouterTest, WhenTheDiskFailsHotKeysAreServedAndErrorsSayWhy) {
  Persistence how = lasting("always");
  how.prefixes = contract::parse_prefixes("memory:=off").value();
  begin(how);
  TestClient client(*site), other(*site);
  client.ask("SET cold v");
  site->evict_all();
  client.ask("SET hot v");
  cold().hold_syncs(true);
  other.send("SET late v");
  EXPECT_TRUE(other.silent());
  cold().fail(true, true, "the disk is gone");
  EXPECT_THAT(other.read(), StartsWith("-MISCONF")) << "it was never durable";
  EXPECT_EQ(client.ask("GET hot"), "$v");
  EXPECT_THAT(client.ask("GET cold"), HasSubstr("the disk is gone"));
  EXPECT_THAT(client.ask("SET hot w"), StartsWith("-MISCONF"));
  EXPECT_THAT(client.ask("MGET hot cold"), StartsWith("-TRYAGAIN"));
  EXPECT_EQ(client.ask("SET memory:k v"), "+OK");
  cold().fail(false, false, "");
  cold().hold_syncs(false);
  EXPECT_EQ(client.ask("GET cold"), "$v");
  EXPECT_EQ(client.ask("SET hot w"), "+OK");
}

TEST_P(RouterTest, WritersWaitWhileTheColdTierIsCongested) {
  TestClient client(*site), other(*site);
  client.ask("SET k v");
  cold().congest(true);
  client.send("SET k w");
  EXPECT_TRUE(client.silent());
  EXPECT_EQ(other.ask("GET k"), "$v");
  cold().congest(false);
  EXPECT_EQ(client.read(), "+OK");
}

TEST_P(RouterTest, AKeyIsWrittenOncePerTurnAsItIsAtTheEnd) {
  TestClient client(*site);
  client.ask("DEL n");
  const std::uint64_t before = cold().figures().writes;
  for (int i = 0; i < 500; ++i) client.append("INCR n");
  client.flush();
  for (int i = 1; i <= 500; ++i) EXPECT_EQ(client.read(), ":" + std::to_string(i));
  site->until([&] { return cold().find(0, "n") && cold().find(0, "n")->value == "500"; });
  EXPECT_LT(cold().figures().writes, before + 100);
}

TEST_P(RouterTest, AClientThatGoesWhileItWaitsIsForgotten) {
  TestClient client(*site);
  client.ask("MSET a 1 b 2");
  site->evict_all();
  cold().hold_reads(true);
  {
    TestClient gone(*site), gone_too(*site);
    gone.send("GET a");
    gone_too.send("WATCH a b");
    site->until([&] { return cold().reads_waiting() >= 2; });
  }
  // The one whose command waits as a copy is noticed at once, the other when it can go on.
  site->until([&] { return site->clients() <= 2; });
  client.send("GET a");
  cold().hold_reads(false);
  EXPECT_EQ(client.read(), "$1");
  site->until([&] { return site->clients() == 1; });
  EXPECT_EQ(client.ask("GET b"), "$2");
}

}  // namespace
}  // namespace ullage::server

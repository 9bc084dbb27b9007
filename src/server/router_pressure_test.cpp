// SPDX-License-Identifier: Apache-2.0
//
// What the router does when the cold tier has more to write than it gets done: the window is kept,
// and writes from other threads and from HTTP wait or are refused like those of its own clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "server/clock.h"
#include "server/errand.h"
#include "server/router_testing.h"

namespace ullage::server {
namespace {

using testing::StartsWith;

Persistence lasting(const char* durability, const char* prefixes = "") {
  Persistence how;
  how.durability = contract::parse_durability(durability).value();
  how.prefixes = contract::parse_prefixes(prefixes).value();
  return how;
}

class RouterPressure : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Threads, RouterPressure, testing::Values(1, 3));

TEST_P(RouterPressure, NothingMoreIsAcknowledgedOnceSomethingIsOlderThanTheWindow) {
  // A minute: only what is made old is.
  TieredServer site(GetParam(), lasting("60s", "fast:=no,memory:=off"));
  TestClient client(site), transaction(site), other(site);
  site.cold().hold_syncs(true);
  EXPECT_EQ(client.ask("SET a 1"), "+OK");
  EXPECT_EQ(client.ask("INCR b"), ":1");
  EXPECT_EQ(transaction.ask("MULTI"), "+OK");
  EXPECT_EQ(transaction.ask("INCR b"), "+QUEUED");
  EXPECT_EQ(site.sum(&Router::Figures::late), 0u);
  site.cold().grow_old();
  for (int i = 0; i < 20; ++i) client.append("SET k" + std::to_string(i) + " v");
  client.flush();
  transaction.send("EXEC");
  EXPECT_TRUE(client.silent());
  EXPECT_TRUE(transaction.silent());
  EXPECT_EQ(other.ask("GET k19"), "$v") << "readers do not wait";
  EXPECT_EQ(other.ask("SET fast:k v"), "+OK") << "another prefix does not wait";
  EXPECT_EQ(other.ask("SET memory:k v"), "+OK");
  site.cold().hold_syncs(false);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.read(), "+OK");
  EXPECT_EQ(transaction.read(), "*[:2]");
  EXPECT_GE(site.sum(&Router::Figures::late), 21u);
  const std::uint64_t before = site.sum(&Router::Figures::late);
  EXPECT_EQ(client.ask("SET a 2"), "+OK");
  EXPECT_EQ(site.sum(&Router::Figures::late), before) << "it has caught up";
}

TEST_P(RouterPressure, AWriteThatIsLateGetsAnErrorWhenTheDiskFails) {
  TieredServer site(GetParam(), lasting("60s"));
  TestClient client(site);
  site.cold().hold_syncs(true);
  EXPECT_EQ(client.ask("SET a 1"), "+OK");
  site.cold().grow_old();
  client.send("SET a 2");
  EXPECT_TRUE(client.silent());
  site.cold().fail(false, true, "the disk is full");
  EXPECT_THAT(client.read(), StartsWith("-MISCONF"));
}

TEST_P(RouterPressure, WhatIsReadAheadIsBoundedAndTheRestIsTold) {
  TieredServer site(GetParam(), lasting("no"));
  TestClient client(site);
  std::string folder = "/tmp/ullage-ahead-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    std::ofstream names(folder + "/names");
    for (int i = 0; i < 100'000; ++i) names << "a-name-of-a-key:" << i << '\n';
  }
  site.cold().hold_reads(true);
  const auto outstanding = [&] {
    std::size_t names = 0;
    for (const auto& worker : site.server().workers()) {
      names += worker->router()->preloads_outstanding();
    }
    return names;
  };
  const std::string command = "ULLAGE.PRELOAD FILE " + folder + "/names";
  EXPECT_EQ(client.ask(command), "+OK");
  site.until([&] { return outstanding() >= 20'000; });
  // One is under way, and so many wait.
  int taken = 0;
  while (client.ask(taken % 2 == 0 ? command : "ULLAGE.PRELOAD a*") == "+OK") ++taken;
  EXPECT_EQ(taken, 16);
  EXPECT_THAT(client.ask("ULLAGE.PRELOAD FILE " + folder), StartsWith("-ERR"));
  EXPECT_THAT(client.ask("ULLAGE.PRELOAD KEYS some"), StartsWith(":1"));
  const std::string word(16'000, 'k');
  int commands = 0;
  while (client.ask("ULLAGE.PRELOAD KEYS " + std::to_string(++commands) + word) == ":1") {
    ASSERT_LT(commands, 400);
  }
  EXPECT_GT(commands, 50);
  EXPECT_THAT(client.ask("ULLAGE.PRELOAD KEYS one"), StartsWith("-TRYAGAIN"));
  EXPECT_LT(outstanding(), 22'000u);
  site.cold().hold_reads(false);
  EXPECT_EQ(client.ask("GET absent"), "$-1");
  std::filesystem::remove_all(folder);
}

TEST_P(RouterPressure, ABudgetThatIsRaisedWhileItRunsIsRaisedOfTheWholeProcess) {
  Persistence how = lasting("no");
  how.directory = "/nowhere";
  TieredServer site(GetParam(), how);
  TestClient client(site);
  EXPECT_EQ(client.ask("CONFIG SET residency.cold 16MiB"), "+OK");
  EXPECT_EQ(client.ask("CONFIG SET maxmemory 128mb"), "+OK");
  EXPECT_EQ(site.server().budget().process_bytes(), 144u << 20);
  EXPECT_EQ(client.ask("CONFIG SET residency.cold 32MiB"), "+OK");
  EXPECT_EQ(site.server().budget().process_bytes(), 160u << 20);
  EXPECT_EQ(client.ask("CONFIG SET maxmemory 32mb"), "+OK");
  EXPECT_EQ(site.server().budget().process_bytes(), 64u << 20);
}

TEST_P(RouterPressure, PopulateLeavesWhatTheColdTierHasAsItIs) {
  TieredServer site(GetParam(), lasting("no"));
  TestClient client(site);
  client.ask("SET key:1 mine");
  client.ask("SET key:700 mine");
  site.evict_all();
  EXPECT_EQ(client.ask("DEBUG POPULATE 1000"), "+OK");
  EXPECT_EQ(client.ask("MGET key:0 key:1 key:700 key:999"), "*[$value:0,$mine,$mine,$value:999]");
  site.evict_all();
  site.cold().fail(true, false, "the disk is gone");
  EXPECT_THAT(client.ask("DEBUG POPULATE 3"), StartsWith("-TRYAGAIN"));
}

TEST_P(RouterPressure, ATurnHandsOverAMegabyteAtOnce) {
  TieredServer site(GetParam(), lasting("no"));
  TestClient client(site);
  const std::string value(60'000, 'v');
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.ask("SET k" + std::to_string(i) + " " + value), "+OK");
  }
  // So short that all of them are one turn.
  for (int i = 0; i < 100; ++i) client.append("APPEND k" + std::to_string(i) + " x");
  client.flush();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.read(), ":60001");
  const std::size_t most = site.server().cold()->turn_bytes_max + 70'000;
  EXPECT_LE(site.cold().largest_write(), most);
  site.until([&] { return site.cold().find(0, "k99")->value == value + "x"; });
}

TEST_P(RouterPressure, AReadThatTheDiskNeverAnswersEndsAndWhatComesLaterComesToNobody) {
  Persistence how = lasting("no");
  how.read_wait_ms = 50;
  TieredServer site(GetParam(), how);
  TestClient client(site), other(site);
  EXPECT_EQ(client.ask("MSET a 1 b 2 c 3"), "+OK");
  site.evict_all();
  EXPECT_EQ(other.ask("SET hot v"), "+OK");
  site.cold().hold_reads(true);
  site.cold().hold_scans(true);
  const auto late = StartsWith("-TRYAGAIN the cold tier does not answer");
  EXPECT_THAT(client.ask("GET a"), late);
  EXPECT_THAT(client.ask("MGET a b c"), late);
  for (const char* command : {"SCAN 0", "KEYS *", "DBSIZE", "RANDOMKEY"}) {
    EXPECT_THAT(client.ask(command), late) << command;
  }
  client.append("GET a");
  client.append("SET a new");
  client.append("GET hot");
  client.flush();
  EXPECT_THAT(client.read(), late);
  EXPECT_EQ(client.read(), "+OK");
  EXPECT_EQ(client.read(), "$v");
  site.cold().hold_reads(false);
  site.cold().hold_scans(false);
  site.until([&] { return site.sum(&Router::Figures::dropped_fills) >= 5; });
  site.until([&] { return client.ask("MGET a b c") == "*[$new,$2,$3]"; });
  site.until([&] { return client.ask("DBSIZE") == ":4"; });
}

TEST_P(RouterPressure, ManyReadsThatTheDiskNeverAnswersLeaveNothingBehind) {
  Persistence how = lasting("no");
  how.read_wait_ms = 50;
  TieredServer site(GetParam(), how);
  TestClient client(site);
  // More than may be under way; of a few clients, each for many keys.
  for (int i = 0; i < 5000; ++i) client.append("SET k" + std::to_string(i) + " v");
  client.flush();
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(client.read(), "+OK");
  site.evict_all();
  site.cold().hold_reads(true);
  std::string all = "EXISTS";
  for (int i = 0; i < 5000; ++i) all += " k" + std::to_string(i);
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(client.ask(all), StartsWith("-TRYAGAIN the cold tier"));
  }
  EXPECT_LE(site.cold().reads_waiting(), 2048u);
  site.cold().hold_reads(false);
  site.until([&] { return client.ask(all) == ":5000"; });
  site.until([&] { return site.sum(&Router::Figures::waiting_keys) == 0; });
}

// Commands as those of another thread, or of HTTP.
class Elsewhere {
 public:
  explicit Elsewhere(TieredServer& site) : site_(site), errands_(site.server()) {}
  // The number of its reply.
  std::size_t send(std::vector<std::string> words, std::string value = {}) {
    Ask ask;
    const auto count = static_cast<unsigned>(site_.server().workers().size());
    ask.owner = tier::Key(0, words[1]).shard(count);
    ask.command = find_internal(words[0]);
    ask.caller.guarded = false;
    ask.words = std::move(words);
    if (!value.empty()) ask.last.emplace().append(value);
    const std::size_t number = replies_.size();
    replies_.emplace_back();
    EXPECT_TRUE(errands_.send(std::move(ask), 0, [this, number](auto reply) {
      replies_[number] = std::string(reply.value().view());
    }));
    return number;
  }
  std::size_t put(const std::string& key, const std::string& value) {
    return send({"http.set", key, "0", "any"}, value);
  }
  const std::string& wait(std::size_t number) {
    const auto end = std::chrono::steady_clock::now() + kWaitMax;
    while (replies_[number].empty() && std::chrono::steady_clock::now() < end) look(20);
    return replies_[number];
  }
  bool silent(std::size_t number) {
    look(100);
    return replies_[number].empty();
  }

 private:
  void look(int ms) {
    pollfd ready{errands_.fd(), POLLIN, 0};
    ::poll(&ready, 1, ms);
    errands_.arrived();
  }
  TieredServer& site_;
  Errands errands_;
  std::vector<std::string> replies_;
};

TEST_P(RouterPressure, WritesFromElsewhereWaitWhileTheColdTierIsCongested) {
  TieredServer site(GetParam(), lasting("no", "memory:=off"));
  Elsewhere http(site);
  EXPECT_EQ(http.wait(http.put("k", "old")), ":1\r\n");
  site.cold().congest(true);
  const std::size_t put = http.put("k", "new");
  const std::size_t get = http.send({"get", "k"}), other = http.send({"get", "other"});
  const std::size_t memory = http.put("memory:k", "v");
  EXPECT_EQ(http.wait(other), "$-1\r\n");
  EXPECT_EQ(http.wait(memory), ":1\r\n") << "what is in memory only goes on";
  EXPECT_TRUE(http.silent(put));
  EXPECT_TRUE(http.silent(get)) << "it was sent behind the write";
  EXPECT_EQ(site.sum(&Router::Figures::pressed), 1u);
  site.cold().congest(false);
  EXPECT_EQ(http.wait(put), ":0\r\n");
  EXPECT_EQ(http.wait(get), "$3\r\nnew\r\n");
}

TEST_P(RouterPressure, AWriteOverHttpIsShedWhenTheCongestionLasts) {
  TieredServer site(GetParam(), lasting("no"));
  Elsewhere http(site);
  TestClient client(site);
  EXPECT_EQ(client.ask("SET k old"), "+OK");
  site.cold().congest(true);
  const std::size_t put = http.put("k", "new"), get = http.send({"get", "k"});
  client.send("SET k newer");
  EXPECT_THAT(http.wait(put), StartsWith("-TRYAGAIN"));
  EXPECT_EQ(http.wait(get), "$3\r\nold\r\n") << "nothing was done";
  EXPECT_TRUE(client.silent()) << "a client of RESP waits";
  EXPECT_EQ(site.sum(&Router::Figures::shed_writes), 1u);
  site.cold().congest(false);
  EXPECT_EQ(client.read(), "+OK");
}

TEST_P(RouterPressure, WhatWaitsIsBoundedAndTheRestIsShedAtOnce) {
  TieredServer site(GetParam(), lasting("no"));
  Elsewhere http(site);
  site.cold().congest(true);
  std::vector<std::size_t> puts;
  for (int i = 0; i < 20; ++i) puts.push_back(http.put("k", std::string(1 << 20, 'v')));
  EXPECT_THAT(http.wait(puts.back()), StartsWith("-TRYAGAIN"));
  EXPECT_LT(site.sum(&Router::Figures::pressed), 18u);
  site.cold().fail(false, true, "the disk is full");
  for (const std::size_t put : puts) {
    EXPECT_THAT(http.wait(put), testing::AnyOf(StartsWith("-TRYAGAIN"), StartsWith("-MISCONF")));
  }
  site.cold().fail(false, false, "");
  site.cold().congest(false);
  EXPECT_EQ(http.wait(http.send({"get", "k"})), "$-1\r\n") << "none of them did anything";
}

}  // namespace
}  // namespace ullage::server

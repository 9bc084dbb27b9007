// SPDX-License-Identifier: Apache-2.0
#include "server/errand.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "server/clock.h"
#include "server/server.h"
#include "tier/key.h"

namespace ullage::server {
namespace {

std::unique_ptr<Server> server_of(unsigned threads) {
  Config config;
  config.resp_port = 0;
  config.threads = threads;
  config.hot_bytes = 64u << 20;
  config.process_bytes = 16ull << 30;  // a sanitizer takes many times as much
  auto server = Server::start(config);
  EXPECT_TRUE(server.ok()) << server.error().message;
  return std::move(server.value());
}

Ask ask_for(const Server& server, std::vector<std::string> words) {
  Ask ask;
  const unsigned count = static_cast<unsigned>(server.workers().size());
  ask.owner = words.size() > 1 ? tier::Key(0, words[1]).shard(count) : 0;
  ask.command = find_internal(words[0]);
  ask.caller.guarded = false;
  ask.words = std::move(words);
  return ask;
}

// Until nothing is under way any more.
void wait_for_all(Errands& errands) {
  constexpr int kWaitMs = 10'000;
  while (errands.under_way() > 0) {
    pollfd ready{errands.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, kWaitMs), 1) << errands.under_way() << " errands never came back";
    errands.arrived();
  }
}

TEST(Errands, RunOnTheThreadThatOwnsTheKeyAndComeBack) {
  for (const unsigned threads : {1u, 3u}) {
    const auto server = server_of(threads);
    server->launch();
    Errands errands(*server);
    std::string told;
    for (int i = 0; i < 20; ++i) {
      const std::string key = "k" + std::to_string(i);
      Ask put = ask_for(*server, {"http.set", key, "0", "any"});
      put.last.emplace().append("value of " + key);
      ASSERT_TRUE(
          errands.send(std::move(put), 0, [&](auto reply) { told += reply.value().view(); }));
    }
    wait_for_all(errands);
    std::string all;
    for (int i = 0; i < 20; ++i) all += ":1\r\n";
    EXPECT_EQ(told, all);
    told.clear();
    ASSERT_TRUE(errands.send(ask_for(*server, {"get", "k7"}), 0,
                             [&](auto reply) { told = reply.value().view(); }));
    wait_for_all(errands);
    EXPECT_EQ(told, "$11\r\nvalue of k7\r\n");
  }
}

TEST(Errands, AreGivenUpAfterTheirTimeAndCountUntilTheyHaveRun) {
  const auto server = server_of(1);  // its thread does not run yet
  Errands errands(*server);
  int calls = 0;
  bool answered = true;
  ASSERT_TRUE(server->budget().take(tier::Component::kClients, 1000));
  ASSERT_TRUE(errands.send(ask_for(*server, {"get", "k"}), 1000, [&](auto reply) {
    ++calls;
    answered = reply.has_value();
  }));
  errands.tick(steady_ms());
  EXPECT_EQ(calls, 0);
  errands.tick(steady_ms() + kErrandMs + 1);
  errands.tick(steady_ms() + kErrandMs + 2);
  EXPECT_EQ(calls, 1) << "told once";
  EXPECT_FALSE(answered);
  EXPECT_EQ(errands.under_way(), 1u) << "the command may still run";
  EXPECT_EQ(server->budget().granted_bytes(tier::Component::kClients), 1000u);
  server->launch();
  wait_for_all(errands);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(server->budget().granted_bytes(tier::Component::kClients), 0u);
}

TEST(Errands, RepliesAreGrantedUntilTheyAreGone) {
  for (const unsigned threads : {1u, 2u}) {
    const auto server = server_of(threads);
    server->launch();
    Errands errands(*server);
    tier::Budget& budget = server->budget();
    const std::string value(3 << 20, 'v');
    Ask put = ask_for(*server, {"http.set", "k", "0", "any"});
    put.last.emplace().append(value);
    ASSERT_TRUE(errands.send(std::move(put), 0, [](auto) {}));
    wait_for_all(errands);
    Ask keep = ask_for(*server, {"config", "set", "maxmemory-policy", "noeviction"});
    keep.owner = 0;
    keep.command = find_internal("config|set");
    ASSERT_TRUE(errands.send(std::move(keep), 0,
                             [](auto reply) { EXPECT_EQ(reply.value().view(), "+OK\r\n"); }));
    wait_for_all(errands);
    constexpr std::size_t kReaders = 50;  // of twice as much as there is
    std::vector<ErrandReply> held;
    std::size_t refused = 0, granted = 0;
    for (std::size_t i = 0; i < kReaders; ++i) {
      const char* name = i % 2 == 0 ? "http.get" : "http.mget";
      std::vector<std::string> words{name, "k"};
      if (i % 2 != 0) words.insert(words.begin() + 1, "99999999");
      Ask ask = ask_for(*server, words);
      ask.owner = tier::Key(0, "k").shard(threads);
      ASSERT_TRUE(errands.send(std::move(ask), 0, [&](std::optional<ErrandReply> reply) {
        if (reply->view().starts_with("-OOM")) {
          ++refused;
        } else {
          EXPECT_TRUE(reply->view().ends_with("vvv\r\n"));
          granted += reply->view().size();
          held.push_back(std::move(*reply));
        }
      }));
    }
    wait_for_all(errands);
    EXPECT_GT(refused, 0u);
    EXPECT_GT(held.size(), kReaders / 10);
    EXPECT_GE(budget.granted_bytes(tier::Component::kClients), granted);
    EXPECT_LE(budget.granted_bytes_max(), budget.limit_bytes());
    held.clear();
    EXPECT_EQ(budget.granted_bytes(tier::Component::kClients), 0u);
    ASSERT_TRUE(errands.send(ask_for(*server, {"get", "k"}), 0,
                             [&](auto reply) { granted = reply.value().view().size(); }));
    wait_for_all(errands);
    EXPECT_GT(granted, value.size());
  }
}

TEST(Errands, AreBounded) {
  const auto server = server_of(1);
  Errands errands(*server);
  std::size_t told = 0;
  for (std::size_t i = 0; i < kErrandsMax; ++i) {
    ASSERT_TRUE(errands.send(ask_for(*server, {"get", "k"}), 0, [&](auto) { ++told; })) << i;
  }
  EXPECT_FALSE(errands.send(ask_for(*server, {"get", "k"}), 0, [&](auto) { ++told; }));
  server->launch();
  wait_for_all(errands);
  EXPECT_EQ(told, kErrandsMax);
  EXPECT_TRUE(errands.send(ask_for(*server, {"get", "k"}), 0, [&](auto) { ++told; }));
  wait_for_all(errands);
}

}  // namespace
}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#include "server/config.h"

#include <gmock/gmock.h>

namespace ullage::server {
namespace {

using testing::HasSubstr;

contract::Contract parsed(const std::string& text) {
  auto contract = contract::Contract::parse(text, "ullage.toml");
  EXPECT_TRUE(contract.ok()) << contract.error().message;
  return contract.value();
}

TEST(Config, TakesAShareOfTheMachineWhenNothingIsDeclared) {
  const auto config = Config::from(contract::Contract{});
  ASSERT_TRUE(config.ok());
  EXPECT_GT(config->hot_bytes, 0u);
  EXPECT_EQ(config->contract.setting("residency.hot").origin, "half of the machine");
  EXPECT_EQ(config->bind, "127.0.0.1");
  EXPECT_FALSE(config->http_on);
}

TEST(Config, ReloadsWhatMayChangeAndKeepsEverythingWhenOneKeyMayNot) {
  auto config = Config::from(parsed("[server]\nmax_clients = 5\nthreads = 1\n"));
  ASSERT_TRUE(config.ok());
  ASSERT_TRUE(config->reload(parsed("[server]\nmax_clients = 6\nthreads = 1\n")).ok());
  EXPECT_EQ(config->max_clients, 6u);
  const auto refused = config->reload(parsed("[server]\nmax_clients = 7\nthreads = 2\n"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("ullage.toml:3: server.threads can't change"));
  EXPECT_EQ(config->max_clients, 6u);
}

TEST(Config, AStoreWithoutAnyWayInIsRefused) {
  const std::string off = "[server]\nthreads = 1\nresp_port = \"off\"\n";
  const auto refused = Config::from(parsed(off + "http_port = \"off\"\n"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("ullage.toml:3: server.resp_port"));
  EXPECT_THAT(refused.error().message, HasSubstr("no other way in"));
  for (const char* door : {"http_port", "https_port", "tls_port"}) {
    auto config = Config::from(parsed(off + door + " = 0\n"));
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_FALSE(config->resp_on);
    // Unset and off are the same; a port is something else.
    EXPECT_TRUE(config->reload(parsed(off + door + " = 0\n")).ok());
    const auto changed =
        config->reload(parsed(std::string("[server]\nthreads = 1\n") + door + " = 0\n"));
    ASSERT_FALSE(changed.ok());
    EXPECT_THAT(changed.error().message, HasSubstr("server.resp_port can't change"));
    EXPECT_THAT(changed.error().message, HasSubstr("it is off"));
  }
  auto config = Config::from(parsed("[server]\nthreads = 1\n"));
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->reload(parsed("[server]\nthreads = 1\nhttp_port = \"off\"\n")).ok());
}

// As CONFIG SET changes it.
void set(Config& config, const char* path, const char* value) {
  contract::Contract changed = config.contract;
  ASSERT_TRUE(changed.set(path, value, "CONFIG SET").ok());
  ASSERT_TRUE(config.reload(changed).ok());
}

TEST(Config, AReloadTakesWhatTheFileChangedAndLeavesTheRestAsConfigSetHasIt) {
  const std::string text = "[residency]\nhot = \"64MiB\"\n[server]\nthreads = 1\n";
  auto config = Config::from(parsed(text));
  ASSERT_TRUE(config.ok());
  set(*config, "residency.hot", "100MiB");
  set(*config, "server.timeout", "77s");
  set(*config, "server.requirepass", "secret");
  ASSERT_TRUE(config->reload_file(parsed(text + "max_clients = 6\n")).ok());
  EXPECT_EQ(config->max_clients, 6u);
  EXPECT_EQ(config->hot_bytes, 100u << 20);
  EXPECT_EQ(config->timeout_ns, 77'000'000'000u);
  EXPECT_EQ(config->requirepass, "secret");
  // What the file says anew holds, and its old value does so no longer.
  const std::string changed = "[residency]\nhot = \"32MiB\"\n[server]\nthreads = 1\n";
  ASSERT_TRUE(config->reload_file(parsed(changed)).ok());
  EXPECT_EQ(config->hot_bytes, 32u << 20);
  EXPECT_EQ(config->timeout_ns, 77'000'000'000u);
  EXPECT_EQ(config->max_clients, 10'000u);
  ASSERT_TRUE(config->reload_file(parsed("[server]\nthreads = 1\n")).ok());
  EXPECT_EQ(config->contract.setting("residency.hot").origin, "half of the machine");
  EXPECT_GT(config->hot_bytes, 32u << 20);
}

TEST(Config, StartsNoMoreThreadsThanTheHotTierFeedsAndIsNotLoweredBelowThat) {
  auto config = Config::from(parsed("[residency]\nhot = \"1MiB\"\nprocess = \"32MiB\"\n"));
  ASSERT_TRUE(config.ok());
  EXPECT_LE(config->threads, 4u);
  auto threads = Config::from(
      parsed("[residency]\nhot = \"4MiB\"\nprocess = \"32MiB\"\n[server]\nthreads = 16\n"));
  ASSERT_TRUE(threads.ok());
  contract::Contract less = threads->contract;
  ASSERT_TRUE(less.set("residency.hot", "2MiB", "CONFIG SET").ok());
  const auto refused = threads->reload(less);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("too little for"));
  EXPECT_EQ(threads->hot_bytes, 4u << 20);
}

TEST(Config, HoldsTheWholeProcessToWhatItsTiersMayTake) {
  const auto hot = Config::from(parsed("[residency]\nhot = \"64MiB\"\n"));
  ASSERT_TRUE(hot.ok()) << hot.error().message;
  EXPECT_EQ(hot->process_bound(0), 64u << 20);
  EXPECT_EQ(hot->process_bound(8 << 20), 72u << 20) << "with a cold tier";
  const auto both = Config::from(parsed("[residency]\nhot = \"1MiB\"\nprocess = \"32MiB\"\n"));
  ASSERT_TRUE(both.ok()) << both.error().message;
  EXPECT_EQ(both->process_bound(0), 32u << 20);
  EXPECT_EQ(both->process_bound(8 << 20), 32u << 20) << "it says what the whole may take";
  EXPECT_EQ(Config{}.process_bound(8 << 20), 0u) << "no bound is none";
}

TEST(Config, RefusesWhatAProcessCanNotBeHeldTo) {
  for (const char* text :
       {"[residency]\nhot = \"15MiB\"\n", "[residency]\nprocess = \"15MiB\"\nhot = \"1MiB\"\n"}) {
    const auto config = Config::from(parsed(text));
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_THAT(config.error().message, HasSubstr("ullage.toml:2: residency."));
    EXPECT_THAT(config.error().message, HasSubstr("16MiB at least"));
  }
  auto config = Config::from(parsed("[residency]\nhot = \"16MiB\"\n"));
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_FALSE(config->reload(parsed("[residency]\nhot = \"15MiB\"\n")).ok());
  EXPECT_EQ(config->hot_bytes, 16u << 20);
  EXPECT_EQ(config->contract.number("residency.hot"), 16u << 20);
}

TEST(Config, RefusesWhatTheMachineDoesNotHave) {
  const auto config = Config::from(parsed("[residency]\nhot = \"15TiB\"\n"));
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.error().message, HasSubstr("ullage.toml:2: residency.hot"));
}

}  // namespace
}  // namespace ullage::server

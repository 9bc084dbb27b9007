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

TEST(Config, RefusesWhatTheMachineDoesNotHave) {
  const auto config = Config::from(parsed("[residency]\nhot = \"15TiB\"\n"));
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.error().message, HasSubstr("ullage.toml:2: residency.hot"));
}

}  // namespace
}  // namespace ullage::server

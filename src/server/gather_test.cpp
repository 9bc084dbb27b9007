// SPDX-License-Identifier: Apache-2.0
#include "server/gather.h"

#include <gtest/gtest.h>

#include <string>

namespace ullage::server {
namespace {

std::vector<std::string_view> del(std::size_t keys) {
  std::vector<std::string_view> words{"del"};
  words.resize(keys + 1, "k");
  return words;
}

bool add(Gather& gather, unsigned thread, std::string_view reply, std::uint64_t moment = 0) {
  wire::ByteBuffer bytes;
  bytes.append(reply);
  return gather.add(thread, bytes, {.moment = moment, .ns = 5});
}

std::string assembled(const Gather& gather) {
  wire::ByteBuffer into;
  gather.assemble(into);
  EXPECT_LE(into.size(), gather.reply_bytes());
  return std::string(into.view());
}

TEST(Gather, GivesEachThreadItsKeysAndAllThatAreNone) {
  const std::vector<std::string_view> words{"JSON.MGET", "a", "bb", "", "c", "$.x"};
  const Gather gather(*find_command("json.mget"), words, {3, 1, 3, 1});
  EXPECT_EQ(gather.words(), words);
  EXPECT_EQ(gather.words_of(3), (std::vector<std::string_view>{"JSON.MGET", "a", "", "$.x"}));
  EXPECT_EQ(gather.words_of(1), (std::vector<std::string_view>{"JSON.MGET", "bb", "c", "$.x"}));
}

TEST(Gather, AddsUpNumbersWhateverTheOrderOfTheReplies) {
  Gather gather(*find_command("del"), del(4), {2, 0, 2, 1});
  EXPECT_EQ(gather.parts(), (std::vector<std::uint16_t>{2, 0, 1}));
  EXPECT_FALSE(add(gather, 1, ":1\r\n"));
  EXPECT_FALSE(add(gather, 2, ":20\r\n"));
  EXPECT_TRUE(add(gather, 0, ":300\r\n"));
  EXPECT_FALSE(gather.failed());
  EXPECT_EQ(gather.ns(), 15u);
  EXPECT_EQ(assembled(gather), ":321\r\n");
}

TEST(Gather, PutsElementsWhereTheirKeysWere) {
  Gather gather(*find_command("mget"), del(5), {1, 0, 1, 0, 1});
  EXPECT_FALSE(add(gather, 0, "*2\r\n$-1\r\n$4\r\n\r\n\r\n\r\n"));
  EXPECT_TRUE(add(gather, 1, "*3\r\n$1\r\na\r\n$0\r\n\r\n_\r\n"));
  EXPECT_EQ(assembled(gather), "*5\r\n$1\r\na\r\n$-1\r\n$0\r\n\r\n$4\r\n\r\n\r\n\r\n_\r\n");
}

TEST(Gather, RepliesTheErrorOfAnyPart) {
  Gather gather(*find_command("del"), del(2), {0, 1});
  EXPECT_FALSE(add(gather, 0, ":1\r\n"));
  EXPECT_TRUE(add(gather, 1, "-TRYAGAIN later\r\n"));
  EXPECT_TRUE(gather.failed());
  EXPECT_EQ(assembled(gather), "-TRYAGAIN later\r\n");
}

TEST(Gather, KnowsWhetherAChangeOfSeveralKeysCameBetween) {
  Gather gather(*find_command("del"), del(2), {0, 1});
  EXPECT_FALSE(add(gather, 0, ":1\r\n", 7));
  EXPECT_TRUE(add(gather, 1, ":1\r\n", 8));
  EXPECT_FALSE(gather.one_moment());
  gather.again();
  EXPECT_FALSE(add(gather, 1, ":0\r\n", 8));
  EXPECT_TRUE(add(gather, 0, ":0\r\n", 8));
  EXPECT_TRUE(gather.one_moment());
  EXPECT_EQ(assembled(gather), ":0\r\n");
}

}  // namespace
}  // namespace ullage::server

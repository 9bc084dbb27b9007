// SPDX-License-Identifier: Apache-2.0
//
// The router's parts by themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "server/changes.h"
#include "server/cold_tier.h"
#include "server/commands/scan_words.h"
#include "server/config.h"
#include "server/files.h"
#include "server/needs.h"
#include "server/negative.h"
#include "server/warmer.h"
#include "tier/cold_store_testing.h"

namespace ullage::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Negative, RemembersUntilItIsWrittenOrItsTimeIsOver) {
  Negative absent(4096);
  const tier::Key key(0, "k"), same(1, "k");
  absent.insert(key, 5000);
  EXPECT_TRUE(absent.contains(key, 4000));
  EXPECT_FALSE(absent.contains(same, 4000)) << "another database";
  EXPECT_FALSE(absent.contains(key, 5000));
  absent.insert(key, 9000);
  EXPECT_EQ(absent.entries(), 1u);
  absent.erase(key);
  EXPECT_FALSE(absent.contains(key, 4000));
  EXPECT_EQ(absent.entries(), 0u);
}

TEST(Negative, ForgetsTheOldestWhenItIsFullAndStaysWithinItsBytes) {
  Negative absent(1000);
  EXPECT_LE(absent.bytes(), 1000u);
  std::vector<std::string> names;
  for (int i = 0; i < 10'000; ++i) names.push_back("key:" + std::to_string(i));
  for (std::size_t i = 0; i < names.size(); ++i) absent.insert({0, names[i]}, 1'000'000 + i * 1000);
  std::size_t known = 0;
  for (const std::string& name : names) known += absent.contains({0, name}, 1000) ? 1 : 0;
  EXPECT_LE(known, absent.bytes() / 16);
  EXPECT_TRUE(absent.contains({0, names.back()}, 1000));
}

TEST(Negative, TellsKeysWithTheSameHashApart) {
  Negative absent(4096);
  absent.insert({0, "one", 77}, 5000);
  EXPECT_FALSE(absent.contains({0, "two", 77}, 1000));
}

std::vector<std::pair<std::string, Need>> needs(std::vector<std::string_view> words) {
  std::vector<KeyNeed> found;
  const Command* command = find_command(words[0]);
  if ((command->flags & kContainer) && words.size() > 1)
    command = find_subcommand(*command, words[1]);
  needs_of(*command, words, 0, false, 0, found);
  std::vector<std::pair<std::string, Need>> out;
  for (const KeyNeed& each : found) {
    out.emplace_back(std::to_string(each.db) + ":" + std::string(each.text), each.need);
  }
  return out;
}

TEST(Needs, AWriteThatLooksAtNothingReadsNothing) {
  using testing::Pair;
  EXPECT_THAT(needs({"SET", "k", "v"}), ElementsAre(Pair("0:k", Need::kTurn)));
  EXPECT_THAT(needs({"SET", "k", "v", "EX", "5"}), ElementsAre(Pair("0:k", Need::kTurn)));
  EXPECT_THAT(needs({"SET", "k", "v", "nx"}), ElementsAre(Pair("0:k", Need::kValue)));
  EXPECT_THAT(needs({"SET", "k", "v", "KEEPTTL"}), ElementsAre(Pair("0:k", Need::kValue)));
  EXPECT_THAT(needs({"mset", "a", "1", "b", "2"}),
              ElementsAre(Pair("0:a", Need::kTurn), Pair("0:b", Need::kTurn)));
  EXPECT_THAT(needs({"rename", "a", "b"}),
              ElementsAre(Pair("0:a", Need::kValue), Pair("0:b", Need::kTurn)));
  EXPECT_THAT(needs({"bitop", "and", "to", "a"}),
              ElementsAre(Pair("0:to", Need::kValue), Pair("0:a", Need::kValue)));
  EXPECT_THAT(needs({"move", "a", "3"}),
              ElementsAre(Pair("0:a", Need::kValue), Pair("3:a", Need::kValue)));
  EXPECT_THAT(needs({"copy", "a", "b", "DB", "4"}),
              ElementsAre(Pair("0:a", Need::kValue), Pair("4:b", Need::kValue)));
  EXPECT_THAT(needs({"object", "freq", "a"}), ElementsAre(Pair("0:a", Need::kValue)));
  EXPECT_THAT(needs({"ullage.tier", "a"}), ElementsAre(Pair("0:a", Need::kLook)));
  EXPECT_THAT(needs({"ping"}), IsEmpty());
}

TEST(Needs, EveryCommandThatHasKeysSaysWhich) {
  for (const Command& command : commands()) {
    if (command.first_key == 0) continue;
    std::vector<std::string_view> words(8, "word");
    std::vector<KeyNeed> found;
    needs_of(command, words, 0, false, 0, found);
    EXPECT_FALSE(found.empty()) << command.name;
  }
}

TEST(Changes, AKeyIsThereOnceWithItsLastValue) {
  tier::Budget budget({.limit_bytes = 8 << 20, .shards = 1});
  tier::Shard shard({}, budget);
  Changes changes;
  ASSERT_EQ(shard.set({0, "a"}, "1"), tier::Status::kOk);
  changes.add({0, "a"});
  ASSERT_EQ(shard.set({0, "a"}, "2", {.expires_ms = 99}), tier::Status::kOk);
  changes.add({0, "a"});
  changes.add({0, "gone"});
  changes.add({1, "a"});
  const auto list = changes.take(shard);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].entry.value, "2");
  EXPECT_EQ(list[0].entry.expires_ms, 99u);
  EXPECT_EQ(list[1].kind, tier::ColdChange::Kind::kErase);
  EXPECT_EQ(list[2].kind, tier::ColdChange::Kind::kErase);
  EXPECT_TRUE(changes.empty());
}

TEST(Changes, AreFullOnceTheirValuesAreSoMuch) {
  tier::Budget budget({.limit_bytes = 8 << 20, .shards = 1});
  tier::Shard shard({}, budget);
  Changes changes;
  const auto write = [&](const std::string& name, std::size_t bytes) {
    ASSERT_EQ(shard.set({0, name}, std::string(bytes, 'v')), tier::Status::kOk);
    changes.add({0, name});
    changes.measure(shard);
  };
  write("a", 5000);
  EXPECT_FALSE(changes.full(1000)) << "one key is written once a turn, however large it is";
  write("a", 6000);
  write("b", 10);
  EXPECT_TRUE(changes.full(6000));
  EXPECT_FALSE(changes.full(7000)) << "the value that was replaced does not count";
  write("a", 10);
  EXPECT_FALSE(changes.full(6000));
  changes.take(shard);
  EXPECT_EQ(changes.bytes(), 0u);
}

TEST(Changes, WhatIsEvictedBeforeTheEndOfTheTurnKeepsItsValue) {
  tier::Budget budget({.limit_bytes = 8 << 20, .shards = 1});
  tier::Shard shard({}, budget);
  Changes changes;
  changes.add({0, "a"});
  changes.keep({0, "a"}, {"evicted", 7});
  changes.keep({0, "never changed"}, {"x", 0});
  auto list = changes.take(shard);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].kind, tier::ColdChange::Kind::kPut);
  EXPECT_EQ(list[0].entry.value, "evicted");
  changes.add({0, "a"});
  changes.keep({0, "a"}, {"first", 0});
  ASSERT_EQ(shard.set({0, "a"}, "second"), tier::Status::kOk);
  changes.add({0, "a"});
  list = changes.take(shard);
  ASSERT_EQ(list.size(), 2u) << "both, in their order";
  EXPECT_EQ(list[1].entry.value, "second");
}

TEST(ScanWords, ACursorOfAColdTierBeginsThereUnlessMemoryHasKeysOfItsOwn) {
  EXPECT_EQ(scan_place(0, 3, true).shard, 0u);
  EXPECT_EQ(scan_place(0, 3, false).shard, 3u);
  EXPECT_EQ(scan_cursor({3, 17}), 3ull << 48 | 17);
  EXPECT_EQ(scan_place(3ull << 48 | 17, 3, true).place, 17u);
}

TEST(HotKeys, AListIsReadAsItWasWrittenAndADamagedOneIsNot) {
  const auto names = std::make_shared<HotNames>(10, 10'000),
             more = std::make_shared<HotNames>(1, 99);
  names->add(0, 1, std::string(300, 'x'));
  names->add(99, 0, "a b\nc");
  more->add(3, 9, "");
  std::string text;
  for (const std::string_view part : hot_list({names, nullptr, more})) text += part;
  const auto read = read_hot_keys(text);
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ(read.value()[0].key, "a b\nc");
  EXPECT_EQ(read.value()[1].db, 9);
  EXPECT_EQ(read.value()[2].key.size(), 300u);
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    const auto part = read_hot_keys(text.substr(0, cut));
    EXPECT_TRUE(!part.ok() || part->size() < 3);
  }
  EXPECT_FALSE(read_hot_keys("ullage hot keys 1\n1 99 1 a\n").ok());
  EXPECT_FALSE(read_hot_keys("ullage hot keys 1\n1 0 99999999999 a\n").ok());
}

TEST(HotKeys, TheMostUsedStayWithinNamesAndBytes) {
  HotNames few(3, 10'000), small(1000, 200);
  for (unsigned i = 0; i < 100; ++i) {
    const std::string name = "key:" + std::to_string(i);
    few.add(i % 10, 0, name);
    small.add(i % 10, 0, name);
  }
  EXPECT_EQ(few.size(), 3u);
  EXPECT_EQ(few.lines(9), "9 0 5 key:9\n9 0 6 key:19\n9 0 6 key:29\n");
  std::size_t bytes = 0;
  for (unsigned f = 0; f <= HotNames::kMost; ++f) bytes += small.lines(f).size();
  EXPECT_LE(bytes, 200u);
  EXPECT_GE(bytes, 130u);
  EXPECT_EQ(small.lines(7), "") << "those that are used most";
}

TEST(ColdTier, TheLongestPrefixDecides) {
  Persistence how;
  how.durability = contract::parse_durability("50ms").value();
  how.prefixes = contract::parse_prefixes("o:=no,o:x:=always,c:=off").value();
  ColdTier cold(std::make_unique<tier::MemoryCold>(1), how);
  using Kind = ColdTier::Kind;
  EXPECT_EQ(cold.durability("a"), Kind::kWindow);
  EXPECT_EQ(cold.durability("o:1"), Kind::kNo);
  EXPECT_EQ(cold.durability("o:x:1"), Kind::kAlways);
  EXPECT_EQ(cold.durability("c:"), Kind::kOff);
  EXPECT_EQ(cold.durability("c"), Kind::kWindow);
  EXPECT_TRUE(cold.some_off() && cold.some_on() && cold.some_always());
  EXPECT_EQ(cold.rule("o:x:1").first, "o:x:");
  how.prefixes = contract::parse_prefixes("a=20ms,b=30ms").value();
  EXPECT_EQ(how.window_ms(), 20u);
}

TEST(ColdTier, SwappedDatabasesAreFoundAgain) {
  std::string folder = "/tmp/ullage-places-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  Persistence how;
  how.directory = folder;
  Changes changes;
  tier::Budget budget({.limit_bytes = 4 << 20, .proc = "/nowhere"});
  tier::Shard shard({}, budget);
  {
    ColdTier cold(std::make_unique<tier::MemoryCold>(1), how);
    ASSERT_TRUE(cold.read_places().ok()) << "none yet";
    changes.note(ColdTier::kPlaces, cold.swap(0, 5));
    EXPECT_EQ(cold.place(0), 5);
    EXPECT_EQ(cold.key({5, "k"}).db, 0);
  }
  // A file of an earlier version holds until something is noted.
  ASSERT_TRUE(replace_file(folder + "/databases", "1 0 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n").ok());
  auto store = std::make_unique<tier::MemoryCold>(1);
  tier::MemoryCold& noted = *store;
  ColdTier again(std::move(store), how);
  ASSERT_TRUE(again.read_places().ok());
  EXPECT_EQ(again.place(0), 1);
  EXPECT_EQ(again.place(5), 5);
  noted.write(0, changes.take(shard), true, 0);
  ASSERT_TRUE(again.read_places().ok());
  EXPECT_EQ(again.place(0), 5);
  EXPECT_EQ(again.place(1), 1);
  changes.note(ColdTier::kPlaces, "0 1 2\n");
  noted.write(0, changes.take(shard), true, 0);
  const Result<void> damaged = again.read_places();
  ASSERT_FALSE(damaged.ok());
  EXPECT_THAT(damaged.error().message, testing::HasSubstr(folder + ": the note"));
  std::filesystem::remove_all(folder);
}

TEST(Persistence, DurabilityWithoutADirectoryIsAMistakeWithItsLine) {
  const auto contract =
      contract::Contract::parse("[persistence]\ndurability = \"always\"\n", "u.toml");
  ASSERT_TRUE(contract.ok());
  const Result<Persistence> read = read_persistence(contract.value());
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, testing::StartsWith("u.toml:2: persistence.durability"));
}

}  // namespace
}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
//
// A shard as the cache of a store below it: what it tells, and what it takes from there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tier/kept.h"
#include "tier/shard.h"

namespace ullage::tier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Below final : Listener {
  void on_removed(unsigned, std::string_view key, Removal) noexcept override {
    removed.emplace_back(key);
  }
  void on_changed(const Key& key, bool gone) noexcept override {
    changes.push_back((gone ? "-" : "+") + std::string(key.text));
  }
  bool on_evicting(const Key& key, const Found& found) noexcept override {
    if (!has_it) return false;
    evicted.emplace_back(std::string(key.text) + "=" + std::string(found.value.substr(0, 8)));
    return true;
  }
  const Kept* kept() noexcept override { return promised; }
  const Kept* promised = nullptr;
  std::vector<std::string> take() { return std::exchange(changes, {}); }
  bool has_it = true;
  std::vector<std::string> removed, changes, evicted;
};

class InclusiveShard : public testing::Test {
 protected:
  // Smaller ones are mostly partly filled slabs (docs/tiers/hot.md): a second database may find no
  // room for its table then.
  Budget budget{{.limit_bytes = 8 << 20, .shards = 1}};
  Below below;
  Shard shard{{.listener = &below, .inclusive = true}, budget};
};

TEST_F(InclusiveShard, TellsEveryChangeWhicheverCallMadeIt) {
  ASSERT_EQ(shard.set({0, "a"}, "1"), Status::kOk);
  ASSERT_EQ(shard.append({0, "a"}, "2"), Status::kOk);
  ASSERT_EQ(shard.set_range({0, "b"}, 5, "x"), Status::kOk);
  ASSERT_EQ(shard.resize({0, "b"}, 300), Status::kOk);
  EXPECT_THAT(below.take(), ElementsAre("+a", "+a", "+b", "+b"));
  std::size_t size = 0;
  ASSERT_NE(shard.modify({0, "a"}, &size), nullptr);
  ASSERT_EQ(shard.set_expiry({0, "a"}, 5000), Status::kOk);
  EXPECT_THAT(below.take(), ElementsAre("+a", "+a"));
  ASSERT_EQ(shard.rename({0, "a"}, {0, "c"}), Status::kOk);
  EXPECT_THAT(below.take(), ElementsAre("-a", "+c"));
  const auto taken = shard.take({0, "c"});
  ASSERT_TRUE(taken);
  ASSERT_EQ(shard.put({0, "d"}, *taken), Status::kOk);
  ASSERT_TRUE(shard.erase({0, "d"}));
  EXPECT_THAT(below.take(), ElementsAre("-c", "+d", "-d"));
  EXPECT_FALSE(shard.erase({0, "none"}));
  EXPECT_EQ(shard.set_expiry({0, "none"}, 1), Status::kMissing);
  EXPECT_THAT(below.take(), IsEmpty());
}

TEST_F(InclusiveShard, WhatIsFilledInIsNoChangeAndNoUse) {
  const std::uint64_t watch = shard.watch({0, "a"});
  ASSERT_EQ(shard.fill({0, "a"}, {"value", 9000, 3}), Status::kOk);
  EXPECT_EQ(shard.version({0, "a"}), watch);
  EXPECT_THAT(below.take(), IsEmpty());
  EXPECT_EQ(shard.about({0, "a"})->frequency, 0u);
  EXPECT_EQ(shard.get({0, "a"})->value, "value");
  EXPECT_EQ(shard.get({0, "a"})->kind, 3);
  EXPECT_EQ(shard.get({0, "a"})->expires_ms, 9000u);
}

TEST_F(InclusiveShard, EvictionIsNoRemovalWhenTheStoreBelowHasIt) {
  const std::string value(1000, 'v');
  const std::uint64_t watch = shard.watch({0, "key:0"});
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(shard.set({0, "key:" + std::to_string(i)}, value), Status::kOk);
    if (i == 0) {
      ASSERT_EQ(shard.version({0, "key:0"}), watch + 1);
    }
  }
  EXPECT_GT(below.evicted.size(), 10'000u);
  EXPECT_THAT(below.removed, IsEmpty());
  EXPECT_EQ(shard.version({0, "key:0"}), watch + 1);
  below.has_it = false;
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(shard.set({1, std::to_string(i)}, value), Status::kOk);
  EXPECT_GT(below.removed.size(), 1000u);
}

TEST_F(InclusiveShard, WhatACommandWasPromisedIsNotEvictedUntilItHasDoneWithIt) {
  const std::string value(1000, 'v');
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(shard.set({0, "key:" + std::to_string(i)}, value), Status::kOk);
  }
  Kept kept;
  std::vector<std::string> names;
  shard.scan(0, 0, 400, [&](std::string_view name, const Found&) { names.emplace_back(name); });
  for (const std::string& name : names) kept.add(hash_text(name));
  kept.add(hash_text(names[0]));  // needed again at the end
  kept.seal();
  below.promised = &kept;
  for (int round = 0; round < 64 && !shard.make_room(6 << 20); ++round) {
  }
  EXPECT_GT(below.evicted.size(), 5000u);
  for (const std::string& name : names) ASSERT_TRUE(shard.contains({0, name})) << name;
  kept.done(names.size());
  for (int round = 0; round < 64; ++round) {
    (void)shard.make_room(budget.allowed_bytes() - budget.granted_bytes() + (64 << 10));
  }
  EXPECT_TRUE(shard.contains({0, names[0]}));
  const auto gone = std::count_if(names.begin(), names.end(), [this](const std::string& name) {
    return !shard.contains({0, name});
  });
  EXPECT_GT(gone, 0);
  // What is written over was promised, too, and may make room for itself.
  const std::string large(5 << 20, 'l');
  ASSERT_EQ(shard.set({0, names[0]}, large), Status::kOk);
  EXPECT_EQ(shard.set({0, names[0]}, large), Status::kOk);
}

TEST_F(InclusiveShard, ANameTooLongForTheCellDoesNotHideThatTheOldOneIsGone) {
  const std::string value(16'000, 'v'), filler(1000, 'f');
  const auto from = [](int i) { return "from:" + std::to_string(i); };
  for (int i = 0; i < 100; ++i) ASSERT_EQ(shard.set({0, from(i)}, value), Status::kOk);
  for (int i = 0; i < 5600; ++i) {
    ASSERT_EQ(shard.set({0, "filler:" + std::to_string(i)}, filler), Status::kOk);
  }
  int renamed = 0;
  for (int i = 0; i < 100; ++i) {
    if (!shard.contains({0, from(i)})) continue;
    below.take();
    const std::string to = std::string(600, 'n') + std::to_string(i);
    ASSERT_EQ(shard.rename({0, from(i)}, {0, to}), Status::kOk);
    ASSERT_THAT(below.take(), ElementsAre("+" + to, "-" + from(i)));
    ++renamed;
  }
  EXPECT_GT(renamed, 20);
}

TEST_F(InclusiveShard, WhatIsLentIsThereUntilItIsReturned) {
  shard.now(1000);
  shard.lend({0, "a"}, {"lent", 5000});
  EXPECT_EQ(shard.get({0, "a"})->value, "lent");
  EXPECT_EQ(shard.peek({0, "a"})->expires_ms, 5000u);
  EXPECT_TRUE(shard.contains({0, "a"}));
  EXPECT_FALSE(shard.contains({1, "a"}));
  EXPECT_FALSE(shard.about({0, "a"}));
  EXPECT_EQ(shard.append({0, "a"}, "x"), Status::kDenied) << "it would lose what is below";
  EXPECT_EQ(shard.set_expiry({0, "a"}, 7000), Status::kOk);
  EXPECT_EQ(shard.peek({0, "a"})->expires_ms, 7000u);
  EXPECT_THAT(below.take(), ElementsAre("+a"));
  shard.now(7000);
  EXPECT_FALSE(shard.contains({0, "a"}));
  shard.now(2000);
  shard.return_lent();
  EXPECT_FALSE(shard.contains({0, "a"}));
}

TEST_F(InclusiveShard, WhatIsLentCanBeErasedMovedAndWrittenOver) {
  shard.lend({0, "a"}, {"lent", 0});
  EXPECT_TRUE(shard.erase({0, "a"}));
  EXPECT_FALSE(shard.contains({0, "a"}));
  shard.lend({0, "b"}, {"lent", 5000});
  EXPECT_EQ(shard.rename({0, "b"}, {0, "c"}), Status::kOk);
  EXPECT_EQ(shard.get({0, "c"})->value, "lent");
  EXPECT_FALSE(shard.contains({0, "b"}));
  shard.lend({0, "d"}, {"lent", 0});
  EXPECT_EQ(shard.take({0, "d"})->value, "lent");
  EXPECT_FALSE(shard.contains({0, "d"}));
  shard.lend({0, "e"}, {"lent", 5000});
  EXPECT_EQ(shard.set({0, "e"}, "new", {.keep_expiry = true}), Status::kOk);
  EXPECT_EQ(shard.get({0, "e"})->expires_ms, 5000u);
  EXPECT_TRUE(shard.erase({0, "e"}));
  EXPECT_FALSE(shard.contains({0, "e"})) << "what was lent does not come back";
  EXPECT_THAT(below.take(), ElementsAre("-a", "+c", "-b", "-d", "+e", "-e"));
  shard.lend({0, "f"}, {"lent", 0});
  shard.flush(0);
  EXPECT_FALSE(shard.contains({0, "f"}));
}

}  // namespace
}  // namespace ullage::tier

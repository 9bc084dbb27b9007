// SPDX-License-Identifier: Apache-2.0
#pragma once

// TierContract: what every tier owes, whatever it is made of. A tier is given to it as an adapter:
//
//   struct HotTier {
//     void now(std::uint64_t unix_ms);
//     bool put(unsigned db, const std::string& key, const Held& held);   // false: refused
//     std::optional<Held> get(unsigned db, const std::string& key);
//     void erase(unsigned db, const std::string& key);
//     void flush(unsigned db);
//     std::vector<std::string> keys(unsigned db);                        // as many scans as it
//     takes
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Hot, TierContract, HotTier);
//
// It is also instantiated on a std::map, which proves the suite.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace ullage::tier::testing {

struct Held {
  std::string value;
  std::uint64_t expires_ms = 0;
  std::uint8_t kind = 0;
  friend bool operator==(const Held&, const Held&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Held& held) {
    return out << held.value.substr(0, 40) << " (" << held.value.size() << " bytes, kind "
               << int{held.kind} << ", until " << held.expires_ms << ")";
  }
};

// The plainest tier there is.
class MapTier {
 public:
  void now(std::uint64_t unix_ms) { now_ = unix_ms; }
  bool put(unsigned db, const std::string& key, const Held& held) {
    rows_[{db, key}] = held;
    return true;
  }
  std::optional<Held> get(unsigned db, const std::string& key) {
    const auto at = rows_.find({db, key});
    if (at == rows_.end() || gone(at->second)) return std::nullopt;
    return at->second;
  }
  void erase(unsigned db, const std::string& key) { rows_.erase({db, key}); }
  void flush(unsigned db) {
    std::erase_if(rows_, [db](const auto& row) { return row.first.first == db; });
  }
  std::vector<std::string> keys(unsigned db) {
    std::vector<std::string> found;
    for (const auto& [at, held] : rows_) {
      if (at.first == db && !gone(held)) found.push_back(at.second);
    }
    return found;
  }

 private:
  bool gone(const Held& held) const { return held.expires_ms != 0 && held.expires_ms <= now_; }
  std::map<std::pair<unsigned, std::string>, Held> rows_;
  std::uint64_t now_ = 0;
};

template <class Tier>
class TierContract : public ::testing::Test {
 protected:
  TierContract() { tier_.now(kNow); }
  static constexpr std::uint64_t kNow = 1'700'000'000'000;
  Tier tier_;
};
TYPED_TEST_SUITE_P(TierContract);

TYPED_TEST_P(TierContract, KeepsWhatItWasGiven) {
  EXPECT_EQ(this->tier_.get(0, "k"), std::nullopt);
  ASSERT_TRUE(this->tier_.put(0, "k", {"value"}));
  EXPECT_EQ(this->tier_.get(0, "k"), Held{"value"});
  ASSERT_TRUE(this->tier_.put(0, "k", {"another, longer than the first"}));
  EXPECT_EQ(this->tier_.get(0, "k"), Held{"another, longer than the first"});
  ASSERT_TRUE(this->tier_.put(0, "k", {""}));
  EXPECT_EQ(this->tier_.get(0, "k"), Held{""});
}

TYPED_TEST_P(TierContract, KeysAndValuesAreAnyBytes) {
  const std::string every = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }();
  const std::vector<std::string> keys = {
      "",    std::string(1, '\0'),   std::string("a\0b", 3), "a", "\xff\xff",
      every, std::string(16000, 'k')};
  for (const std::string& key : keys) {
    ASSERT_TRUE(this->tier_.put(3, key, {key + every})) << key.size();
  }
  for (const std::string& key : keys) {
    EXPECT_EQ(this->tier_.get(3, key), Held{key + every}) << key.size();
  }
  EXPECT_THAT(this->tier_.keys(3), ::testing::UnorderedElementsAreArray(keys));
}

TYPED_TEST_P(TierContract, ValuesOfAllSizesComeBackWhole) {
  std::mt19937_64 random(11);
  std::vector<std::pair<std::string, Held>> all;
  for (const std::size_t bytes : {1u, 13u, 500u, 4096u, 16'000u, 16'384u, 65'536u, 3'000'001u}) {
    Held held;
    held.value.resize(bytes);
    for (char& c : held.value) c = static_cast<char>(random());
    all.emplace_back("size:" + std::to_string(bytes), held);
    ASSERT_TRUE(this->tier_.put(0, all.back().first, held)) << bytes;
  }
  for (const auto& [key, held] : all) EXPECT_EQ(this->tier_.get(0, key), held) << key;
}

TYPED_TEST_P(TierContract, DatabasesAreApart) {
  for (unsigned db = 0; db < 16; ++db) {
    ASSERT_TRUE(this->tier_.put(db, "k", {"in " + std::to_string(db)}));
  }
  this->tier_.erase(7, "k");
  this->tier_.flush(9);
  for (unsigned db = 0; db < 16; ++db) {
    const auto got = this->tier_.get(db, "k");
    if (db == 7 || db == 9) {
      EXPECT_EQ(got, std::nullopt) << db;
    } else {
      EXPECT_EQ(got, Held{"in " + std::to_string(db)}) << db;
    }
  }
}

TYPED_TEST_P(TierContract, WhatIsErasedIsGoneAndMayComeBack) {
  ASSERT_TRUE(this->tier_.put(0, "k", {"v"}));
  this->tier_.erase(0, "k");
  this->tier_.erase(0, "k");
  EXPECT_EQ(this->tier_.get(0, "k"), std::nullopt);
  EXPECT_THAT(this->tier_.keys(0), ::testing::IsEmpty());
  ASSERT_TRUE(this->tier_.put(0, "k", {"again"}));
  EXPECT_EQ(this->tier_.get(0, "k"), Held{"again"});
}

TYPED_TEST_P(TierContract, AnEntryIsGoneFromTheMillisecondItExpires) {
  ASSERT_TRUE(this->tier_.put(0, "soon", {"v", this->kNow + 1000}));
  ASSERT_TRUE(this->tier_.put(0, "later", {"v", this->kNow + 2000}));
  ASSERT_TRUE(this->tier_.put(0, "never", {"v"}));
  this->tier_.now(this->kNow + 999);
  EXPECT_EQ(this->tier_.get(0, "soon"), (Held{"v", this->kNow + 1000}));
  this->tier_.now(this->kNow + 1000);
  EXPECT_EQ(this->tier_.get(0, "soon"), std::nullopt);
  EXPECT_EQ(this->tier_.get(0, "later"), (Held{"v", this->kNow + 2000}));
  this->tier_.now(this->kNow + 5000);
  EXPECT_THAT(this->tier_.keys(0), ::testing::ElementsAre("never"));
}

TYPED_TEST_P(TierContract, AWriteSaysAnewWhenItExpires) {
  ASSERT_TRUE(this->tier_.put(0, "k", {"v", this->kNow + 1000}));
  ASSERT_TRUE(this->tier_.put(0, "k", {"v"}));
  this->tier_.now(this->kNow + 10'000);
  EXPECT_EQ(this->tier_.get(0, "k"), Held{"v"});
  ASSERT_TRUE(this->tier_.put(0, "k", {"v", this->kNow + 20'000}));
  this->tier_.now(this->kNow + 20'000);
  EXPECT_EQ(this->tier_.get(0, "k"), std::nullopt);
}

TYPED_TEST_P(TierContract, AnEntryKnowsWhatKindItsValueIs) {
  ASSERT_TRUE(this->tier_.put(0, "k", {"{}", 0, 1}));
  EXPECT_EQ(this->tier_.get(0, "k"), (Held{"{}", 0, 1}));
  ASSERT_TRUE(this->tier_.put(0, "k", {"text", this->kNow + 5}));
  EXPECT_EQ(this->tier_.get(0, "k"), (Held{"text", this->kNow + 5}));
}

TYPED_TEST_P(TierContract, AScanSeesEveryEntryOnce) {
  std::vector<std::string> keys;
  for (int i = 0; i < 3000; ++i) keys.push_back("key:" + std::to_string(i * 7919));
  for (const std::string& key : keys) ASSERT_TRUE(this->tier_.put(2, key, {key}));
  ASSERT_TRUE(this->tier_.put(1, "of another database", {"v"}));
  EXPECT_THAT(this->tier_.keys(2), ::testing::UnorderedElementsAreArray(keys));
}

TYPED_TEST_P(TierContract, FlushedIsEmptyAndTakesNewEntries) {
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(this->tier_.put(4, std::to_string(i), {"old"}));
  this->tier_.flush(4);
  EXPECT_THAT(this->tier_.keys(4), ::testing::IsEmpty());
  ASSERT_TRUE(this->tier_.put(4, "7", {"new"}));
  EXPECT_EQ(this->tier_.get(4, "7"), Held{"new"});
  EXPECT_EQ(this->tier_.get(4, "8"), std::nullopt);
}

TYPED_TEST_P(TierContract, AgreesWithAMapWhateverIsDone) {
  MapTier model;
  model.now(this->kNow);
  std::mt19937_64 random(5);
  std::uint64_t now = this->kNow;
  for (int i = 0; i < 4000; ++i) {
    const auto db = static_cast<unsigned>(random() % 2);
    const std::string key = "k" + std::to_string(random() % 60);
    switch (random() % 12) {
      case 0:
        model.erase(db, key);
        this->tier_.erase(db, key);
        break;
      case 1:
        now += random() % 40;
        model.now(now);
        this->tier_.now(now);
        break;
      case 2:
        if (random() % 40 != 0) break;
        model.flush(db);
        this->tier_.flush(db);
        break;
      case 3:
      case 4:
      case 5:
      case 6: {
        const Held held{std::string(random() % 300, static_cast<char>('a' + random() % 26)),
                        random() % 2 == 0 ? 0 : now + 1 + random() % 500,
                        static_cast<std::uint8_t>(random() % 2)};
        model.put(db, key, held);
        ASSERT_TRUE(this->tier_.put(db, key, held)) << i;
        break;
      }
      default:
        ASSERT_EQ(this->tier_.get(db, key), model.get(db, key)) << "step " << i << ", " << key;
    }
  }
  for (const unsigned db : {0u, 1u}) {
    EXPECT_THAT(this->tier_.keys(db), ::testing::UnorderedElementsAreArray(model.keys(db)));
  }
}

REGISTER_TYPED_TEST_SUITE_P(TierContract, KeepsWhatItWasGiven, KeysAndValuesAreAnyBytes,
                            ValuesOfAllSizesComeBackWhole, DatabasesAreApart,
                            WhatIsErasedIsGoneAndMayComeBack,
                            AnEntryIsGoneFromTheMillisecondItExpires, AWriteSaysAnewWhenItExpires,
                            AnEntryKnowsWhatKindItsValueIs, AScanSeesEveryEntryOnce,
                            FlushedIsEmptyAndTakesNewEntries, AgreesWithAMapWhateverIsDone);

}  // namespace ullage::tier::testing

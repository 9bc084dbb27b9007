// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace ullage {
namespace {

template <class K, class V>
using plain_map =
    hash_map<K, V, ullage::hash<K>, ullage::equal_to<K>, std::allocator<std::pair<const K, V>>>;

struct constant_hash {
  std::size_t operator()(std::uint64_t) const noexcept { return 7; }
};
struct page_hash {  // 4096 keys hash alike
  std::size_t operator()(std::uint64_t key) const noexcept { return key >> 12; }
};

template <class Map>
void agrees_with_unordered_map(std::size_t operations, std::uint64_t keys, std::uint64_t seed) {
  using key_type = typename Map::key_type;
  std::mt19937_64 random(seed);
  Map map;
  std::unordered_map<key_type, std::uint64_t> model;
  const auto key_of = [](std::uint64_t n) {
    if constexpr (std::is_same_v<key_type, std::string>) {
      return (n % 3 == 0 ? "a key that is too long to lie inside its string " : "k") +
             std::to_string(n);
    } else {
      return n;
    }
  };
  for (std::size_t i = 0; i < operations; ++i) {
    const unsigned inserts = std::array<unsigned, 4>{75, 45, 10, 60}[i * 4 / operations];
    const key_type key = key_of(random() % keys);
    const auto roll = static_cast<unsigned>(random() % 100);
    if (roll < inserts) {
      const auto [at, fresh] = map.try_emplace(key, i);
      const auto [expected, also] = model.try_emplace(key, i);
      ASSERT_EQ(fresh, also);
      ASSERT_EQ(at->second, expected->second);
    } else if (roll < 90) {
      ASSERT_EQ(map.erase(key), model.erase(key));
    } else {
      const auto at = map.find(key);
      const auto expected = model.find(key);
      ASSERT_EQ(at == map.end(), expected == model.end());
      if (at != map.end()) {
        ASSERT_EQ(at->second, expected->second);
      }
    }
    ASSERT_EQ(map.size(), model.size());
    if (i % (operations / 16) != 0) continue;
    std::size_t walked = 0;
    for (const auto& [k, v] : map) {
      ASSERT_EQ(model.at(k), v);
      ++walked;
    }
    ASSERT_EQ(walked, model.size());
    for (const auto& [k, v] : model) ASSERT_TRUE(map.contains(k));
  }
  Map copy(map);
  EXPECT_EQ(copy, map);
  copy.rehash(0);
  EXPECT_EQ(copy, map);
  while (copy.compact(500)) {
  }
  EXPECT_EQ(copy, map);
  copy.reserve(model.size() * 4);
  EXPECT_EQ(copy, map);
}

TEST(HashMap, AgreesWithUnorderedMapWhateverTheKeysTheHashAndTheMemory) {
  agrees_with_unordered_map<hash_map<std::uint64_t, std::uint64_t>>(400000, 60000, 1);
  agrees_with_unordered_map<hash_map<std::uint64_t, std::uint64_t>>(100000, 60, 2);
  agrees_with_unordered_map<hash_map<std::string, std::uint64_t>>(200000, 20000, 3);
  agrees_with_unordered_map<plain_map<std::uint64_t, std::uint64_t>>(400000, 60000, 4);
  agrees_with_unordered_map<plain_map<std::string, std::uint64_t>>(100000, 9000, 5);
  agrees_with_unordered_map<hash_map<std::uint64_t, std::uint64_t, page_hash>>(60000, 20000, 6);
  agrees_with_unordered_map<hash_map<std::uint64_t, std::uint64_t, constant_hash>>(20000, 3000, 7);
}

}  // namespace
}  // namespace ullage

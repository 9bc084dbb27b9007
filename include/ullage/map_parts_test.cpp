// SPDX-License-Identifier: Apache-2.0
//
// Parts of hash_map one by one: which hashes are believed, and what a directory in chunks knows.
#include <gtest/gtest.h>
#include <ullage/hash_map.h>

#include <cstdint>
#include <memory>

namespace ullage::detail {
namespace {

struct says_nothing {
  std::size_t operator()(int) const;
};
struct says_a_type : says_nothing {
  using is_avalanching = void;
};
struct says_true : says_nothing {
  using is_avalanching = std::true_type;
};
struct says_false : says_nothing {
  using is_avalanching = std::false_type;
};
struct says_a_true_constant : says_nothing {
  static constexpr bool is_avalanching = true;
};
struct says_a_false_constant : says_nothing {
  static constexpr bool is_avalanching = false;
};

TEST(MapHash, SeedsComeFromWhatNobodyKnows) {
  EXPECT_NE(secret_of_this_run(), secret_of_this_run());
  EXPECT_NE(fresh_seed(), fresh_seed());
}

TEST(MapHash, BelievesAHashThatSaysItsBitsAreGoodAndOneThatSaysTheyAreNot) {
  EXPECT_FALSE(hash_is_avalanching<says_nothing>::value);
  EXPECT_TRUE(hash_is_avalanching<says_a_type>::value);
  EXPECT_TRUE(hash_is_avalanching<says_true>::value);
  EXPECT_FALSE(hash_is_avalanching<says_false>::value);
  EXPECT_TRUE(hash_is_avalanching<says_a_true_constant>::value);
  EXPECT_FALSE(hash_is_avalanching<says_a_false_constant>::value);
}

struct quiet_when_seeded {
  std::uint64_t operator()(int) const;
  std::uint64_t operator()(int, std::uint64_t) const noexcept;
};
struct loud_when_seeded {
  std::uint64_t operator()(int) const noexcept;
  std::uint64_t operator()(int, std::uint64_t) const;
};

TEST(MapHash, ThrowsIfTheCallThatIsMadeMayThrow) {
  EXPECT_TRUE(noexcept(seeded_hash(quiet_when_seeded(), 1, 1)));
  EXPECT_FALSE(noexcept(seeded_hash(loud_when_seeded(), 1, 1)));
  EXPECT_FALSE(noexcept(seeded_hash(says_nothing(), 1, 1)));
}

// Segments are numbers here: index and a mark.
struct number_space {
  using entry = std::uintptr_t;
};
using chunks = map_directory<number_space, std::allocator<int>, false>;

TEST(MapDirectory, InChunksKnowsAliasesToo) {
  chunks dir;
  const std::allocator<int> alloc;
  const auto index_of = [](std::uintptr_t e) { return static_cast<std::size_t>(e >> 8); };
  const auto named = [](std::size_t index) { return static_cast<std::uintptr_t>(index << 8 | 3); };
  // As reserve does: from the front to the back.
  constexpr unsigned kDepth = 15;
  for (std::size_t i = 1; i < std::size_t{1} << kDepth; i *= 2) dir.prepare(alloc, i);
  // Every segment has 12 bits but one, which has 14; one chunk more is there.
  for (std::size_t i = 0; i < chunks::kFlatEntries; ++i) dir.set(i, named(i), 12);
  dir.set_depth(kDepth);
  const std::size_t deep = 5 | std::size_t{1} << 13;
  dir.prepare(alloc, deep);
  dir.set(5, named(5), 14);
  dir.set(deep, named(deep), 14);
  const std::size_t alias = deep | std::size_t{1} << 14;
  dir.prepare(alloc, alias);
  ASSERT_EQ(dir.get(alias), 0u);
  EXPECT_EQ(dir.resolve(alias), named(deep)) << "by the way of its lower bits";
  EXPECT_TRUE(dir.fill(alias, index_of));
  EXPECT_EQ(dir.get(alias), named(deep));
  EXPECT_FALSE(dir.fill(alias, index_of)) << "once is enough";
  EXPECT_EQ(dir.resolve(alias), named(deep));
  // A segment that gets another name takes its aliases along.
  dir.rename(deep, named(deep), named(deep) + 1, 14);
  EXPECT_EQ(dir.get(alias), named(deep) + 1);
  // No alias of an alias, and none where the directory has no chunk.
  EXPECT_FALSE(dir.fill(deep | std::size_t{3} << 20, index_of));
  EXPECT_EQ(dir.flat()[5], 0u) << "the flat part can't tell the segments of 14 bits apart";
  dir.release(alloc);
}

}  // namespace
}  // namespace ullage::detail

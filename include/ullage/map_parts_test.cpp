// SPDX-License-Identifier: Apache-2.0
//
// Parts of hash_map one by one: which hashes are believed, and what a directory in chunks knows.
#include <gtest/gtest.h>
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>

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

// The arithmetic of docs/containers/hash_map.md, for entries of 16 bytes: u64 -> u64.
namespace arithmetic {

using map = hash_map<std::uint64_t, std::uint64_t>;
using core = map::core_type;
using shape = core::shape;
using space = core::space;

constexpr double kEntry = 16;
constexpr bool is_near(double a, double b) { return a - b < 0.005 && b - a < 0.005; }

// Three ranges: 16 bytes of tags and 15 slots a group; heads of 16 bytes a unit of 16 groups.
static_assert(kMetaBytes == 16 && kGroupSlots == 15 && shape::kUnit == 16);
static_assert(shape::groups_of(3) == 48 && shape::groups_of(4) == 64 && shape::kUnitsMax == 4);
static_assert(space::held(4) - space::held(3) == 16 * (16 + 15 * 16) + 16);
static_assert(is_near(kEntry * (1 + 1 / 15.), 17.07));
static_assert(is_near(16 / 240., 0.07));
// At its fullest and at its emptiest: 9/10 of 720 slots; half of what 64 groups hold at most.
static_assert(shape::limit_of(48) == 648 && shape::limit_of(64) / 2 == 432);
static_assert(is_near(static_cast<double>(space::held(3)) / 648, 19.04));
static_assert(is_near(static_cast<double>(space::held(3)) / 432, 28.56));
// During growth: one segment more, of 16 KiB at most (and its tags and head).
static_assert(64 * 15 * sizeof(map::value_type) == 15360 && space::held(4) == 16448);
// What one insert costs at worst.
static_assert(map::max_moves_per_insert() == 960 && map::max_allocations_per_insert() == 5);
static_assert(hash_map<int, std::array<char, 20000>>::max_allocations_per_insert() == 6);
// Other entries: a set of 8 bytes, strings to 8 bytes and to strings.
template <class Map, std::size_t Bytes, std::size_t Moves>
constexpr bool takes(double fullest, double emptiest) {
  using its = typename Map::core_type;
  const auto segment = static_cast<double>(its::space::held(its::shape::kUnitsMin));
  const auto holds = [](unsigned units) {
    return its::shape::limit_of(its::shape::groups_of(units));
  };
  return sizeof(typename Map::value_type) == Bytes && Map::max_moves_per_insert() == Moves &&
         is_near(segment / static_cast<double>(holds(its::shape::kUnitsMin)), fullest) &&
         is_near(segment / static_cast<double>(holds(its::shape::kUnitsMax) / 2), emptiest);
}
static_assert(takes<hash_set<std::uint64_t>, 8, 960>(10.15, 15.22));
static_assert(takes<map, 16, 960>(19.04, 28.56));
static_assert(takes<hash_map<std::string, std::uint64_t>, 40, 960>(45.70, 68.56));
static_assert(takes<hash_map<std::string, std::string>, 64, 480>(72.44, 108.67));
// A larger slot means fewer groups: 40 KiB of slots at most.
static_assert(map_shape<40, 8>::kSlotsMax == 960 && map_shape<48, 8>::kSlotsMax == 480);
static_assert(map_shape<40, 8>::kSegmentBytesMax == 40 * 1024);
// One erasure in 120 has its segment counted.
static_assert(shape::kErasedPerLook == 120);
// The directory: flat up to 4096 entries of four bytes; lanes of 1/11 to 1/22.
static_assert(core::directory::kFlatEntries * sizeof(core::entry) == 16 * 1024);
static_assert(*std::max_element(kLanes.shares, kLanes.shares + 16) == 256 / 11);
static_assert(*std::min_element(kLanes.shares, kLanes.shares + 16) == 256 / 22 + 1);

}  // namespace arithmetic

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

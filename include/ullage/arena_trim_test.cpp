// SPDX-License-Identifier: Apache-2.0
//
// What the arena gives back to the system, page by page: those that nobody has, and no other.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <ullage/hash_map.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace ullage::detail {
namespace {

const auto kPage = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

std::vector<bool> resident(const unsigned char* base, std::size_t bytes) {
  std::vector<unsigned char> there((bytes + kPage - 1) / kPage);
  EXPECT_EQ(::mincore(const_cast<unsigned char*>(base), bytes, there.data()), 0);
  std::vector<bool> told(there.size());
  for (std::size_t i = 0; i < there.size(); ++i) told[i] = (there[i] & 1U) != 0;
  return told;
}
std::size_t count(const std::vector<bool>& pages) {
  return static_cast<std::size_t>(std::count(pages.begin(), pages.end(), true));
}

// Segments of an arena that no map has, all written to.
template <std::size_t Tag, std::size_t Slot>
class segments {
 public:
  ~segments() {
    while (!held_.empty()) put(0);
  }
  void get(unsigned units) {
    const std::uint32_t first = arena().get(units);
    ASSERT_NE(first, segment_arena::kNone);
    for (const segment& other : held_) {
      ASSERT_TRUE(first + units <= other.first || other.first + other.units <= first);
    }
    held_.push_back({first, units});
    end_ = std::max(end_, first + units);
    std::memset(arena().tags() + first * Tag, mark(first), units * Tag);
    std::memset(arena().slots() + first * Slot, mark(first), units * Slot);
  }
  void put(std::size_t i) {
    const segment gone = held_[i];
    expect_whole(gone);
    held_[i] = held_.back();
    held_.pop_back();
    arena().put(gone.first, gone.units);
  }
  std::size_t size() const { return held_.size(); }
  std::size_t slot_bytes() const { return end_ * Slot; }
  /// The pages of slots and of tags that are there are those that a segment has a part in.
  void expect_exact(std::size_t granule = kPage) const {
    expect_exact(arena().slots(), Slot, granule);
    expect_exact(arena().tags(), Tag, granule);
    for (const segment& s : held_) expect_whole(s);
  }
  static segment_arena& arena() { return segment_arena::of<Tag, Slot>(); }
  static void trim() {
    std::size_t calls = 0;
    for (std::size_t work = 500; arena().trim(work); work = 500) ASSERT_LT(++calls, 1000000U);
  }

 private:
  struct segment {
    std::uint32_t first;
    unsigned units;
  };
  static unsigned char mark(std::uint32_t first) {
    return static_cast<unsigned char>(first % 255 + 1);
  }
  static void expect_whole(const segment& s) {
    const unsigned char* const tags = arena().tags() + s.first * Tag;
    const unsigned char* const slots = arena().slots() + s.first * Slot;
    const auto ours = [&](unsigned char c) { return c == mark(s.first); };
    ASSERT_TRUE(std::all_of(tags, tags + s.units * Tag, ours)) << s.first;
    ASSERT_TRUE(std::all_of(slots, slots + s.units * Slot, ours)) << s.first;
  }
  void expect_exact(const unsigned char* base, std::size_t unit, std::size_t granule) const {
    std::set<std::size_t> wanted;  // granules
    for (const segment& s : held_) {
      for (std::size_t g = s.first * unit / granule; g * granule < (s.first + s.units) * unit;
           ++g) {
        wanted.insert(g);
      }
    }
    const std::vector<bool> there = resident(base, end_ * unit);
    for (std::size_t i = 0; i < there.size(); ++i) {
      ASSERT_EQ(there[i], wanted.count(i * kPage / granule) != 0)
          << "page " << i << " of " << there.size() << ", units of " << unit << " bytes";
    }
  }

  std::vector<segment> held_;
  std::uint32_t end_ = 1;
};

template <std::size_t Tag, std::size_t Slot>
void any_order_of_calls(unsigned seed) {
  std::mt19937 random(seed);
  segments<Tag, Slot> some;
  for (int i = 0; i < 300; ++i) some.get(3 + static_cast<unsigned>(random() % 2));
  for (int round = 0; round < 4; ++round) {
    const auto puts = 1 + random() % 9;  // of ten: from mostly held to mostly free
    for (int i = 0; i < 400; ++i) {
      if (some.size() != 0 && random() % 10 < puts) {
        some.put(random() % some.size());
      } else {
        some.get(3 + static_cast<unsigned>(random() % 2));
      }
      std::size_t work = random() % 3 == 0 ? random() % 200 : 0;
      some.arena().trim(work);
      if (::testing::Test::HasFatalFailure()) return;
    }
    // Whoever comes second finds no walk that another had begun.
    some.trim();
    some.trim();
    ASSERT_NO_FATAL_FAILURE(some.expect_exact()) << "seed " << seed << ", round " << round;
  }
}

TEST(ArenaTrim, PagesThatNoSegmentHasAPartInAreGoneAndNoOther) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    ASSERT_NO_FATAL_FAILURE((any_order_of_calls<256, 3841>(seed)));   // units smaller than a page
    ASSERT_NO_FATAL_FAILURE((any_order_of_calls<64, 12003>(seed)));   // and larger
    ASSERT_NO_FATAL_FAILURE((any_order_of_calls<1024, 8192>(seed)));  // and aligned to one
  }
}

TEST(ArenaTrim, WithoutAnySegmentNothingIsThere) {
  segments<256, 3842> some;
  for (int i = 0; i < 3000; ++i) some.get(3 + static_cast<unsigned>(i) % 2);
  const std::size_t bytes = some.slot_bytes();
  ASSERT_GT(count(resident(some.arena().slots(), bytes)), bytes / kPage - 2);
  while (some.size() != 0) some.put(some.size() / 3);
  some.trim();
  EXPECT_EQ(count(resident(some.arena().slots(), bytes)), 0U);
  EXPECT_EQ(count(resident(some.arena().tags(), bytes / 3842 * 256)), 0U);
  EXPECT_EQ(count(resident(some.arena().heads(), bytes / 3842 * segment_arena::kHeadBytes)), 0U);
  const arena_usage usage = some.arena().usage();
  EXPECT_EQ(usage.used_bytes, 0U);
  EXPECT_EQ(usage.free_bytes, 0U);
  // What comes next lies side by side again.
  for (int i = 0; i < 30; ++i) some.get(3);
  EXPECT_EQ(some.arena().usage().used_bytes, 90 * (256 + 3842 + segment_arena::kHeadBytes));
}

TEST(ArenaTrim, AStepDropsNoMoreThanItsBound) {
  segments<256, 3843> some;
  for (int i = 0; i < 2000; ++i) some.get(4);
  const std::size_t bytes = some.slot_bytes();
  for (std::size_t i = 0; i < some.size(); ++i) {
    if (i % 8 != 0) some.put(i);
  }
  const auto pages = [&] { return count(resident(some.arena().slots(), bytes)); };
  const std::size_t most = kTrimBytesPerStep / kPage + 4 * 3843 / kPage + 2;  // and a segment
  std::size_t before = pages(), work = 1;
  const std::size_t full = before;
  for (; some.arena().trim(work); work = 1) {
    const std::size_t now = pages();
    ASSERT_LE(now, before);
    ASSERT_LE(before - now, most);
    before = now;
  }
  EXPECT_LT(pages(), full);
}

TEST(ArenaTrim, HugePagesGoWholeOrNotAtAll) {
  ASSERT_TRUE(configure_arena({.huge_pages = true}));
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  segments<8192, 40000> some;
  for (int i = 0; i < 600; ++i) some.get(3 + static_cast<unsigned>(i) % 2);
  const std::vector<bool> before = resident(some.arena().slots(), some.slot_bytes());
  // Runs of some 12 MB, and single ones between them.
  for (std::size_t i = some.size(); i-- > 0;) {
    if (i % 100 != 0 && i / 100 % 2 == 0) some.put(i);
    if (i % 7 == 0 && i / 100 % 2 == 1) some.put(i);
  }
  some.trim();
  EXPECT_NO_FATAL_FAILURE(some.expect_exact(kHuge));
  EXPECT_LT(count(resident(some.arena().slots(), some.slot_bytes())), count(before) * 3 / 4);
  EXPECT_TRUE(configure_arena({}));
}

TEST(ArenaTrim, WhatWasTouchedAheadOfUseStaysAsLongAsThatIsWished) {
#if !defined(MADV_POPULATE_WRITE)
  GTEST_SKIP() << "nothing is touched ahead here";
#else
  constexpr std::size_t kAhead = std::size_t{2} << 20, kUnit = 3844;
  segments<256, kUnit> some;
  ASSERT_TRUE(configure_arena({.ahead_bytes = kAhead}));
  for (int i = 0; i < 400; ++i) some.get(3);
  const unsigned char* const behind =
      some.arena().slots() + (some.slot_bytes() / kPage + 1) * kPage;
  const auto ahead = [&] { return count(resident(behind, 2 * kAhead)); };
  for (int i = 0; i < 5000 && ahead() < kAhead / kPage * 7 / 8; ++i) {
    arena_helper::get().ask();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const std::size_t touched = ahead();
  if (touched == 0) GTEST_SKIP() << "the kernel touches nothing ahead";
  some.put(100);
  some.trim();
  EXPECT_GE(ahead(), touched);
  ASSERT_TRUE(configure_arena({}));
  some.trim();
  EXPECT_EQ(ahead(), 0U);
  EXPECT_NO_FATAL_FAILURE(some.expect_exact());
#endif
}

TEST(ArenaTrim, EndsWhereTheSystemTakesNothing) {
  segments<256, 3845> some;
  for (int i = 0; i < 100; ++i) some.get(3);
  if (::mlock(some.arena().slots(), some.slot_bytes()) != 0) GTEST_SKIP() << "may not lock memory";
  for (std::size_t i = 1; i < 60; ++i) some.put(1);
  some.trim();  // does not go on for ever
  ASSERT_EQ(::munlock(some.arena().slots(), some.slot_bytes()), 0);
  some.trim();
  EXPECT_NO_FATAL_FAILURE(some.expect_exact());
}

TEST(ArenaTrim, TakesNothingFromThoseWhoTakeAndPutMeanwhile) {
  std::atomic<bool> done{false};
  std::thread trimmer([&] {
    while (!done.load()) {
      std::size_t work = 100;
      segments<256, 3846>::arena().trim(work);
    }
  });
  const auto user = [](unsigned seed) {
    std::mt19937 random(seed);
    segments<256, 3846> some;
    for (int i = 0; i < 4000; ++i) {
      if (some.size() > 5 && random() % 2 == 0) {
        some.put(random() % some.size());
      } else if (some.size() < 40) {
        some.get(3 + static_cast<unsigned>(random() % 2));
      }
    }
  };
  std::thread one(user, 1), other(user, 2);
  one.join();
  other.join();
  done.store(true);
  trimmer.join();
}

// ---- through a map ----------------------------------------------------------------------------

// Slots of a form that no other test has.
template <std::size_t Words>
using wide_map = hash_map<std::uint64_t, std::array<std::uint64_t, Words>>;

template <class Map>
std::size_t resident_bytes() {
  const segment_arena& arena = Map::core_type::space::arena();
  const std::size_t unit = Map::core_type::space::held(1);
  // Nothing here ever takes more than this.
  const std::size_t units = (std::size_t{96} << 20) / unit;
  std::size_t pages = count(resident(arena.slots(), units * Map::core_type::space::kSlotUnit));
  pages += count(resident(arena.tags(), units * Map::core_type::space::kTagUnit));
  return (pages + count(resident(arena.heads(), units * segment_arena::kHeadBytes))) * kPage;
}

TEST(HashMapCompact, GivesTheSystemWhatErasedEntriesHad) {
  using map_type = wide_map<3>;
  map_type map;
  for (std::uint64_t i = 0; i < 200'000; ++i) map.try_emplace(i);
  const std::size_t full = resident_bytes<map_type>();
  ASSERT_GE(full, map.memory_usage() * 15 / 16);
  for (auto at = map.begin(); at != map.end();) {
    if (at->first % 32 != 0) {
      at = map.erase(at);
    } else {
      ++at;
    }
  }
  while (map.compact(1000)) {
  }
  EXPECT_EQ(map.memory_usage(), map.counters().memory_bytes);
  EXPECT_LE(map.memory_usage(), full / 20);
  // A segment that stands alone shares four pages of slots and tags with nobody, at most.
  EXPECT_LE(resident_bytes<map_type>(), map.memory_usage() * 2);
  for (std::uint64_t i = 0; i < 200'000; i += 32) ASSERT_TRUE(map.contains(i));
  // And what it takes again is as good as new.
  for (std::uint64_t i = 0; i < 200'000; ++i) map[i] = {i, i, i};
  for (std::uint64_t i = 0; i < 200'000; ++i) ASSERT_EQ(map.at(i)[2], i);
}

TEST(HashMapCompact, AMapThatWasClearedLeavesNothingBehind) {
  using map_type = wide_map<4>;
  map_type map;
  for (std::uint64_t i = 0; i < 100'000; ++i) map.try_emplace(i);
  map.clear();
  EXPECT_GT(resident_bytes<map_type>(), std::size_t{1} << 20) << "as before";
  while (map.compact(1000)) {
  }
  EXPECT_EQ(resident_bytes<map_type>(), 0U);
  EXPECT_EQ(map.memory_usage(), sizeof map);
}

TEST(HashMapCompact, TrimArenasGivesBackWhatMapsThatAreGoneHad) {
  using map_type = wide_map<5>;
  {
    map_type map;
    for (std::uint64_t i = 0; i < 100'000; ++i) map.try_emplace(i);
  }
  const std::size_t full = resident_bytes<map_type>();
  EXPECT_GT(full, std::size_t{1} << 20);
  EXPECT_TRUE(trim_arenas(std::size_t{1} << 20));
  EXPECT_LT(resident_bytes<map_type>(), full);
  EXPECT_GE(resident_bytes<map_type>() + (std::size_t{2} << 20), full);
  EXPECT_FALSE(trim_arenas());
  EXPECT_EQ(resident_bytes<map_type>(), 0U);
}

TEST(HashMapCompact, ASmallMapMakesNoArenaForIt) {
  using map_type = wide_map<6>;
  map_type map;
  map[1] = {};
  EXPECT_FALSE(map.compact(1000));
  using space = map_type::core_type::space;
  EXPECT_EQ((segment_arena::made<space::kTagUnit, space::kSlotUnit>()), nullptr);
}

TEST(HashMapCompact, APassThatWasLeftOffMissesNothingThatIsErasedLater) {
  hash_map<std::uint64_t, std::uint64_t> map;
  for (std::uint64_t i = 0; i < 200'000; ++i) map.try_emplace(i, i);
  while (map.compact(1000)) {
  }
  // A step for each place of the directory, nearly to its end.
  const std::size_t places = std::size_t{1} << map.counters().directory_depth;
  for (std::size_t i = 0; i < places * 95 / 100; ++i) ASSERT_TRUE(map.compact(1));
  // Walking and looking go the same way: what is erased here lies far behind, and so do the
  // segments that it could be merged with.
  auto at = map.begin();
  for (std::size_t left = map.size() / 5; left != 0; --left) at = map.erase(at);
  while (map.compact(1000)) {
  }
  const std::size_t once = map.memory_usage();
  while (map.compact(1000)) {
  }
  EXPECT_EQ(map.memory_usage(), once) << "it had said that there was no more to do";
}

}  // namespace
}  // namespace ullage::detail

// SPDX-License-Identifier: Apache-2.0
//
// The memory that maps have by default, the arena's, fails at each segment in turn: the first, the
// second, and so on. (What an allocator of one's own does then: map_contract_faults_test.cpp.)
#include <gtest/gtest.h>
#include <ullage/hash_map.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>

namespace ullage {
namespace {

using owners = hash_map<std::uint64_t, std::unique_ptr<std::uint64_t>>;
using texts = hash_map<std::uint64_t, std::string>;
constexpr std::uint64_t kEntries = 8000;  // a dozen splits, and a directory
constexpr long kSegmentsMost = 1000;      // more than any of these needs

// While it lives, only the next so many segments are there to be had.
template <class Map>
class segments_end {
 public:
  explicit segments_end(long after) { arena().fail_after(after); }
  ~segments_end() { arena().fail_after(-1); }
  segments_end(const segments_end&) = delete;
  segments_end& operator=(const segments_end&) = delete;

 private:
  static_assert(Map::core_type::kArena, "the test is of the arena's memory");
  static detail::segment_arena& arena() { return Map::core_type::space::arena(); }
};

std::unique_ptr<std::uint64_t> made(std::uint64_t i) { return std::make_unique<std::uint64_t>(i); }
std::string text(std::uint64_t i) { return "a text beyond any small buffer " + std::to_string(i); }

// All of [from, to) is there as it was put in, and nothing else.
void expect_all(const owners& map, std::uint64_t from, std::uint64_t to, long after) {
  ASSERT_EQ(map.size(), to - from) << "after " << after << " segments";
  std::uint64_t walked = 0;
  for (const auto& [key, value] : map) walked += value != nullptr && *value == key ? 1 : 0;
  ASSERT_EQ(walked, to - from) << "after " << after << " segments";
  for (std::uint64_t i = from; i < to; ++i) ASSERT_TRUE(map.contains(i)) << i;
}

TEST(HashMapArenaFaults, AnInsertWithoutASegmentChangesNothing) {
  bool failed = true;
  for (long after = 0; failed; ++after) {
    ASSERT_LT(after, kSegmentsMost);
    failed = false;
    owners map;
    std::uint64_t count = 0;
    {
      const segments_end<owners> end(after);
      for (; count < kEntries; ++count) {
        auto value = made(count);
        const auto done = map.try_insert_key(count, std::move(value));
        if (done) continue;
        failed = true;
        ASSERT_EQ(done.status, insert_status::no_memory);
        ASSERT_NE(value, nullptr) << "what was to come in is lost";
        ASSERT_THROW(map.try_emplace(count, std::move(value)), std::bad_alloc);
        ASSERT_NE(value, nullptr);
        break;
      }
      expect_all(map, 0, count, after);
    }
    // With memory again it goes on as if nothing had been.
    for (std::uint64_t i = count; i < count + 2000; ++i) map.try_emplace(i, made(i));
    expect_all(map, 0, count + 2000, after);
  }
}

TEST(HashMapArenaFaults, ErasuresNeedNoSegment) {
  for (long after = 0; after < 12; ++after) {
    owners map;
    for (std::uint64_t i = 0; i < kEntries; ++i) map.try_emplace(i, made(i));
    const segments_end<owners> end(after);
    for (std::uint64_t i = 0; i < kEntries - 10; ++i) ASSERT_EQ(map.erase(i), 1u);
    expect_all(map, kEntries - 10, kEntries, after);
    try {
      while (map.compact(1000)) {
      }
    } catch (const std::bad_alloc&) {
    }
    expect_all(map, kEntries - 10, kEntries, after);
  }
}

template <class Operation>
void at_each_segment(const char* name, Operation operation) {
  bool failed = true;
  for (long after = 0; failed; ++after) {
    ASSERT_LT(after, kSegmentsMost);
    failed = false;
    texts map;
    for (std::uint64_t i = 0; i < 3000; ++i) map.try_emplace(i, text(i));
    const texts before = map;
    const segments_end<texts> end(after);
    try {
      operation(map);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    if (failed) {
      ASSERT_EQ(map, before) << name << ", after " << after << " segments";
    }
  }
}

TEST(HashMapArenaFaults, WhatChangesTheWholeMapDoesSoOrNotAtAll) {
  texts other;
  for (std::uint64_t i = 0; i < 5000; ++i) other.try_emplace(i + 1000, text(i));
  at_each_segment("reserve", [](texts& map) { map.reserve(9000); });
  at_each_segment("rehash", [](texts& map) { map.rehash(0); });
  at_each_segment("assign", [&](texts& map) { map = other; });
  at_each_segment("copy", [](texts& map) { const texts copy = map; });
}

TEST(HashMapArenaFaults, MergeLosesNothing) {
  bool failed = true;
  for (long after = 0; failed; ++after) {
    ASSERT_LT(after, kSegmentsMost);
    failed = false;
    owners to, from;
    for (std::uint64_t i = 0; i < 2000; ++i) to.try_emplace(i, made(i));
    for (std::uint64_t i = 2000; i < 6000; ++i) from.try_emplace(i, made(i));
    {
      const segments_end<owners> end(after);
      try {
        to.merge(from);
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    }
    ASSERT_EQ(to.size() + from.size(), 6000u) << after;
    to.merge(from);
    expect_all(to, 0, 6000, after);
  }
}

}  // namespace
}  // namespace ullage

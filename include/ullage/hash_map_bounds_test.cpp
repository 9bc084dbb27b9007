// SPDX-License-Identifier: Apache-2.0
//
// What hash_map promises beyond the contract of maps: the work of one operation is bounded whatever
// the hash does, memory follows size, churn takes none. Everything is counted: moves by the
// elements, memory by the allocator.
#include <gtest/gtest.h>
#include <ullage/hash_map.h>
#include <ullage/hash_set.h>
#include <ullage/testing/allocator_testing.h>
#include <ullage/testing/faults_testing.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace ullage::testing {
namespace {

template <class K, class V, hashing Hashing = hashing::good>
using counted_map = ullage::hash_map<K, V, counted_hash<Hashing>, counted_equal,
                                     traffic_allocator<std::pair<const K, V>>>;
using numbers = ullage::hash_map<std::uint64_t, std::uint64_t>;

// Sixteen bytes an entry, of which the value counts its moves and copies.
struct moved_value {
  inline static std::uint64_t moves = 0;
  moved_value(int v = 0) noexcept : value(v) {}  // NOLINT: values are written as ints
  moved_value(const moved_value& other) noexcept : value(other.value) { ++moves; }
  moved_value(moved_value&& other) noexcept : value(other.value) { ++moves; }
  moved_value& operator=(const moved_value&) = default;
  ~moved_value() {}  // NOLINT: not trivial, so that every move is a call
  int value;
};

// The most that one call of `operation` moved, allocated and hashed.
class worst {
 public:
  template <class Operation>
  void of(Operation operation) {
    const std::uint64_t moves = moved_value::moves;
    const traffic_counts traffic = g_traffic;
    const std::uint64_t hashes = g_faults.counts.hashes;
    operation();
    moved_ = std::max(moved_, moved_value::moves - moves);
    allocated_ = std::max(allocated_, g_traffic.allocations - traffic.allocations);
    hashed_ = std::max(hashed_, g_faults.counts.hashes - hashes);
  }
  std::uint64_t moved() const { return moved_; }
  std::uint64_t allocated() const { return allocated_; }
  std::uint64_t hashed() const { return hashed_; }

 private:
  std::uint64_t moved_ = 0, allocated_ = 0, hashed_ = 0;
};

template <hashing Hashing>
void expect_bounded_work(int count) {
  using map_type = counted_map<int, moved_value, Hashing>;
  // Every move is one of the map's own, but for that of an entry which growth had made aside.
  constexpr std::uint64_t kMoves = map_type::max_moves_per_insert() + 1;
  constexpr std::uint64_t kAllocations = map_type::max_allocations_per_insert();
  map_type map;
  worst insertion, erasure;
  for (int i = 0; i < count; ++i) insertion.of([&] { map.try_emplace(i, i); });
  for (int i = 0; i < count; i += 3) erasure.of([&] { map.erase(i); });
  for (int i = count; i < 2 * count; ++i) {
    erasure.of([&] { map.erase(i - count); });
    insertion.of([&] { map.try_emplace(i, i); });
  }
  for (int i = 0; i < 2 * count; ++i) erasure.of([&] { map.erase(i); });
  EXPECT_TRUE(map.empty());
  EXPECT_LE(insertion.moved(), kMoves);
  EXPECT_LE(insertion.allocated(), kAllocations);
  EXPECT_LE(insertion.hashed(), 2 * kMoves + 2);
  EXPECT_LE(erasure.moved(), kMoves);
  EXPECT_LE(erasure.allocated(), kAllocations);
}

int operations(int usual) {
  const char* text = std::getenv("ULLAGE_BOUND_OPERATIONS");
  return text == nullptr ? usual : std::atoi(text);
}

TEST(HashMapBounds, NoInsertMovesMoreThanOneSegmentUnderAGoodHash) {
  expect_bounded_work<hashing::good>(operations(200'000));
}
TEST(HashMapBounds, NoInsertMovesMoreThanOneSegmentUnderTheIdentity) {
  expect_bounded_work<hashing::identity>(operations(100'000));
}
TEST(HashMapBounds, NoInsertMovesMoreThanOneSegmentWhenAllHashesAreEqual) {
  expect_bounded_work<hashing::constant>(4000);
}
TEST(HashMapBounds, NoInsertMovesMoreThanOneSegmentWhenThereAreSevenHashes) {
  expect_bounded_work<hashing::few>(8000);
}
TEST(HashMapBounds, NoInsertMovesMoreThanOneSegmentWhenLowHashBitsAreEqual) {
  expect_bounded_work<hashing::low_bits_equal>(100'000);
}
TEST(HashMapBounds, NoInsertMovesMoreThanOneSegmentWhenHighHashBitsAreEqual) {
  expect_bounded_work<hashing::high_bits_equal>(100'000);
}

TEST(HashMapBounds, TheBoundOfMovesDoesNotDependOnTheSize) {
  EXPECT_LE(numbers::max_moves_per_insert(), 960U) << "64 groups of 15";
  struct large {
    char bytes[1000];
  };
  EXPECT_LE((ullage::hash_map<int, large>::max_moves_per_insert()), 64U);
}

TEST(HashMapBounds, TenThousandKeysOfOneHashStayCorrectAndTakeMemoryForTenThousand) {
  counted_map<int, int, hashing::constant> map;
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(map.try_emplace(i, -i).second);
  for (int i = 0; i < 10'000; i += 7) ASSERT_EQ(map.at(i), -i);
  ASSERT_FALSE(map.contains(10'000));
  EXPECT_LE(map.memory_usage(), 10'000U * 24);
  for (int i = 0; i < 10'000; i += 2) ASSERT_EQ(map.erase(i), 1U);
  for (int i = 0; i < 10'000; i += 5) ASSERT_EQ(map.contains(i), i % 2 == 1);
  map.clear();
  EXPECT_LE(map.memory_usage(), 8192U);
}

// A handful of keys that hash alike must not make the rest of the map slow: once a segment full of
// them never split again, and good keys that came to it later were found one by one.
TEST(HashMapBounds, KeysThatHashAlikeDoNotSlowDownThoseThatCameLater) {
  struct mostly_good {
    std::size_t operator()(int key) const {
      ++g_faults.counts.hashes;
      return key < 2000 ? 42 : static_cast<std::size_t>(spread(static_cast<std::uint64_t>(key)));
    }
  };
  using map_type = ullage::hash_map<int, int, mostly_good, counted_equal>;
  map_type map;
  for (int i = 0; i < 2000; ++i) map.try_emplace(i, i);
  for (int i = 2000; i < 100'000; ++i) map.try_emplace(i, i);
  const std::uint64_t before = g_faults.counts.equals;
  for (int i = 50'000; i < 60'000; ++i) ASSERT_EQ(map.at(i), i);
  for (int i = 150'000; i < 160'000; ++i) ASSERT_FALSE(map.contains(i));
  EXPECT_LE(g_faults.counts.equals - before, 30'000U) << "comparisons in 20 000 lookups";
  EXPECT_LE(map.counters().probes_per_miss, 3.0);
}

TEST(HashMapBounds, StructuredKeysAreAsGoodAsRandomOnes) {
  // Each map has a seed of its own: with one seed in fifty such keys once crowded.
  for (const unsigned shift : {0U, 8U, 16U, 24U, 32U, 40U, 44U}) {
    for (int seed = 0; seed < 20; ++seed) {
      numbers map;
      for (std::uint64_t i = 0; i < 100'000; ++i) map.try_emplace(i << shift, i);
      const map_counters told = map.counters();
      EXPECT_LE(told.probes_per_hit, 1.15) << "keys shifted by " << shift;
      EXPECT_LE(told.memory_bytes, 100'000U * 26) << "keys shifted by " << shift;
      EXPECT_EQ(told.chained_blocks, 0U) << "keys shifted by " << shift;
    }
  }
}

TEST(HashMapBounds, WalkingOneMapWhileFillingAnotherDoesNotFloodIt) {
  numbers from, into;
  for (std::uint64_t i = 0; i < 200'000; ++i) from.try_emplace(spread(i), i);
  for (const auto& [key, value] : from) into.try_emplace(key, value);
  const map_counters told = into.counters();
  EXPECT_EQ(into, from);
  EXPECT_LE(told.moved, 6U * into.size()) << "quadratic reinsertion (rust-lang/rust#36481)";
  EXPECT_EQ(told.chained_blocks, 0U);
}

TEST(HashMapBounds, TwoMapsHashDifferently) {
  numbers a, b;
  for (std::uint64_t i = 0; i < 2000; ++i) a.try_emplace(i, i), b.try_emplace(i, i);
  std::vector<std::uint64_t> left, right;
  for (const auto& entry : a) left.push_back(entry.first);
  for (const auto& entry : b) right.push_back(entry.first);
  EXPECT_NE(left, right);
}

TEST(HashMapMemory, UsageIsWhatTheAllocatorGaveToTheByte) {
  g_traffic = {};
  {
    counted_map<std::uint64_t, std::uint64_t> map;
    std::mt19937_64 random(1);
    const auto exact = [&] { return map.memory_usage() == sizeof(map) + g_traffic.bytes_live; };
    for (int i = 0; i < 100'000; ++i) {
      map.try_emplace(random() % 50'000, 1);
      if (i % 3 == 0) map.erase(random() % 50'000);
      if (i % 97 == 0) {
        ASSERT_TRUE(exact()) << "after " << i << " steps";
      }
    }
    while (map.compact(1000)) ASSERT_TRUE(exact());
    for (std::uint64_t i = 0; i < 49'900; ++i) map.erase(i);
    ASSERT_TRUE(exact());
    map.clear();
    ASSERT_TRUE(exact());
  }
  EXPECT_EQ(g_traffic.bytes_live, 0U);
}

TEST(HashMapMemory, SixteenByteEntriesTakeTwentyThreeBytesOnAverageAndTwentyFiveAtWorst) {
  numbers map;
  double sum = 0, most = 0;
  int samples = 0;
  for (std::uint64_t i = 0; i < 400'000; ++i) {
    map.try_emplace(spread(i), i);
    if (i < 100'000 || i % 500 != 0) continue;  // two doublings
    const double bytes = static_cast<double>(map.memory_usage()) / static_cast<double>(map.size());
    sum += bytes;
    most = std::max(most, bytes);
    ++samples;
  }
  EXPECT_LE(sum / samples, 23.0);
  EXPECT_LE(most, 25.0);
}

template <class Table, class Insert>
void expect_bytes(Insert insert, double mean_max, double worst_max) {
  Table table;
  double sum = 0, most = 0;
  int samples = 0;
  for (std::uint64_t i = 0; i < 400'000; ++i) {
    insert(table, spread(i));
    if (i < 100'000 || i % 500 != 0) continue;
    const double bytes =
        static_cast<double>(table.memory_usage()) / static_cast<double>(table.size());
    sum += bytes;
    most = std::max(most, bytes);
    ++samples;
  }
  EXPECT_LE(sum / samples, mean_max);
  EXPECT_LE(most, worst_max);
}

TEST(HashMapMemory, OtherEntriesTakeInProportion) {
  expect_bytes<hash_set<std::uint64_t>>([](auto& set, std::uint64_t i) { set.insert(i); }, 12.3,
                                        13.0);
  const auto text = [](std::uint64_t i) { return std::to_string(i); };
  expect_bytes<hash_map<std::string, std::uint64_t>>(
      [&](auto& map, std::uint64_t i) { map.try_emplace(text(i), i); }, 55.2, 58.0);
  expect_bytes<hash_map<std::string, std::string>>(
      [&](auto& map, std::uint64_t i) { map.try_emplace(text(i)); }, 87.0, 91.0);
}

// What is freed must serve again: else the resident memory is not what memory_usage() says.
TEST(HashMapMemory, TheArenaHoldsLittleMoreThanTheMapsDo) {
  const auto usage = [] { return usage_of_arenas(); };
  const std::size_t used_before = usage().used_bytes;
  // ctest starts every test in a process of its own.
  if (usage().free_bytes > 0) GTEST_SKIP() << "other tests left free blocks; run it alone";
  numbers map;
  double most = 0;
  for (std::uint64_t i = 0; i < 1'600'000; ++i) {
    map.try_emplace(spread(i), i);
    if (i < 200'000 || i % 5000 != 0) continue;
    const auto taken = static_cast<double>(usage().used_bytes - used_before);
    most = std::max(most, taken / static_cast<double>(map.memory_usage()));
  }
  EXPECT_LE(most, 1.10) << "bytes cut from the arena, over bytes in use";
}

// A life of 10 x N erase/insert pairs at every load point between two doublings. Keys are
// scattered: the default hash spreads numbers in a row so evenly that segments fill better than
// chance would let them, and any change of keys would count as drift.
template <class Churn>
void expect_no_drift(std::uint64_t base, Churn churn) {
  constexpr int kPoints = 6;
  for (int point = 0; point < kPoints; ++point) {
    const auto size = static_cast<std::uint64_t>(static_cast<double>(base) *
                                                 std::exp2(static_cast<double>(point) / kPoints));
    numbers map;
    for (std::uint64_t i = 0; i < size; ++i) map.try_emplace(spread(i), i);
    const auto before = static_cast<double>(map.memory_usage());
    double most = before;
    for (int round = 0; round < 10; ++round) {
      churn(map, size, round);
      ASSERT_EQ(map.size(), size);
      most = std::max(most, static_cast<double>(map.memory_usage()));
    }
    EXPECT_LE(most / before, 1.05) << size << " entries";
  }
}

TEST(HashMapMemory, FirstInFirstOutChurnTakesNoMemoryAtAnyLoad) {
  expect_no_drift(200'000, [](numbers& map, std::uint64_t size, int round) {
    const std::uint64_t from = static_cast<std::uint64_t>(round) * size;
    for (std::uint64_t i = from; i < from + size; ++i) {
      map.erase(spread(i));
      map.try_emplace(spread(size + i), i);
    }
  });
}

TEST(HashMapMemory, RandomChurnTakesNoMemoryAtAnyLoad) {
  std::vector<std::uint64_t> keys;
  std::mt19937_64 random(7);
  std::uint64_t next = 0;
  expect_no_drift(200'000, [&](numbers& map, std::uint64_t size, int round) {
    if (round == 0) {
      keys.resize(size);
      for (std::uint64_t i = 0; i < size; ++i) keys[i] = i;
      next = size;
    }
    for (std::uint64_t i = 0; i < size; ++i) {
      std::uint64_t& key = keys[random() % size];
      map.erase(spread(key));
      key = next++;
      map.try_emplace(spread(key), i);
    }
  });
}

TEST(HashMapMemory, ErasingMostEntriesGivesMostOfTheMemoryBack) {
  numbers map;
  for (std::uint64_t i = 0; i < 200'000; ++i) map.try_emplace(i, i);
  const std::size_t full = map.memory_usage();
  for (std::uint64_t i = 0; i < 180'000; ++i) map.erase(i);
  const std::size_t after = map.memory_usage();
  EXPECT_LE(after, full / 2);
  while (map.compact(500)) {
  }
  EXPECT_LE(map.memory_usage(), 100'000U * 26);
  for (std::uint64_t i = 180'000; i < 200'000; ++i) ASSERT_EQ(map.at(i), i);
}

TEST(HashMapMemory, CompactionMovesNoMoreThanItsBudgetAndOneSegmentAtATime) {
  counted_map<int, moved_value> map;
  for (int i = 0; i < 100'000; ++i) map.try_emplace(i, i);
  for (int i = 0; i < 100'000; ++i) {
    if (i % 5 != 0) map.erase(i);
  }
  for (const std::size_t budget : {1U, 100U, 2000U}) {
    for (int step = 0; step < 50; ++step) {
      const std::uint64_t before = moved_value::moves;
      const bool more = map.compact(budget);
      EXPECT_LE(moved_value::moves - before, budget + map.max_moves_per_insert());
      if (!more) break;
    }
  }
  for (int i = 0; i < 100'000; i += 5) ASSERT_EQ(map.at(i).value, i);
}

TEST(HashMapMemory, GoingBackAndForthOverAThresholdDoesNotMoveTheMapEachTime) {
  counted_map<int, moved_value> map;
  for (const int size : {14, 15, 400, 500, 839, 840, 841, 900, 5000}) {
    map.clear();
    for (int i = 0; i < size; ++i) map.try_emplace(i, i);
    const std::uint64_t before = moved_value::moves;
    for (int i = 0; i < 20'000; ++i) {
      map.try_emplace(size + i, i);
      map.erase(size + i);
    }
    EXPECT_LE(moved_value::moves - before, 20'000U) << size << " entries: one move a pair at most";
  }
}

}  // namespace
}  // namespace ullage::testing

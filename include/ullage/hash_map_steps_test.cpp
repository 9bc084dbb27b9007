// SPDX-License-Identifier: Apache-2.0
//
// What is told about steps of growth, and how they leave the entries: when an event begins, who is
// timed, and in which line of a group an entry lies.
#include <gtest/gtest.h>
#include <ullage/budget.h>
#include <ullage/hash_map.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ullage {
namespace {

using numbers = hash_map<std::uint64_t, std::uint64_t>;

std::uint64_t key(std::uint64_t i) { return i * 0x9E3779B97F4A7C15u; }

// A value that notes when one like it moved first.
struct timed {
  inline static std::uint64_t first_move_ns = 0;
  std::uint64_t value;
  timed(std::uint64_t v = 0) noexcept : value(v) {}  // NOLINT: values are written as numbers
  timed(timed&& other) noexcept : value(other.value) { note(); }
  timed& operator=(timed&&) = default;
  ~timed() {}  // NOLINT: not trivial, so that every move is a call
  static void note() noexcept {
    if (first_move_ns == 0) first_move_ns = growth_clock_ns();
  }
};
// A hash that notes the same of itself.
struct timed_hash {
  inline static std::uint64_t second_ns = 0;
  inline static int calls = 0;
  std::size_t operator()(std::uint64_t k) const noexcept {
    if (++calls == 2) second_ns = growth_clock_ns();  // the first is the new key's
    return static_cast<std::size_t>(k * 0x9E3779B97F4A7C15u);
  }
};

struct steps_sink final : growth_sink {
  std::vector<growth_event> events;
  void on_growth(const growth_event& event) noexcept override { events.push_back(event); }
};

TEST(HashMapSteps, ARebuiltSegmentIsTimedFromBeforeItsEntriesMove) {
  steps_sink sink;
  growth_site site("hash_map_steps_test");
  site.listen(&sink);
  hash_map<std::uint64_t, timed> map(site);
  std::uint64_t next = 0;
  for (; next < 60000; ++next) map.try_emplace(key(next), next);
  std::uint64_t rebuilt = 0, moved = 0;
  // Through iterators, so that nothing gets smaller: entries away from home stay there.
  for (std::uint64_t i = 0; i < 400000; ++i) {
    map.erase(map.find(key(i)));
    sink.events.clear();
    timed::first_move_ns = 0;
    map.try_emplace(key(next), next);
    ++next;
    for (const growth_event& event : sink.events) {
      if (event.kind != growth_kind::rebuilt) continue;
      ++rebuilt;
      moved += event.moved;
      if (event.moved != 0) {
        ASSERT_LE(event.time_ns - event.duration_ns, timed::first_move_ns);
      }
    }
  }
  EXPECT_GT(rebuilt, 0u);
  EXPECT_GT(moved, 0u);
}

TEST(HashMapSteps, AStepBeginsBeforeTheHashesOfItsEntriesAreTaken) {
  steps_sink sink;
  growth_site site("hash_map_steps_test");
  site.listen(&sink);
  hash_map<std::uint64_t, std::uint64_t, timed_hash> map(site);
  std::uint64_t seen = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    sink.events.clear();
    timed_hash::calls = 0;
    map.try_emplace(i, i);
    if (sink.events.empty() || timed_hash::calls < 2) continue;
    const growth_event& event = sink.events.front();
    ASSERT_LE(event.time_ns - event.duration_ns, timed_hash::second_ns);
    ++seen;
  }
  EXPECT_GT(seen, 20u);
}

// It was told as the first memory of another map, before anything moved.
TEST(HashMapSteps, ReserveIsOneGrowthThatMovesEveryEntry) {
  steps_sink sink;
  growth_site site("hash_map_steps_test.reserve");
  byte_budget budget(std::size_t{64} << 20);
  site.listen(&sink);
  site.limit(&budget);
  hash_map<std::uint64_t, timed> map(site);
  for (std::uint64_t i = 0; i < 5000; ++i) map.try_emplace(key(i), i);
  const void* const who = sink.events.back().container;
  const auto once = [&](growth_kind kind, auto operation) {
    sink.events.clear();
    const std::size_t held = map.memory_usage() - sizeof map, size = map.size();
    timed::first_move_ns = 0;
    operation();
    ASSERT_EQ(sink.events.size(), 1u);
    const growth_event& event = sink.events.front();
    EXPECT_EQ(event.kind, kind);
    EXPECT_EQ(event.cause, growth_cause::reserve);
    EXPECT_EQ(event.container, who);
    EXPECT_EQ(event.moved, size);
    EXPECT_EQ(event.bytes_before, held);
    EXPECT_EQ(event.bytes_after, map.memory_usage() - sizeof map);
    EXPECT_EQ(budget.used(), event.bytes_after);
    EXPECT_LE(event.time_ns - event.duration_ns, timed::first_move_ns);
  };
  once(growth_kind::moved, [&] { map.reserve(20000); });
  while (map.size() > 10) map.erase(map.begin());
  once(growth_kind::shrunk, [&] { map.rehash(0); });
  map.record_stalls(true);
  map.reserve(20000);
  EXPECT_EQ(map.stalls()->stalls(), 1u);

  sink.events.clear();
  EXPECT_THROW(map.reserve(std::size_t{64} << 20), growth_denied);
  ASSERT_EQ(sink.events.size(), 1u);
  EXPECT_EQ(sink.events.front().kind, growth_kind::denied);
  EXPECT_EQ(sink.events.front().container, who);
  map.clear();
  EXPECT_EQ(site.sizes().max(), 5000u) << "what it held before it was made smaller";
}

TEST(HashMapSteps, StallsGoOnWhateverBecomesOfTheEntries) {
  const auto fill = [](numbers& map) {
    const std::uint64_t before = map.stalls()->stalls();
    const std::uint64_t begin = map.size();
    for (std::uint64_t i = 0; i < 20000; ++i) map.try_emplace(key(begin + i), i);
    return map.stalls()->stalls() - before;
  };
  numbers map;
  map.record_stalls(true);
  EXPECT_GT(fill(map), 0u);
  map.clear();
  ASSERT_NE(map.stalls(), nullptr) << "after clear";
  EXPECT_GT(map.stalls()->stalls(), 0u) << "what was is not forgotten";
  EXPECT_GT(fill(map), 0u);
  map.reserve(map.size() + 5000);
  ASSERT_NE(map.stalls(), nullptr) << "after reserve";
  EXPECT_GT(fill(map), 0u);
  map.rehash(0);
  ASSERT_NE(map.stalls(), nullptr) << "after rehash";
  const numbers other{{1, 1}};
  map = other;
  ASSERT_NE(map.stalls(), nullptr) << "after an assignment";
  EXPECT_EQ(other.stalls(), nullptr);
  map = numbers{{2, 2}};
  ASSERT_NE(map.stalls(), nullptr) << "after a move assignment";
  EXPECT_GT(fill(map), 0u);
  numbers third;
  swap(map, third);
  ASSERT_NE(map.stalls(), nullptr) << "after a swap";
  EXPECT_EQ(third.stalls(), nullptr);
  EXPECT_GT(fill(map), 0u);
  const numbers moved(std::move(map));
  ASSERT_NE(moved.stalls(), nullptr) << "it comes along with a map that moves to a new place";
  map.clear();
  map.record_stalls(true);
  map.record_stalls(false);
  EXPECT_EQ(map.stalls(), nullptr);
}

struct bytes_budget final : growth_budget {
  std::int64_t used = 0, most = 0;
  growth_answer ask(const growth_request& request) noexcept override {
    const auto more = static_cast<std::int64_t>(request.bytes_wanted - request.bytes_now);
    if (used + more > most) return growth_answer::deny;
    used += more;
    return growth_answer::admit;
  }
  void adjust(std::int64_t bytes) noexcept override { used += bytes; }
};

struct same_hash {
  std::size_t operator()(std::uint64_t) const noexcept { return 7; }
};
struct few_hashes {
  std::size_t operator()(std::uint64_t k) const noexcept { return k % 3; }
};
struct low_bits_same {
  std::size_t operator()(std::uint64_t k) const noexcept { return k << 40; }
  using is_avalanching = void;
};

template <class Hash>
void expect_denied_ones_come_back(std::int64_t budget_step) {
  bytes_budget budget;
  growth_site site("hash_map_steps_test");
  site.limit(&budget);
  hash_map<std::uint64_t, std::unique_ptr<std::uint64_t>, Hash> map(site);
  std::uint64_t denials = 0;
  for (std::uint64_t i = 0; i < 4000;) {
    auto value = std::make_unique<std::uint64_t>(i);
    const auto said = map.try_insert_key(i, std::move(value));
    if (said.denied()) {
      ASSERT_NE(value, nullptr) << "the entry was made, and then there was no place for it";
      ASSERT_EQ(map.size(), i);
      budget.most += budget_step;
      ++denials;
    } else {
      ASSERT_TRUE(said.inserted());
      ++i;
    }
  }
  EXPECT_GT(denials, 1u);
  for (std::uint64_t i = 0; i < 4000; ++i) ASSERT_EQ(*map.at(i), i);
}

TEST(HashMapSteps, WhatIsDeniedStaysWithTheCallerWhateverTheHash) {
  for (const std::int64_t step : {100, 3000, 20000, 50000}) {
    expect_denied_ones_come_back<ullage::hash<std::uint64_t>>(step);
    expect_denied_ones_come_back<same_hash>(step);
    expect_denied_ones_come_back<few_hashes>(step);
    expect_denied_ones_come_back<low_bits_same>(step);
  }
}

// Nine in ten, when inserts place them (docs/containers/hash_map.md).
void expect_in_line(const numbers& map, const char* when) {
  const map_counters told = map.counters();
  ASSERT_GE(told.directory_depth, 10u) << "large enough to prefer lines; " << when;
  EXPECT_GT(static_cast<double>(told.in_preferred_line), 0.8 * static_cast<double>(told.entries))
      << when;
}

TEST(HashMapSteps, EveryStepPutsEntriesInTheLineThatSearchesAskFor) {
  numbers map;
  constexpr std::uint64_t kMany = 800000;
  for (std::uint64_t i = 0; i < kMany; ++i) map.try_emplace(key(i), i);
  // What was there when the map became large lies where it was.
  EXPECT_GT(map.counters().in_preferred_line, kMany / 2);
  map.rehash(0);
  expect_in_line(map, "after a rebuild");
  map.reserve(kMany * 3 / 2);
  expect_in_line(map, "after reserve");
  map.rehash(0);
  for (std::uint64_t i = 0; i < kMany / 4; ++i) map.erase(map.find(key(i)));
  while (map.compact(1000)) {
  }
  expect_in_line(map, "after compaction");
}

}  // namespace
}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
//
// The arena of segments beside threads, forks and the end of the program; its helper.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ullage/hash_map.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

namespace ullage::detail {
namespace {

// Far more than any child here needs.
constexpr unsigned kChildSeconds = 20;

// A child's exit code; a child that hangs is ended by its alarm, and that is -1.
template <class Body>
int code_of_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kChildSeconds);
    [&body]() noexcept { body(); }();  // what it throws is not for the parent's tests
    ::_exit(0);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool grows() {
  hash_map<std::uint64_t, std::uint64_t> map;
  for (std::uint64_t i = 0; i < 20000; ++i) map.try_emplace(i, i);
  return map.size() == 20000 && map.contains(19999);
}

std::atomic<std::uint64_t> steps_done{0};
bool idle_work() noexcept {
  steps_done.fetch_add(1);
  return false;
}

// Waits for something that must come; gives up after a time that says it won't.
template <class Condition>
bool comes(Condition condition) {
  for (int i = 0; i < 20000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  return false;
}

TEST(ArenaHelper, SleepsUntilItIsAsked) {
  static arena_helper helper;
  const std::lock_guard<std::mutex> hold(helper.lock());
  steps_done.store(0);
  ASSERT_TRUE(helper.start(&idle_work));
  ASSERT_TRUE(comes([] { return steps_done.load() != 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(steps_done.load(), 2u) << "it looked again although nobody asked";
  const std::uint64_t before = helper.wakes();
  helper.ask();
  EXPECT_TRUE(comes([&] { return helper.wakes() > before; }));
  helper.stop();
  const std::uint64_t after = steps_done.load();
  helper.ask();
  EXPECT_EQ(steps_done.load(), after) << "it runs although it was stopped";
}

TEST(ArenaHelper, StartsAgainAfterItWasStopped) {
  static arena_helper helper;
  const std::lock_guard<std::mutex> hold(helper.lock());
  for (int i = 0; i < 20; ++i) {
    steps_done.store(0);
    ASSERT_TRUE(helper.start(&idle_work));
    ASSERT_TRUE(helper.start(&idle_work)) << "it runs already";
    ASSERT_TRUE(comes([] { return steps_done.load() != 0; }));
    helper.stop();
  }
}

TEST(SegmentArena, TouchesAheadWhenMapsGrowAndRestsWhenTheyDoNot) {
  ASSERT_TRUE(configure_arena({.ahead_bytes = std::size_t{8} << 20}));
  {
    hash_map<std::uint64_t, std::uint64_t> map;
    const std::uint64_t before = segment_arena::helper_wakes();
    std::uint64_t i = 0;
    EXPECT_TRUE(comes([&] {
      for (int k = 0; k < 20000; ++k, ++i) map.try_emplace(i, i);
      return segment_arena::helper_wakes() > before;
    }));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it finishes what it was asked
    const std::uint64_t resting = segment_arena::helper_wakes();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(segment_arena::helper_wakes(), resting);
  }
  EXPECT_TRUE(configure_arena({}));
}

TEST(SegmentArena, ConfiguringFromManyThreadsLeavesAHelperThatHears) {
  const auto toggle = [] {
    for (int i = 0; i < 300; ++i) {
      configure_arena({.ahead_bytes = std::size_t(i % 2) << 20});
    }
  };
  std::thread one(toggle), other(toggle);
  one.join();
  other.join();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(configure_arena({}));
    ASSERT_TRUE(configure_arena({.ahead_bytes = std::size_t{1} << 20}));
    const std::uint64_t before = segment_arena::helper_wakes();
    ASSERT_TRUE(comes([&] {
      arena_helper::get().ask();
      return segment_arena::helper_wakes() > before;
    })) << "configure() said that there is a helper";
  }
  configure_arena({});
}

TEST(SegmentArena, AChildOfForkHasNoHelperButMayAskForOne) {
  ASSERT_TRUE(configure_arena({.ahead_bytes = std::size_t{8} << 20}));
  EXPECT_TRUE(grows());
  EXPECT_EQ(code_of_child([] {
              if (!grows()) std::exit(1);
              std::exit(0);  // waits for no thread that is not here
            }),
            0);
#if !defined(__SANITIZE_THREAD__)  // which ends a child of a program with threads that starts one
  EXPECT_EQ(code_of_child([] {
              if (!configure_arena({.ahead_bytes = std::size_t{8} << 20})) std::exit(1);
              if (!grows()) std::exit(2);
              std::exit(0);
            }),
            0);
#endif
  EXPECT_TRUE(grows());
  EXPECT_TRUE(configure_arena({}));
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Slots of a form that nobody else here has: the arena is made under the limit.
template <std::size_t Words>
using wide_map = hash_map<std::uint64_t, std::array<std::uint64_t, Words>>;

std::size_t mapped_bytes() {
  unsigned long pages = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%lu", &pages) != 1) std::_Exit(90);
  std::fclose(file);
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
void may_map(std::size_t more) {
  const std::size_t bytes = mapped_bytes() + more;
  const rlimit to{bytes, bytes};
  if (::setrlimit(RLIMIT_AS, &to) != 0) std::_Exit(91);
}
// The first so many entries are there, and right.
template <class Map>
bool holds(const Map& map, std::uint64_t entries) {
  if (map.size() != entries) return false;
  for (std::uint64_t i = 0; i < entries; ++i) {
    const auto at = map.find(i);
    if (at == map.end() || at->second[0] != i) return false;
  }
  return true;
}

TEST(SegmentArena, UnderALimitOfAddressSpaceMapsTakeWhatTheyNeedAndNoMore) {
  EXPECT_EQ(code_of_child([] {
              may_map(std::size_t{48} << 20);
              const std::size_t before = mapped_bytes();
              wide_map<9> map;
              for (std::uint64_t i = 0; i < 100'000; ++i) map[i] = {i};
              if (!holds(map, 100'000)) std::_Exit(1);
              const std::size_t taken = mapped_bytes() - before;
              if (taken > map.memory_usage() * 5 / 4 + (std::size_t{2} << 20)) std::_Exit(2);
              wide_map<10> other;  // with an arena of its own
              for (std::uint64_t i = 0; i < 10'000; ++i) other[i] = {i};
              if (!holds(other, 10'000) || !holds(map, 100'000)) std::_Exit(3);
            }),
            0);
}

TEST(SegmentArena, UnderALimitOfAddressSpaceAMapGrowsUntilThereIsNoMore) {
  EXPECT_EQ(code_of_child([] {
              constexpr std::size_t kMore = std::size_t{48} << 20;
              may_map(kMore);
              wide_map<11> map;
              std::uint64_t i = 0;
              while (map.try_insert({i, {i}}).inserted()) ++i;
              if (!holds(map, i)) std::_Exit(1);
              if (map.memory_usage() < kMore * 3 / 4) std::_Exit(2);
              map.erase(std::uint64_t{0});
              map[0] = {0};
              if (!holds(map, i)) std::_Exit(3);
            }),
            0);
}
#endif

// Forms of slots that nobody else has: each has its arena made here.
template <std::size_t... Is>
void make_all(std::index_sequence<Is...>) {
  (static_cast<void>(segment_arena::of<64, 64 * (1000 + Is)>().usage()), ...);
}

TEST(SegmentArena, AForkWhileAnArenaIsBeingMadeLeavesTheChildOneThatWorks) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer takes the parent's thread for one that the child leaks";
#endif
  using forms = std::make_index_sequence<128>;
  // Each form is made once in a process: so every attempt has one of its own.
  const auto attempt = [] {
    std::atomic<bool> begun{false}, done{false};
    std::thread maker([&] {
      begun.store(true);
      make_all(forms());
      done.store(true);
    });
    while (!begun.load()) {
    }
    int code = 0;
    do {
      code = code_of_child([] { make_all(forms()); });
    } while (code == 0 && !done.load());
    maker.join();
    std::_Exit(code == 0 ? 0 : 1);
  };
  for (int i = 0; i < 40; ++i) ASSERT_EQ(code_of_child(attempt), 0) << "attempt " << i;
}

}  // namespace
}  // namespace ullage::detail

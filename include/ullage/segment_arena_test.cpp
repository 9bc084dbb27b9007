// SPDX-License-Identifier: Apache-2.0
//
// The arena of segments beside threads, forks and the end of the program; its helper.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <ullage/hash_map.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
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
    body();
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
  ASSERT_TRUE(segment_arena::configure({.ahead_bytes = std::size_t{8} << 20}));
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
  EXPECT_TRUE(segment_arena::configure({}));
}

TEST(SegmentArena, ConfiguringFromManyThreadsLeavesAHelperThatHears) {
  const auto toggle = [] {
    for (int i = 0; i < 300; ++i) {
      segment_arena::configure({.ahead_bytes = std::size_t(i % 2) << 20});
    }
  };
  std::thread one(toggle), other(toggle);
  one.join();
  other.join();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(segment_arena::configure({}));
    ASSERT_TRUE(segment_arena::configure({.ahead_bytes = std::size_t{1} << 20}));
    const std::uint64_t before = segment_arena::helper_wakes();
    ASSERT_TRUE(comes([&] {
      arena_helper::get().ask();
      return segment_arena::helper_wakes() > before;
    })) << "configure() said that there is a helper";
  }
  segment_arena::configure({});
}

TEST(SegmentArena, AChildOfForkHasNoHelperButMayAskForOne) {
  ASSERT_TRUE(segment_arena::configure({.ahead_bytes = std::size_t{8} << 20}));
  EXPECT_TRUE(grows());
  EXPECT_EQ(code_of_child([] {
              if (!grows()) std::exit(1);
              std::exit(0);  // waits for no thread that is not here
            }),
            0);
#if !defined(__SANITIZE_THREAD__)  // which ends a child of a program with threads that starts one
  EXPECT_EQ(code_of_child([] {
              if (!segment_arena::configure({.ahead_bytes = std::size_t{8} << 20})) std::exit(1);
              if (!grows()) std::exit(2);
              std::exit(0);
            }),
            0);
#endif
  EXPECT_TRUE(grows());
  EXPECT_TRUE(segment_arena::configure({}));
}

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

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <ullage/growth.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {
std::atomic<std::uint64_t> g_allocations{0};
}

// Counts what goes through operator new. Weak: a stronger one of another file wins, and then the
// test that counts says so by being skipped.
__attribute__((weak)) void* operator new(std::size_t bytes) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  void* block = std::malloc(bytes == 0 ? 1 : bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
__attribute__((weak)) void operator delete(void* block) noexcept { std::free(block); }
__attribute__((weak)) void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

using namespace ullage;  // NOLINT(google-build-using-namespace)

struct collector final : growth_sink {
  void on_growth(const growth_event& event) noexcept override {
    ++count;
    last = event;
  }
  int count = 0;
  growth_event last;
};

// Answers as it is told and keeps books.
struct scripted_budget final : growth_budget {
  growth_answer ask(const growth_request& request) noexcept override {
    ++asked;
    if (answer != growth_answer::deny) {
      held += static_cast<std::int64_t>(request.bytes_wanted - request.bytes_now);
    }
    return answer;
  }
  void adjust(std::int64_t bytes) noexcept override {
    ++adjusted;
    held += bytes;
  }
  growth_answer answer = growth_answer::admit;
  std::int64_t held = 0;
  int asked = 0, adjusted = 0;
};

growth_event moved_event(std::uint64_t moved) {
  growth_event event;
  event.kind = growth_kind::moved;
  event.moved = moved;
  event.capacity_after = 2 * moved;
  event.element_bytes = 8;
  return event;
}

growth_request want(std::uint64_t now, std::uint64_t wanted) {
  growth_request request;
  request.bytes_now = now;
  request.bytes_wanted = wanted;
  return request;
}

TEST(Growth, EveryKindAndCauseHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(growth_kind::evicted); ++i) {
    names.insert(to_string(static_cast<growth_kind>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(growth_kind::evicted) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
  names.clear();
  for (int i = 0; i <= static_cast<int>(growth_cause::stalled); ++i) {
    names.insert(to_string(static_cast<growth_cause>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(growth_cause::stalled) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_STREQ(to_string(static_cast<growth_kind>(200)), "unknown");
}

TEST(Growth, NoticesAndMemoryGivenBackAreNotCountedAsGrowth) {
  growth_site site("growth.notices");
  for (int i = 0; i <= static_cast<int>(growth_kind::evicted); ++i) {
    growth_event event;
    event.kind = static_cast<growth_kind>(i);
    report_growth(&site, event, 0);
  }
  EXPECT_EQ(site.growths(), 9u);
  EXPECT_EQ(site.denials(), 1u);
}

TEST(Growth, ASiteWithNobodyListeningReadsNoClock) {
  growth_site site("growth.silent");
  EXPECT_FALSE(growth_heard(&site));
  EXPECT_FALSE(growth_heard(nullptr));
  EXPECT_EQ(growth_start_ns(&site), 0u);
  EXPECT_EQ(growth_start_ns(nullptr), 0u);
}

TEST(Growth, AnEventReachesTheContainersSinkTheSitesAndTheProcesss) {
  growth_site site("growth.sinks");
  growth_site own(site);
  collector mine, sites, everywhere;
  own.listen(&mine);
  site.listen(&sites);
  growth_sink* const before = set_growth_sink(&everywhere);
  const std::uint64_t start = growth_start_ns(&own);
  EXPECT_NE(start, 0u);
  report_growth(&own, moved_event(100), start);
  report_growth(nullptr, moved_event(1), growth_start_ns(nullptr));
  EXPECT_EQ(set_growth_sink(before), &everywhere);
  report_growth(&site, moved_event(5), 0);

  EXPECT_EQ(mine.count, 1);
  EXPECT_EQ(sites.count, 2);
  EXPECT_EQ(everywhere.count, 2);
  EXPECT_EQ(mine.last.site, &own);
  EXPECT_GE(mine.last.time_ns, start);
  EXPECT_EQ(mine.last.duration_ns, mine.last.time_ns - start);
  EXPECT_NE(mine.last.thread, 0u);
  EXPECT_EQ(sites.last.duration_ns, 0u) << "nobody had read the clock";
  EXPECT_EQ(own.growths(), 1u);
  EXPECT_EQ(site.growths(), 2u);
  EXPECT_EQ(site.moved(), 105u);
  EXPECT_EQ(site.capacity_max(), 200u);
  EXPECT_EQ(site.element_bytes(), 8u);
}

TEST(Growth, ThreadsHaveNumbersOfTheirOwn) {
  const std::uint32_t mine = growth_thread();
  std::uint32_t other = 0;
  std::thread([&other] { other = growth_thread(); }).join();
  EXPECT_NE(mine, other);
  EXPECT_EQ(growth_thread(), mine);
}

TEST(GrowthBudget, TheStrictestAnswerCountsAndAllAreAskedInnermostFirst) {
  growth_site outer("growth.outer");
  growth_site inner(outer);
  scripted_budget a, b;
  inner.limit(&a);
  outer.limit(&b);
  EXPECT_EQ(ask_growth(&inner, want(0, 10)), growth_answer::admit);
  a.answer = growth_answer::degrade;
  EXPECT_EQ(ask_growth(&inner, want(10, 30)), growth_answer::degrade);
  a.answer = growth_answer::admit;
  b.answer = growth_answer::degrade;
  EXPECT_EQ(ask_growth(&inner, want(30, 40)), growth_answer::degrade);
  EXPECT_EQ(a.held, 40);
  EXPECT_EQ(b.held, 40);
  EXPECT_EQ(ask_growth(&outer, want(0, 5)), growth_answer::degrade);
  EXPECT_EQ(a.asked, 3) << "the inner one is not asked about its parent's containers";
  EXPECT_EQ(ask_growth(nullptr, want(0, 5)), growth_answer::admit);
  adjust_growth(&inner, -15);
  EXPECT_EQ(a.held, 25);
  EXPECT_EQ(b.held, 30);
}

TEST(GrowthBudget, ADenialAnywhereLeavesTheBooksOfAllAsTheyWere) {
  growth_site outer("growth.outer");
  growth_site middle(outer);
  growth_site inner(middle);
  scripted_budget budgets[3];
  inner.limit(&budgets[0]);
  middle.limit(&budgets[1]);
  outer.limit(&budgets[2]);
  for (int denying = 0; denying < 3; ++denying) {
    for (auto& budget : budgets) budget = {};
    budgets[denying].answer = growth_answer::deny;
    EXPECT_EQ(ask_growth(&inner, want(100, 300)), growth_answer::deny);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(budgets[i].held, 0) << denying << ' ' << i;
      EXPECT_EQ(budgets[i].asked, i <= denying ? 1 : 0) << "nobody behind a denial is asked";
    }
    EXPECT_EQ(ask_growth(&inner, want(300, 100)), growth_answer::deny);
    for (const auto& budget : budgets) EXPECT_EQ(budget.held, 0);
  }
}

TEST(Growth, TheGrowthPathAllocatesNothingAndNeedsNoLock) {
  static growth_site site("growth.path");
  growth_site own(site);
  scripted_budget budget;
  collector sink;
  own.limit(&budget);
  own.listen(&sink);
  growth_site& here = site_here();
  const std::uint64_t start = g_allocations.load();
  void* volatile block = ::operator new(8);  // volatile: or it would be optimised away
  ::operator delete(block);
  if (g_allocations.load() == start)
    GTEST_SKIP() << "operator new is another one: of a sanitizer, or of another file";
  growth_thread();
  // With the list of sites locked, whatever needs it would wait forever.
  const detail::static_lock_guard locked(detail::sites.lock);
  const std::uint64_t before = g_allocations.load();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t started = growth_start_ns(&own);
    ask_growth(&own, want(i, 2 * i));
    adjust_growth(&own, -1);
    report_growth(&own, moved_event(i), started);
    report_growth(&here, moved_event(i), growth_start_ns(&here));
    own.remember(i);
  }
  EXPECT_EQ(g_allocations.load(), before);
  EXPECT_EQ(sink.count, 1000);
}

TEST(GrowthDenied, IsABadAllocThatSaysWhy) {
  try {
    throw growth_denied();
  } catch (const std::bad_alloc& error) {
    EXPECT_NE(std::strstr(error.what(), "budget"), nullptr);
  }
}

}  // namespace

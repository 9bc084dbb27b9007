// SPDX-License-Identifier: Apache-2.0
//
// What a vector tells, asks and remembers.
#include <gmock/gmock.h>
#include <ullage/budget.h>
#include <ullage/vector.h>
#include <ullage/vector_testing.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ullage {
namespace {

using testing::kTinyInPlace;

class recording_sink final : public growth_sink {
 public:
  void on_growth(const growth_event& event) noexcept override { events.push_back(event); }
  std::vector<growth_kind> kinds() const {
    std::vector<growth_kind> all;
    for (const auto& e : events) all.push_back(e.kind);
    return all;
  }
  std::vector<growth_event> events;
};

// Says what it is told to, and knows how much is held.
class test_budget final : public growth_budget {
 public:
  growth_answer ask(const growth_request& r) noexcept override {
    ++asked;
    if (answer != growth_answer::deny) {
      held += static_cast<std::int64_t>(r.bytes_wanted) - static_cast<std::int64_t>(r.bytes_now);
    }
    last = r;
    return answer;
  }
  void adjust(std::int64_t bytes) noexcept override { held += bytes; }
  growth_answer answer = growth_answer::admit;
  std::int64_t held = 0;
  int asked = 0;
  growth_request last;
};

TEST(VectorReports, EveryGrowthWithWhatItMoved) {
  recording_sink sink;
  growth_site site("vector_growth_test.reports");
  site.listen(&sink);
  vector<int, doubling> v(site);
  for (int i = 0; i < 5; ++i) v.push_back(i);
  EXPECT_THAT(sink.kinds(), ::testing::ElementsAre(growth_kind::first, growth_kind::moved,
                                                   growth_kind::moved, growth_kind::moved));
  const growth_event& last = sink.events.back();
  EXPECT_EQ(last.cause, growth_cause::append);
  EXPECT_STREQ(last.type, "vector");
  EXPECT_EQ(last.container, &v);
  EXPECT_EQ(last.site, &site);
  EXPECT_EQ(last.bytes_before, 16U);
  EXPECT_EQ(last.bytes_after, 32U);
  EXPECT_EQ(last.capacity_before, 4U);
  EXPECT_EQ(last.capacity_after, 8U);
  EXPECT_EQ(last.moved, 4U);
  EXPECT_EQ(last.element_bytes, 4U);
  EXPECT_EQ(site.growths(), 4U);
  EXPECT_EQ(site.moved(), 7U);
}

TEST(VectorReports, NothingWhileItDoesNotGrow) {
  recording_sink sink;
  growth_site site("vector_growth_test.quiet");
  site.listen(&sink);
  vector<int> v(site);
  v.reserve(100);
  ASSERT_EQ(sink.events.size(), 1U);
  EXPECT_EQ(sink.events[0].cause, growth_cause::reserve);
  for (int i = 0; i < 100; ++i) v.push_back(i);
  v.erase(v.begin(), v.begin() + 50);
  v.insert(v.begin(), 50, 1);
  v.clear();
  v.resize(100);
  EXPECT_EQ(sink.events.size(), 1U);
  v.resize(10);
  v.shrink_to_fit();
  ASSERT_EQ(sink.events.size(), 2U);
  EXPECT_EQ(sink.events[1].kind, growth_kind::shrunk);
}

TEST(VectorReports, ExtensionsInPlaceMoveNothing) {
  if (!vector<long>::grows_in_place()) GTEST_SKIP() << "no reserved memory here";
  recording_sink sink;
  growth_site site("vector_growth_test.extended");
  site.listen(&sink);
  vector<long> v(site);
  for (long i = 0; i < 1'000'000; ++i) v.push_back(i);
  ASSERT_EQ(sink.events.back().kind, growth_kind::extended);
  std::uint64_t moved = 0;
  for (const auto& e : sink.events) {
    moved += e.moved;
    if (e.kind == growth_kind::extended) {
      EXPECT_EQ(e.moved, 0U);
    }
  }
  EXPECT_EQ(moved, 16383U);  // 1 + 2 + 4 + ... + 8192: up to 64 KiB
  EXPECT_LT(sink.events.size(), 45U);
}

template <class Policy>
class VectorBudget : public ::testing::Test {};
using Policies = ::testing::Types<doubling, go_growth, exact, in_place<>, in_place<kTinyInPlace>>;
TYPED_TEST_SUITE(VectorBudget, Policies);

TYPED_TEST(VectorBudget, ADenialKeepsEverythingAndThrows) {
  test_budget budget;
  growth_site site("vector_growth_test.denied");
  site.limit(&budget);
  using vec = vector<std::string, TypeParam>;
  vec v(site, {"one", "two", "three"});
  while (v.size() < v.capacity()) v.push_back("more");
  const vec before(v);
  const std::string* where = v.data();
  budget.answer = growth_answer::deny;
  const std::string& mine = v.front();
  EXPECT_THROW(v.push_back("x"), growth_denied);
  EXPECT_THROW(v.insert(v.begin() + 1, mine), growth_denied);
  EXPECT_THROW(v.insert(v.begin(), 100000, "y"), growth_denied);
  EXPECT_THROW(v.reserve(100000), growth_denied);
  EXPECT_THROW(v.resize(100000), growth_denied);
  EXPECT_THROW(v.assign(100000, "z"), growth_denied);
  std::string kept = "kept by the caller, since nothing was moved from it";
  EXPECT_FALSE(v.try_push_back(std::move(kept)));
  EXPECT_EQ(kept, "kept by the caller, since nothing was moved from it");
  EXPECT_FALSE(v.try_emplace_back("x"));
  EXPECT_FALSE(v.try_reserve(100000));
  EXPECT_EQ(v, before);
  EXPECT_EQ(v.data(), where);
  EXPECT_EQ(site.denials(), 9U);
  budget.answer = growth_answer::admit;
  EXPECT_TRUE(v.try_push_back("x"));
}

TYPED_TEST(VectorBudget, KnowsAtEveryMomentWhatIsHeld) {
  test_budget budget, other_budget;
  growth_site site("vector_growth_test.held"), other("vector_growth_test.other");
  site.limit(&budget);
  other.limit(&other_budget);
  using vec = vector<long, TypeParam>;
  {
    vec v(site), w(other);
    const auto check = [&] {
      EXPECT_EQ(budget.held, static_cast<std::int64_t>(v.memory_bytes()));
      EXPECT_EQ(other_budget.held, static_cast<std::int64_t>(w.memory_bytes()));
    };
    for (long i = 0; i < 3000; ++i) v.push_back(i);
    check();
    budget.answer = growth_answer::degrade;
    for (long i = 0; i < 300; ++i) v.push_back(i);
    check();
    budget.answer = growth_answer::admit;
    w.assign(10, 1);
    check();
    v.swap(w);
    check();
    w = std::move(v);
    check();
    v = w;
    check();
    v.insert(v.begin(), 5000, 3);
    check();
    v.resize(9000);
    v.resize(10);
    v.shrink_to_fit();
    check();
    v.clear();
    v.shrink_to_fit();
    check();
    const vec x(std::move(w));  // stays with the site it comes from
    EXPECT_EQ(x.site(), &other);
    EXPECT_EQ(other_budget.held, static_cast<std::int64_t>(x.memory_bytes()));
  }
  EXPECT_EQ(budget.held, 0);
  EXPECT_EQ(other_budget.held, 0);
}

TYPED_TEST(VectorBudget, DegradedItTakesJustWhatTheCallNeeds) {
  test_budget budget;
  growth_site site("vector_growth_test.degrade");
  site.limit(&budget);
  vector<long, TypeParam> v(site);
  budget.answer = growth_answer::degrade;
  v.push_back(1);
  v.push_back(2);
  v.push_back(3);
  v.push_back(4);
  v.push_back(5);
  EXPECT_EQ(v.capacity(), 5U);
}

TEST(VectorExperience, RemembersTheLargestSizeOfEachLife) {
  growth_site site("vector_growth_test.sizes");
  {
    vector<int> v(site);
    v.resize(1000);
    v.resize(10);
    v.clear();
    EXPECT_EQ(site.sizes().count(), 1U);
    EXPECT_EQ(site.sizes().max(), 1000U);
    for (int i = 0; i < 5; ++i) v.push_back(i);
    while (!v.empty()) v.pop_back();
  }
  EXPECT_EQ(site.sizes().count(), 2U);
  EXPECT_EQ(site.sizes().count_in(size_sketch::bucket_of(5)), 1U);
  {
    vector<int> a(site, 7);
    vector<int> b(std::move(a));  // one life, two names
  }
  EXPECT_EQ(site.sizes().count(), 3U);
  { const vector<int> empty(site); }
  EXPECT_EQ(site.sizes().count(), 4U);
  EXPECT_EQ(site.sizes().count_in(0), 1U);
}

TEST(VectorExperience, BeginsWithRoomForWhatIsExpected) {
  recording_sink sink;
  growth_site site("vector_growth_test.expected");
  site.expect(1000);
  site.listen(&sink);
  vector<int> v(site);
  EXPECT_EQ(v.capacity(), 1000U);
  for (int i = 0; i < 1000; ++i) v.push_back(i);
  ASSERT_EQ(sink.events.size(), 1U);
  EXPECT_EQ(sink.events[0].cause, growth_cause::construct);
  const vector<int> w(site, {1, 2, 3});
  EXPECT_EQ(w.capacity(), 1000U);
  const vector<int> copy(w);
  EXPECT_EQ(copy.capacity(), 3U);
}

TEST(VectorExperience, IsAdviceADeniedOneBeginsEmpty) {
  test_budget budget;
  growth_site site("vector_growth_test.advice");
  site.limit(&budget);
  site.expect(1000);
  budget.answer = growth_answer::deny;
  const vector<int> v(site);
  EXPECT_EQ(v.capacity(), 0U);
}

TEST(VectorExperience, IsForgoneWhereTheBudgetWantsTheLeast) {
  test_budget budget;
  recording_sink sink;
  growth_site site("vector_growth_test.least");
  site.limit(&budget);
  site.listen(&sink);
  budget.answer = growth_answer::degrade;
  for (const std::uint64_t expected : {1000u, 1'000'000u}) {
    site.expect(expected);
    vector<int> v(site);
    EXPECT_EQ(v.capacity(), 0U);
    EXPECT_EQ(budget.held, 0);
    EXPECT_TRUE(sink.events.empty()) << "nobody was told no";
    v.push_back(1);
    EXPECT_EQ(v.capacity(), 1U);
    EXPECT_EQ(vector<int>(site, 7).capacity(), 7U);
    sink.events.clear();
  }
}

TEST(VectorReports, AreHeardProcessWideWithoutASite) {
  recording_sink sink;
  growth_sink* const before = set_growth_sink(&sink);
  {
    vector<int> v;
    v.push_back(1);
  }
  set_growth_sink(before);
  ASSERT_EQ(sink.events.size(), 1U);
  EXPECT_EQ(sink.events[0].site, nullptr);
}

// Whole pages were taken where bytes had been asked for.
TEST(VectorBudget, NothingIsHeldBeyondTheHardLimit) {
  const auto fill = [](auto& v, byte_budget& budget) {
    for (std::uint64_t i = 0; v.try_push_back(i); ++i) {
    }
    EXPECT_LE(budget.high_water(), budget.hard_limit());
    EXPECT_EQ(budget.used(), v.memory_bytes());
    EXPECT_FALSE(v.try_reserve(budget.hard_limit()));
    EXPECT_LE(budget.high_water(), budget.hard_limit());
  };
  for (std::uint64_t limit = 100; limit < 9'000'000; limit += limit / 7) {
    growth_site site("vector_growth_test.limit");
    byte_budget budget(limit);
    site.limit(&budget);
    {
      vector<std::uint64_t> v(site);
      fill(v, budget);
    }
    {
      vector<std::uint64_t, in_place<in_place_options{.huge_pages = true}>> v(site);
      fill(v, budget);
    }
    {
      vector<std::uint64_t, half_more> v(site);
      fill(v, budget);
    }
    EXPECT_EQ(budget.used(), 0u);
  }
}

}  // namespace
}  // namespace ullage

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <ullage/budget.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using namespace ullage;  // NOLINT(google-build-using-namespace)

growth_request want(std::uint64_t now, std::uint64_t wanted, std::uint64_t peak = 0) {
  growth_request request;
  request.bytes_now = now;
  request.bytes_wanted = wanted;
  request.bytes_at_peak = peak;
  return request;
}

// The least that a container of the library does: asks, takes, gives back, and keeps what it had.
class small_array {
 public:
  explicit small_array(growth_site& site) : site_(site) {}
  ~small_array() {
    site_.remember(most_);
    adjust_growth(&site_, -static_cast<std::int64_t>(capacity_ * sizeof(int)));
  }
  small_array(const small_array&) = delete;
  small_array& operator=(const small_array&) = delete;

  void push(int value) {
    if (size_ == capacity_) grow();
    data_[size_++] = value;
    most_ = std::max(most_, size_);
  }
  std::uint64_t size() const { return size_; }
  std::uint64_t capacity() const { return capacity_; }
  int operator[](std::uint64_t i) const { return data_[i]; }

 private:
  void grow() {
    const std::uint64_t start = growth_start_ns(&site_);
    std::uint64_t next = capacity_ == 0 ? 4 : 2 * capacity_;
    growth_event event;
    event.kind = capacity_ == 0 ? growth_kind::first : growth_kind::moved;
    event.cause = growth_cause::append;
    event.type = "small_array";
    event.container = this;
    event.bytes_before = capacity_ * sizeof(int);
    event.elements = size_;
    const growth_answer answer = ask_growth(
        &site_,
        want(capacity_ * sizeof(int), next * sizeof(int), (capacity_ + next) * sizeof(int)));
    if (answer == growth_answer::deny) {
      event.kind = growth_kind::denied;
      report_growth(&site_, event, start);
      throw growth_denied();
    }
    if (answer == growth_answer::degrade) {
      adjust_growth(&site_, -static_cast<std::int64_t>((next - size_ - 1) * sizeof(int)));
      next = size_ + 1;
    }
    auto fresh = std::make_unique<int[]>(next);
    std::copy_n(data_.get(), size_, fresh.get());
    data_ = std::move(fresh);
    capacity_ = next;
    event.bytes_after = capacity_ * sizeof(int);
    event.capacity_after = capacity_;
    event.moved = size_;
    event.element_bytes = sizeof(int);
    report_growth(&site_, event, start);
  }

  growth_site& site_;
  std::unique_ptr<int[]> data_;
  std::uint64_t size_ = 0, capacity_ = 0, most_ = 0;
};

TEST(ByteBudget, AdmitsUpToItsHardLimitDegradesAboveItsSoftOneAndCounts) {
  byte_budget budget(100, 60);
  EXPECT_EQ(budget.ask(want(0, 60)), growth_answer::admit);
  EXPECT_EQ(budget.ask(want(60, 61)), growth_answer::degrade);
  EXPECT_EQ(budget.ask(want(0, 40)), growth_answer::deny);
  EXPECT_EQ(budget.ask(want(0, 39)), growth_answer::degrade);
  EXPECT_EQ(budget.ask(want(0, 1)), growth_answer::deny);
  EXPECT_EQ(budget.used(), 100u);
  EXPECT_EQ(budget.high_water(), 100u);
  EXPECT_EQ(budget.denied(), 2u);
  EXPECT_EQ(budget.denied_bytes(), 41u);
  EXPECT_EQ(budget.degraded(), 2u);
  EXPECT_EQ(budget.ask(want(50, 10)), growth_answer::admit) << "less is always admitted";
  EXPECT_EQ(budget.used(), 60u);
  budget.adjust(-1000);
  EXPECT_EQ(budget.used(), 0u) << "what was taken before the limit was set is not known to it";
  EXPECT_EQ(budget.high_water(), 100u);
}

TEST(ByteBudget, HugeRequestsDoNotWrapAround) {
  byte_budget budget(100);
  EXPECT_EQ(budget.ask(want(0, UINT64_MAX)), growth_answer::deny);
  EXPECT_EQ(budget.ask(want(0, 100)), growth_answer::admit);
  EXPECT_EQ(budget.ask(want(1, UINT64_MAX)), growth_answer::deny);
  EXPECT_EQ(budget.used(), 100u);
  byte_budget without_end(UINT64_MAX);
  EXPECT_EQ(without_end.ask(want(0, UINT64_MAX)), growth_answer::deny);
  EXPECT_EQ(without_end.ask(want(0, INT64_MAX)), growth_answer::admit);
}

TEST(ByteBudget, MemoryThatMovesInIsCountedAndHoldsLaterGrowthBack) {
  byte_budget budget(100);
  budget.adjust(150);
  EXPECT_EQ(budget.used(), 150u);
  EXPECT_EQ(budget.ask(want(0, 1)), growth_answer::deny);
  budget.adjust(-60);
  EXPECT_EQ(budget.ask(want(0, 10)), growth_answer::admit);
  budget.set_hard_limit(50);
  EXPECT_EQ(budget.ask(want(0, 1)), growth_answer::deny);
  EXPECT_EQ(budget.used(), 100u);
}

TEST(ByteBudget, CanBoundThePeakOfAMoveAsWell) {
  byte_budget plain(100), strict(100, byte_budget::kUnlimited, byte_budget::peaks::bounded);
  for (byte_budget* budget : {&plain, &strict}) {
    EXPECT_EQ(budget->ask(want(0, 40, 40)), growth_answer::admit);
  }
  EXPECT_EQ(plain.ask(want(40, 80, 120)), growth_answer::admit);
  EXPECT_EQ(strict.ask(want(40, 80, 120)), growth_answer::deny);
  EXPECT_EQ(strict.ask(want(40, 60, 100)), growth_answer::admit);
  EXPECT_EQ(strict.used(), 60u);
}

TEST(ByteBudget, IsNeverExceededHoweverManyThreadsAsk) {
  constexpr std::uint64_t kLimit = 10'000;
  byte_budget budget(kLimit, kLimit / 2);
  std::atomic<std::uint64_t> held{0}, worst{0}, denials{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<std::uint64_t> mine;
      for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t bytes = random() % 900 + 1;
        if (budget.ask(want(0, bytes)) == growth_answer::deny) {
          ++denials;
          if (mine.empty()) continue;
          held -= mine.back();  // before it is given back: what others see is never too much
          budget.adjust(-static_cast<std::int64_t>(mine.back()));
          mine.pop_back();
          continue;
        }
        const std::uint64_t now = held += bytes;
        std::uint64_t seen = worst;
        while (now > seen && !worst.compare_exchange_weak(seen, now)) {
        }
        mine.push_back(bytes);
      }
      for (const std::uint64_t bytes : mine) {
        held -= bytes;
        budget.adjust(-static_cast<std::int64_t>(bytes));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(worst, kLimit);
  EXPECT_LE(budget.high_water(), kLimit);
  EXPECT_GT(budget.high_water(), kLimit / 2);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(budget.denied(), denials);
  EXPECT_GT(denials, 0u) << "the test never reached the limit";
}

TEST(ByteBudget, AContainerThatIsToldNoKeepsEverythingItHad) {
  growth_site site("budget.array");
  byte_budget budget(32 * sizeof(int));
  site.limit(&budget);
  {
    small_array a(site), b(site);
    for (int i = 0; i < 16; ++i) a.push(i);
    for (int i = 0; i < 16; ++i) b.push(i);
    EXPECT_THROW(a.push(16), growth_denied);
    EXPECT_THROW(b.push(16), std::bad_alloc);
    EXPECT_EQ(a.size(), 16u);
    EXPECT_EQ(a.capacity(), 16u);
    for (int i = 0; i < 16; ++i) EXPECT_EQ(a[static_cast<std::uint64_t>(i)], i);
    EXPECT_EQ(budget.used(), 32 * sizeof(int));
    EXPECT_EQ(site.denials(), 2u);
  }
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(site.sizes().quantile(0.5), 16u);
}

TEST(ByteBudget, AboveTheSoftLimitAContainerTakesTheLeastItNeeds) {
  growth_site site("budget.soft");
  byte_budget budget(1000 * sizeof(int), 16 * sizeof(int));
  site.limit(&budget);
  small_array a(site);
  for (int i = 0; i < 20; ++i) a.push(i);
  EXPECT_EQ(a.capacity(), 20u);
  EXPECT_EQ(budget.used(), 20 * sizeof(int));
  EXPECT_EQ(budget.degraded(), 4u);
}

TEST(ByteBudget, IsSharedBySitesAndStackedAboveThem) {
  byte_budget all(100), of_one(50);
  growth_site a("budget.a"), b("budget.b");
  growth_site a_limited(a);
  a.limit(&all);
  b.limit(&all);
  a_limited.limit(&of_one);
  EXPECT_EQ(ask_growth(&a_limited, want(0, 40)), growth_answer::admit);
  EXPECT_EQ(ask_growth(&b, want(0, 55)), growth_answer::admit);
  EXPECT_EQ(ask_growth(&a_limited, want(40, 50)), growth_answer::deny);
  EXPECT_EQ(of_one.used(), 40u) << "rolled back: the shared one denied";
  EXPECT_EQ(all.used(), 95u);
}

TEST(CallbackBudget, AsksTheFunctionThenTheNextAndTakesTheStrictest) {
  byte_budget bytes(100, 50);
  growth_answer said = growth_answer::admit;
  callback_budget budget([&said](const growth_request&) { return said; }, &bytes);
  EXPECT_EQ(budget.ask(want(0, 40)), growth_answer::admit);
  EXPECT_EQ(budget.ask(want(40, 60)), growth_answer::degrade);
  budget.adjust(-20);
  said = growth_answer::degrade;
  EXPECT_EQ(budget.ask(want(40, 41)), growth_answer::degrade);
  said = growth_answer::deny;
  EXPECT_EQ(budget.ask(want(41, 42)), growth_answer::deny);
  EXPECT_EQ(bytes.used(), 41u) << "who is behind a denial was not asked";
  said = growth_answer::admit;
  EXPECT_EQ(budget.ask(want(41, 200)), growth_answer::deny);
}

TEST(CallbackBudget, AFunctionThatThrowsHasDenied) {
  callback_budget budget(
      [](const growth_request&) -> growth_answer { throw std::runtime_error("no"); });
  EXPECT_EQ(budget.ask(want(0, 1)), growth_answer::deny);
  budget.adjust(5);  // nobody behind it
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
//
// Large values: made of the pages they arrive in, and held while somebody still sends them.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>

#include "tier/large.h"
#include "tier/shard.h"

namespace ullage::tier {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::uint64_t kLimitBytes = 64 * kMiB;

struct Fixture {
  Budget budget{{.limit_bytes = kLimitBytes, .proc = "/nowhere", .cgroup = "/nowhere"}};
  Shard shard{{}, budget};

  std::string value(std::string_view key) {
    const auto found = shard.peek({0, key});
    return found ? std::string(found->value) : "-";
  }
  // All that is not in use goes back.
  void settle() {
    for (int i = 0; i < 1000 && shard.step(std::chrono::milliseconds(1)); ++i) {
    }
  }
  std::uint64_t large_bytes() { return budget.granted_bytes(Component::kLarge); }
};

// A command as it arrived, whose memory was granted to clients.
class Arrived {
 public:
  Arrived(Budget& budget, std::size_t before, std::string_view text) : budget_(budget) {
    bytes_ = before + text.size() + 64;
    granted_ = (bytes_ + kPageBytes - 1) / kPageBytes * kPageBytes;
    if (!budget.take(Component::kClients, granted_)) throw std::bad_alloc();
    memory_ = static_cast<char*>(
        ::mmap(nullptr, granted_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::memset(memory_, '.', bytes_);
    std::memcpy(memory_ + before, text.data(), text.size());
    word_ = {memory_ + before, text.size()};
    offer_ = {.bytes = {memory_, bytes_}, .granted_bytes = granted_};
  }
  ~Arrived() {
    ::munmap(memory_, granted_);
    budget_.give_back(Component::kClients, offer_.granted_bytes);
  }
  Arrived(const Arrived&) = delete;
  Arrived& operator=(const Arrived&) = delete;
  std::string_view word() const { return word_; }
  Offer* offer() { return &offer_; }
  std::string_view behind() const { return {word_.data() + word_.size(), 64}; }

 private:
  Budget& budget_;
  char* memory_ = nullptr;
  std::size_t bytes_ = 0, granted_ = 0;
  std::string_view word_;
  Offer offer_;
};

std::string text_of(std::size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < bytes; i += 997) text[i] = static_cast<char>('a' + random() % 26);
  text.front() = 'F';
  text.back() = 'B';
  return text;
}

// The system may move no pages (under a sanitizer, or an old kernel): then all is copied.
bool pages_move() {
  Fixture f;
  Arrived probe(f.budget, 30, text_of(2 * kMiB, 1));
  EXPECT_EQ(f.shard.set({0, "k"}, probe.word(), {.offer = probe.offer()}), Status::kOk);
  return probe.offer()->taken_bytes != 0;
}

TEST(ShardLarge, MakesAValueOfThePagesItArrivedInWithoutTouchingThem) {
  if (!pages_move()) GTEST_SKIP() << "pages don't move here";
  Fixture f;
  const std::string text = text_of(16 * kMiB + 123, 2);
  for (const std::size_t before : {0u, 35u, 4095u, 5000u}) {
    Arrived command(f.budget, before, text);
    rusage then{}, now{};
    getrusage(RUSAGE_THREAD, &then);
    ASSERT_EQ(f.shard.set({0, "k"}, command.word(), {.offer = command.offer()}), Status::kOk);
    getrusage(RUSAGE_THREAD, &now);
    EXPECT_LT(now.ru_minflt - then.ru_minflt, 200) << "a copy touches 4096 new pages";
    EXPECT_TRUE(f.value("k") == text) << before;
    EXPECT_GT(command.offer()->taken_bytes, 16 * kMiB - 3 * kPageBytes);
    EXPECT_EQ(command.word().substr(0, 128), text.substr(0, 128)) << "SLOWLOG shows it";
    EXPECT_EQ(command.behind(), std::string(64, '.')) << "what comes next is still there";
    f.settle();
  }
  EXPECT_LE(f.large_bytes(), 16 * kMiB + 3 * kPageBytes);
  EXPECT_EQ(f.budget.granted_bytes(Component::kClients), 0u);
}

TEST(ShardLarge, ATakenValueNeedsNoSecondRoomInTheBudget) {
  if (!pages_move()) GTEST_SKIP() << "pages don't move here";
  Fixture f;
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(f.shard.set({0, "k" + std::to_string(i)}, std::string(100, 'x')), Status::kOk);
  }
  const std::string text = text_of(48 * kMiB, 3);
  Arrived command(f.budget, 40, text);
  ASSERT_EQ(f.shard.set({0, "large"}, command.word(), {.offer = command.offer()}), Status::kOk);
  EXPECT_EQ(f.shard.counters().evicted.value(), 0u);
  EXPECT_TRUE(f.value("large") == text);
}

TEST(ShardLarge, AValueThatIsHeldStaysAsItWasWhateverBecomesOfItsEntry) {
  const std::string text = text_of(3 * kMiB, 4);
  const auto changes = std::map<std::string, void (*)(Fixture&)>{
      {"written over",
       [](Fixture& f) {
         (void)f.shard.set({0, "k"}, "short");
       }},
      {"erased",
       [](Fixture& f) {
         f.shard.erase({0, "k"});
       }},
      {"longer",
       [](Fixture& f) {
         (void)f.shard.append({0, "k"}, std::string(2 * kMiB, 'n'));
       }},
      {"cut",
       [](Fixture& f) {
         (void)f.shard.resize({0, "k"}, 10);
       }},
      {"changed",
       [](Fixture& f) {
         (void)f.shard.set_range({0, "k"}, 100, "new");
       }},
      {"modified",
       [](Fixture& f) {
         std::size_t bytes = 0;
         f.shard.modify({0, "k"}, &bytes)[7] = '!';
       }},
      {"flushed", [](Fixture& f) { f.shard.flush_all(); }},
      {"renamed", [](Fixture& f) {
         (void)f.shard.rename({0, "k"}, {0, "other"});
       }}};
  for (const auto& [what, change] : changes) {
    Fixture f;
    // Others beside it, which go and come in their blocks.
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(f.shard.set({0, "n" + std::to_string(i)}, text_of(kMiB, 10)), Status::kOk);
    }
    ASSERT_EQ(f.shard.set({0, "k"}, text), Status::kOk);
    std::shared_ptr<const void> keeper = f.shard.hold({0, "k"});
    ASSERT_NE(keeper, nullptr);
    const std::string_view view = f.shard.peek({0, "k"})->value;
    change(f);
    f.settle();
    for (int i = 0; i < 8; ++i) {
      ASSERT_EQ(f.shard.set({0, "m" + std::to_string(i)}, text_of(3 * kMiB, 11)), Status::kOk);
      f.settle();
    }
    EXPECT_TRUE(view == text) << what;
    EXPECT_TRUE(f.shard.hold({0, "nobody"}) == nullptr);
    keeper.reset();
    f.shard.flush_all();
    f.settle();
    EXPECT_EQ(f.large_bytes(), 0u) << what << ": all of it comes back";
  }
}

TEST(ShardLarge, WhatIsHeldCannotBeGivenBackAndNothingElseGoesForThat) {
  Fixture f;
  ASSERT_EQ(f.shard.set({0, "k"}, text_of(40 * kMiB, 5)), Status::kOk);
  ASSERT_EQ(f.shard.set({0, "small"}, "stays"), Status::kOk);
  const std::shared_ptr<const void> keeper = f.shard.hold({0, "k"});
  EXPECT_EQ(f.shard.set({0, "other"}, std::string(40 * kMiB, 'x')), Status::kDenied);
  EXPECT_EQ(f.value("small"), "stays");
}

// Values of all sizes, taken, copied, held and changed, beside a model of them.
TEST(ShardLarge, AgreesWithAModelWhateverIsTakenAndHeld) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Budget budget({.limit_bytes = 0, .proc = "/nowhere", .cgroup = "/nowhere"});
    Shard shard({}, budget);
    std::map<std::string, std::string> model;
    struct Held {
      std::shared_ptr<const void> keeper;
      std::string_view view;
      std::string was;
    };
    std::vector<Held> held;
    for (int step = 0; step < 150; ++step) {
      const std::string key = "k" + std::to_string(random() % 5);
      const std::string text = text_of(10'000 + random() % (3 * kMiB), random());
      switch (random() % 8) {
        case 0:
        case 1: {
          Arrived command(budget, random() % 9000, text);
          ASSERT_EQ(shard.set({0, key}, command.word(), {.offer = command.offer()}), Status::kOk);
          model[key] = text;
          break;
        }
        case 2:
          ASSERT_EQ(shard.set({0, key}, text), Status::kOk);
          model[key] = text;
          break;
        case 3: {
          const std::string tail = text.substr(0, random() % text.size());
          ASSERT_EQ(shard.append({0, key}, tail), Status::kOk);
          model[key] += tail;
          break;
        }
        case 4: {
          const std::size_t bytes = 20'000 + random() % (2 * kMiB);
          ASSERT_EQ(shard.resize({0, key}, bytes), Status::kOk);
          model[key].resize(bytes);
          break;
        }
        case 5:
          EXPECT_EQ(shard.erase({0, key}), model.erase(key) != 0);
          break;
        case 6:
          if (auto keeper = shard.hold({0, key})) {
            held.push_back({std::move(keeper), shard.peek({0, key})->value, model[key]});
          }
          break;
        case 7:
          if (!held.empty()) held.erase(held.begin());
          (void)shard.step(std::chrono::microseconds(200));
          break;
      }
      const auto found = shard.peek({0, key});
      ASSERT_EQ(found.has_value(), model.contains(key));
      ASSERT_TRUE(!found || found->value == model[key]) << step;
      for (const Held& each : held) ASSERT_TRUE(each.view == each.was) << step;
    }
    held.clear();
    shard.flush_all();
    for (int i = 0; i < 1000 && shard.step(std::chrono::milliseconds(1)); ++i) {
    }
    EXPECT_EQ(budget.granted_bytes(Component::kLarge), 0u);
    EXPECT_EQ(budget.granted_bytes(Component::kClients), 0u);
  }
}

}  // namespace
}  // namespace ullage::tier

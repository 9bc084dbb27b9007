// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/readers.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tier/cold/memory_engine_testing.h"
#include "tier/cold/store_testing.h"

namespace ullage::tier::cold {
namespace {

using testing::MemoryEngine;
using testing::Progress;
using testing::put;

std::vector<Readers::Task> tasks(int count) {
  std::vector<Readers::Task> all(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) all[static_cast<std::size_t>(i)].key = std::to_string(i);
  return all;
}

TEST(ColdReaders, TakeWhatFitsAndLeaveTheRestAsItWas) {
  std::mutex held;
  std::unique_lock hold(held);
  std::atomic<int> worked{0};
  Readers readers(1, 4, [&](std::span<Readers::Task> some) {
    const std::lock_guard wait(held);
    worked += static_cast<int>(some.size());
  });
  std::vector<Readers::Task> first = tasks(1);
  ASSERT_EQ(readers.add(first), 1u);
  while (readers.waiting() != 0) sched_yield();  // in the hands of the thread
  std::vector<Readers::Task> more = tasks(7);
  EXPECT_EQ(readers.add(more), 4u);
  EXPECT_EQ(more[4].key, "4") << "the first that did not fit";
  EXPECT_EQ(readers.add(more), 0u);
  hold.unlock();
  while (worked != 5) sched_yield();
}

TEST(ColdReaders, ABurstWakesEveryThreadThatIsIdle) {
  std::mutex mutex;
  std::set<std::thread::id> at_work;
  std::atomic<bool> both{false};
  Readers readers(2, 100, [&](std::span<Readers::Task>) {
    {
      const std::lock_guard lock(mutex);
      at_work.insert(std::this_thread::get_id());
      if (at_work.size() == 2) both = true;
    }
    while (!both) sched_yield();  // until the other one has come as well
  });
  std::vector<Readers::Task> burst = tasks(2);
  ASSERT_EQ(readers.add(burst), 2u);
  while (!both) sched_yield();
}

TEST(ColdReaders, TakeNoProcessorFromWhoRunsWhenTheyWake) {
  std::atomic<int> policy{-1};
  Readers readers(1, 4, [&](std::span<Readers::Task>) { policy = ::sched_getscheduler(0); });
  std::vector<Readers::Task> one = tasks(1);
  ASSERT_EQ(readers.add(one), 1u);
  while (policy == -1) sched_yield();
  EXPECT_EQ(policy, SCHED_BATCH);
}

TEST(ColdReaders, WhatIsAskedTogetherIsAnsweredOneByOneAndShedBeyondTheBound) {
  auto engine = std::make_unique<MemoryEngine>();
  MemoryEngine& held = *engine;
  ColdOptions options;
  options.directory = "/the/directory";
  options.now_ms = [] { return std::uint64_t{1}; };
  options.readers = 1;
  options.reads_max = 40;
  const auto store = make_store(options, 7, std::move(engine));
  Progress progress(*store);
  const std::uint64_t last = store->write(0, {put(0, "k1", "one"), put(0, "k2", "two")}, true);
  progress.until([&] { return store->durable(0) >= last; });

  held.hold_reads(true);
  std::mutex mutex;
  std::map<std::string, int> said;
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("k" + std::to_string(i));
  std::vector<ColdStore::Asked> asked;
  for (const std::string& name : names) {
    asked.push_back({Key(0, name), [&](ColdStatus status, ColdEntry entry) {
                       const std::lock_guard lock(mutex);
                       ++said[status == ColdStatus::kOk     ? entry.value
                              : status == ColdStatus::kShed ? "shed"
                                                            : "missing"];
                     }});
  }
  store->read_all(asked);
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(said["shed"], 60);
  }
  EXPECT_EQ(store->figures().shed, 60u);
  held.hold_reads(false);
  progress.until([&] {
    const std::lock_guard lock(mutex);
    return said["missing"] == 38 && said["one"] == 1 && said["two"] == 1;
  });
}

}  // namespace
}  // namespace ullage::tier::cold

// SPDX-License-Identifier: Apache-2.0
#include "tier/budget.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "tier/kernel.h"
#include "tier/metrics.h"
#include "tier/shard.h"
#include "tier/topology.h"

namespace ullage::tier {
namespace {

// A /proc and a /sys/fs/cgroup of one's own.
class Machine {
 public:
  Machine() : root_(::testing::TempDir() + "tier-budget-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(root_ + "/proc/self");
    std::filesystem::create_directories(root_ + "/proc/pressure");
    std::filesystem::create_directories(root_ + "/cgroup/a/b");
  }
  ~Machine() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(root_ + "/" + path) << text;
  }
  std::string proc() const { return root_ + "/proc"; }
  std::string cgroup() const { return root_ + "/cgroup"; }
  void resident(std::uint64_t kib) {
    write("proc/self/status", "Name:\tx\nVmHWM:\t" + std::to_string(kib) + " kB\nVmRSS:\t" +
                                  std::to_string(kib) + " kB\nRssFile:\t 8 kB\n");
  }

 private:
  std::string root_;
};

TEST(Budget, NeverGrantsBeyondItsLimitHoweverManyAsk) {
  Budget budget({.limit_bytes = 1000, .shards = 4});
  std::vector<std::thread> threads;
  std::atomic<int> granted{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) granted += budget.take(Component::kEntries, 7, t) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(granted, 142);
  EXPECT_EQ(budget.granted_bytes(), 994u);
  EXPECT_EQ(budget.granted_bytes(Component::kEntries), 994u);
  EXPECT_EQ(budget.denied(), 4000u - 142u);
}

TEST(Budget, WhatOneShardTookMayBecomeAnothers) {
  Budget budget({.limit_bytes = 100, .shards = 2});
  ASSERT_TRUE(budget.take(Component::kClients, 80, 0));
  budget.entrust(80, 0, 1);
  EXPECT_EQ(budget.granted_bytes(), 80u);
  budget.limit_bytes(60);
  EXPECT_EQ(budget.excess_bytes(0), 0u) << "it has nothing any more";
  EXPECT_EQ(budget.excess_bytes(1), 20u);
  budget.give_back(Component::kClients, 80, 1);
  ASSERT_TRUE(budget.take(Component::kEntries, 60, 0));
  budget.limit_bytes(40);
  EXPECT_EQ(budget.excess_bytes(1), 0u);
  EXPECT_EQ(budget.excess_bytes(0), 20u);
}

TEST(Budget, AsksTheRichestForRoomUntilItIsThereOrNobodyWantsIt) {
  Budget budget({.limit_bytes = 100, .shards = 3});
  ASSERT_TRUE(budget.take(Component::kEntries, 30, 0));
  ASSERT_TRUE(budget.take(Component::kEntries, 50, 1));
  ASSERT_TRUE(budget.take(Component::kEntries, 20, 2));
  ASSERT_EQ(budget.richest(), 1);
  budget.ask(25, 1);
  EXPECT_TRUE(budget.is_asked(1));
  EXPECT_EQ(budget.excess_bytes(1), 25u);
  EXPECT_EQ(budget.excess_bytes(0), 0u);
  budget.give_back(Component::kEntries, 25, 1);
  EXPECT_EQ(budget.excess_bytes(1), 0u) << "it is there";
  budget.ask(60, 1);
  EXPECT_EQ(budget.excess_bytes(1), 25u) << "no more than it has";
  budget.ask(0, 1);
  EXPECT_FALSE(budget.is_asked(1));
  budget.ask(60, 1);
  budget.tick();
  EXPECT_TRUE(budget.is_asked(1));
  budget.tick();
  EXPECT_FALSE(budget.is_asked(1)) << "who asked went away";
}

TEST(Budget, WhatTheProcessTakesBesideComesOffWhatIsAllowed) {
  Machine machine;
  machine.resident(100 << 10);
  Budget budget({.limit_bytes = 80 << 20,
                 .process_bytes = 120 << 20,
                 .proc = machine.proc(),
                 .cgroup = machine.cgroup()});
  ASSERT_TRUE(budget.take(Component::kEntries, 70 << 20, 0));
  budget.tick();  // resident 100, granted 70: 30 beside
  EXPECT_EQ(budget.allowed_bytes(), 80u << 20);
  EXPECT_EQ(budget.pressure(), Pressure::kNone);
  machine.resident(125 << 10);
  budget.tick();  // 55 beside, so 65 are left
  EXPECT_EQ(budget.allowed_bytes(), 65u << 20);
  EXPECT_EQ(budget.pressure(), Pressure::kProcess);
  EXPECT_EQ(budget.excess_bytes(0), 5u << 20);
  EXPECT_FALSE(budget.take(Component::kEntries, 1, 0));
  machine.resident(100 << 10);
  budget.tick();
  EXPECT_TRUE(budget.take(Component::kEntries, 1, 0));
}

TEST(Budget, WhatIsGrantedAndNotWrittenToHidesNothingOfWhatTheProcessTakesBeside) {
  Machine machine;
  machine.resident(50 << 10);
  Budget budget({.limit_bytes = 80 << 20,
                 .process_bytes = 80 << 20,
                 .shards = 2,
                 .proc = machine.proc(),
                 .cgroup = machine.cgroup()});
  ASSERT_TRUE(budget.take(Component::kEntries, 40 << 20, 0));
  budget.untouched(5 << 20, 0);
  budget.untouched(3 << 20, 1);
  budget.tick();  // of the 50, 32 are what was granted: 18 beside
  EXPECT_EQ(budget.allowed_bytes(), 62u << 20);
  budget.untouched(-(5 << 20), 0);
  budget.untouched(-(3 << 20), 1);
  budget.tick();  // 10 beside
  EXPECT_EQ(budget.allowed_bytes(), 70u << 20);
}

TEST(Budget, PagesOfASlabCountAsTheyAreWrittenTo) {
  Machine machine;
  machine.resident(64 << 10);
  Budget budget({.process_bytes = 128 << 20, .proc = machine.proc(), .cgroup = machine.cgroup()});
  Shard shard({}, budget);
  // 64 MiB are resident, as the kernel has it: what of them is ours is what may be granted.
  const auto untouched = [&] {
    budget.tick();
    return budget.granted_bytes() - (budget.allowed_bytes() - (64 << 20));
  };
  const auto store = [&](int each) {
    for (std::size_t bytes = 1000; bytes < 15000; bytes += 1000) {
      for (int i = 0; i < each; ++i) {
        const std::string key = std::to_string(bytes) + ":" + std::to_string(i);
        ASSERT_EQ(shard.set({0, key}, std::string(bytes, 'v')), Status::kOk);
      }
    }
  };
  store(1);
  const std::uint64_t one = untouched();
  EXPECT_GT(one, 10u * (60 << 10)) << "a slab of each size, of which a page or some are used";
  store(4);
  EXPECT_LT(untouched(), one - 20 * 4096);
  store(70);  // whole slabs of all
  EXPECT_LT(untouched(), one);
  shard.flush(0);
  while (shard.step(std::chrono::seconds(1))) {
  }
  const std::uint64_t spare = untouched();
  EXPECT_LE(spare, budget.granted_bytes());
  store(1);
  EXPECT_LE(untouched(), one) << "pages that were written to are so in another size, too";
}

TEST(Budget, ALimitThatIsSetAnewLeavesWhatTheProcessTakesAside) {
  Machine machine;
  machine.resident(20 << 10);
  Budget budget({.limit_bytes = 80 << 20, .proc = machine.proc(), .cgroup = machine.cgroup()});
  budget.process_bytes(80 << 20);
  budget.tick();
  EXPECT_EQ(budget.allowed_bytes(), 60u << 20);
  budget.limit_bytes(80 << 20);  // before the next tick
  EXPECT_EQ(budget.allowed_bytes(), 60u << 20);
  budget.process_bytes(100 << 20);
  budget.limit_bytes(100 << 20);
  EXPECT_EQ(budget.allowed_bytes(), 80u << 20);
}

TEST(Budget, ABoundOfTheProcessMayChangeWhileItRuns) {
  Machine machine;
  machine.resident(50 << 10);
  Budget budget({.limit_bytes = 80 << 20,
                 .process_bytes = 40 << 20,
                 .proc = machine.proc(),
                 .cgroup = machine.cgroup()});
  ASSERT_TRUE(budget.take(Component::kEntries, 30 << 20, 0));
  budget.tick();  // 20 beside, so 20 are left
  EXPECT_EQ(budget.allowed_bytes(), 20u << 20);
  budget.process_bytes(120 << 20);
  budget.tick();
  EXPECT_EQ(budget.allowed_bytes(), 80u << 20);
  budget.process_bytes(60 << 20);
  budget.tick();
  EXPECT_EQ(budget.allowed_bytes(), 40u << 20);
  budget.limit_bytes(80 << 20);
  EXPECT_EQ(budget.allowed_bytes(), 40u << 20) << "it was so before";
  budget.process_bytes(0);
  budget.tick();
  EXPECT_EQ(budget.allowed_bytes(), 80u << 20);
}

TEST(Budget, KeepsBelowTheLimitOfItsCgroup) {
  Machine machine;
  machine.resident(50 << 10);
  machine.write("proc/self/cgroup", "0::/a/b\n");
  machine.write("cgroup/a/b/memory.current", std::to_string(60 << 20));
  machine.write("cgroup/a/b/memory.stat", "anon 1\ninactive_file " + std::to_string(10 << 20));
  machine.write("cgroup/a/b/memory.max", "max\n");
  machine.write("cgroup/a/memory.max", std::to_string(64 << 20));
  Budget budget({.limit_bytes = 80 << 20, .proc = machine.proc(), .cgroup = machine.cgroup()});
  ASSERT_TRUE(budget.take(Component::kEntries, 40 << 20, 0));
  budget.tick();  // 50 used of 62 (64 less a reserve of 2), 10 of them beside
  EXPECT_EQ(budget.readings().cgroup_limit_bytes, 64u << 20);
  EXPECT_EQ(budget.readings().cgroup_bytes, 50u << 20);
  EXPECT_EQ(budget.allowed_bytes(), 52u << 20);
}

TEST(Budget, GrowsNoFurtherWhileTasksWaitForMemory) {
  Machine machine;
  machine.resident(10);
  machine.write("proc/pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\n");
  Budget budget({.limit_bytes = 1000, .proc = machine.proc(), .cgroup = machine.cgroup()});
  ASSERT_TRUE(budget.take(Component::kEntries, 400, 0));
  budget.tick();
  EXPECT_EQ(budget.pressure(), Pressure::kStalled);
  EXPECT_FALSE(budget.take(Component::kEntries, 1, 0));
  // What is given back may be granted again: it is held, not pressed down by every tick.
  budget.give_back(Component::kEntries, 300, 0);
  budget.tick();
  EXPECT_EQ(budget.pressure(), Pressure::kStalled);
  EXPECT_EQ(budget.allowed_bytes(), 400u);
  EXPECT_TRUE(budget.take(Component::kEntries, 300, 0));
  budget.tick();
  EXPECT_FALSE(budget.take(Component::kEntries, 1, 0));
  machine.write("proc/pressure/memory", "some avg10=0.00 avg60=1.00 avg300=0.00 total=1\n");
  budget.tick();
  EXPECT_TRUE(budget.take(Component::kEntries, 1, 0));
}

TEST(Budget, ShardsReclaimDownToALoweredLimit) {
  Budget budget({.limit_bytes = 32 << 20, .proc = "/nowhere"});
  Shard shard({}, budget);
  const std::string value(100, 'v');
  for (int i = 0; i < 150000; ++i) (void)shard.set({0, std::to_string(i)}, value);
  ASSERT_GT(budget.granted_bytes(), 16u << 20);
  budget.limit_bytes(8 << 20);
  for (int i = 0; i < 100000 && budget.excess_bytes(0) != 0; ++i) {
    shard.step(std::chrono::microseconds(200));
  }
  EXPECT_LE(budget.granted_bytes(), 8u << 20);
  EXPECT_GT(shard.count(0), 30000u);
}

TEST(Kernel, SaysNothingWhereThereIsNothingToRead) {
  EXPECT_EQ(kernel::resident("/nowhere").resident_bytes, 0u);
  EXPECT_EQ(kernel::cgroup_memory("/nowhere", "/nowhere").limit_bytes, 0u);
  EXPECT_EQ(kernel::memory_stalled_percent("/nowhere"), -1);
  EXPECT_GT(kernel::resident().resident_bytes, 0u);
}

TEST(Kernel, ReadsTheFirstCgroupsToo) {
  Machine machine;
  std::filesystem::create_directories(machine.cgroup() + "/memory/a");
  machine.write("proc/self/cgroup", "5:cpu:/a\n4:memory:/a\n0::/\n");
  machine.write("cgroup/memory/a/memory.usage_in_bytes", "5000\n");
  machine.write("cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  machine.write("cgroup/memory/memory.limit_in_bytes", "9000\n");
  const auto read = kernel::cgroup_memory(machine.proc(), machine.cgroup());
  EXPECT_EQ(read.used_bytes, 5000u);
  EXPECT_EQ(read.limit_bytes, 9000u);
}

TEST(Topology, RowsAddUpToWhatTheKernelSays) {
  Budget budget({.limit_bytes = 64 << 20});
  Shard shard({}, budget);
  for (int i = 0; i < 30000; ++i) {
    ASSERT_EQ(shard.set({0, std::to_string(i)}, std::string(100, 'x')), Status::kOk);
  }
  ASSERT_EQ(shard.set({0, "large"}, std::string(1 << 20, 'x')), Status::kOk);
  const Memory* memories[] = {&shard.memory()};
  const Topology t = topology(budget, memories);
  std::uint64_t sum = 0;
  for (const auto& c : t.components) {
    for (const Place* p : {&c.heap, &c.off_heap, &c.shared}) sum += p->resident_bytes;
  }
  EXPECT_EQ(sum, t.kernel_resident_bytes);
  EXPECT_LE(t.accounted_resident_bytes, t.kernel_resident_bytes * 105 / 100);
  const Place& heap = t.components[0].heap;
  EXPECT_GE(heap.resident_bytes, heap.live_bytes);
  EXPECT_GE(t.components[0].off_heap.live_bytes, 1u << 20);
  EXPECT_NE(to_json(t).find("\"off_heap\""), std::string::npos);
}

TEST(Metrics, EverySeriesIsThereFromTheStart) {
  Budget budget({.limit_bytes = 1 << 20});
  Shard shard({}, budget);
  metrics::Registry registry;
  register_metrics(registry, budget, {&shard});
  registry.seal();
  const std::size_t series = registry.series_count();
  std::string text = metrics::prometheus_text(registry);
  EXPECT_NE(text.find("ullage_tier_requests_total{tier=\"hot\",result=\"hit\"} 0"),
            std::string::npos)
      << text;
  (void)shard.set({0, "k"}, "v");
  shard.get({0, "k"});
  text = metrics::prometheus_text(registry);
  EXPECT_NE(text.find("result=\"hit\"} 1"), std::string::npos);
  EXPECT_NE(text.find("ullage_tier_entries{tier=\"hot\"} 1"), std::string::npos);
  EXPECT_EQ(registry.series_count(), series);
}

}  // namespace
}  // namespace ullage::tier

// SPDX-License-Identifier: Apache-2.0
//
// What the hot tier takes: bytes per entry, the peak while it grows, the longest operation, and
// what is resident while the sizes of values drift. One iteration each: these are counts and
// maxima. build/dev/bench/tier_bench, or better with optimisation: see docs/tiers/hot.md.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "tier/kernel.h"
#include "tier/shard.h"

namespace {

using namespace ullage::tier;

std::string key_of(std::uint64_t i) {
  char text[17];
  std::snprintf(text, sizeof text, "key:%012llu", static_cast<unsigned long long>(i));
  return text;
}

std::uint64_t resident() { return kernel::resident().resident_bytes; }

std::uint64_t thread_ns() {
  timespec at{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(at.tv_nsec);
}

// 16 B keys, 100 B values; state.range(1) != 0: each with an expiry.
void BM_BytesPerEntry(benchmark::State& state) {
  const auto entries = static_cast<std::uint64_t>(state.range(0));
  const std::string value(100, 'v');
  for (auto _ : state) {
    Budget budget({});
    Shard shard({}, budget);
    shard.now(1);
    const std::uint64_t before = resident();
    double worst = 0;
    std::uint64_t peak = 0;
    const SetOptions options{.expires_ms = state.range(1) != 0 ? 1'000'000'000'000u : kNoExpiry};
    for (std::uint64_t i = 0; i < entries; ++i) {
      if (shard.set({0, key_of(i)}, value, options) != Status::kOk) state.SkipWithError("denied");
      if (i % 1000 == 999) shard.step(std::chrono::microseconds(50));
      if (i % 20000 == 19999) {
        const std::uint64_t now = resident() - before;
        peak = std::max(peak, now);
        if (i >= entries / 2)
          worst = std::max(worst, static_cast<double>(now) / static_cast<double>(i + 1));
      }
    }
    const auto after = static_cast<double>(resident() - before);
    state.counters["bytes_per_entry"] = after / static_cast<double>(entries);
    state.counters["worst_of_a_doubling"] = worst;
    state.counters["peak_over_final"] = static_cast<double>(peak) / after;
    state.counters["moves_max"] = static_cast<double>(shard.counters().operation_moves_max.value());
  }
}
BENCHMARK(BM_BytesPerEntry)
    ->Args({1000000, 0})
    ->Args({1000000, 1})
    ->Args({10000000, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// Thread CPU time of single operations while it grows, and of reads.
void BM_Operations(benchmark::State& state) {
  const auto entries = static_cast<std::uint64_t>(state.range(0));
  const std::string value(100, 'v');
  for (auto _ : state) {
    Budget budget({});
    Shard shard({}, budget);
    std::vector<std::uint64_t> took;
    took.reserve(entries);
    for (std::uint64_t i = 0; i < entries; ++i) {
      const std::string text = key_of(i);
      const std::uint64_t start = thread_ns();
      benchmark::DoNotOptimize(shard.set({0, text}, value));
      took.push_back(thread_ns() - start);
    }
    std::uint64_t sum = 0;
    for (const std::uint64_t ns : took) sum += ns;
    std::sort(took.begin(), took.end());
    state.counters["set_ns"] = static_cast<double>(sum) / static_cast<double>(entries);
    state.counters["set_p999_ns"] = static_cast<double>(took[entries - entries / 1000]);
    state.counters["set_max_ns"] = static_cast<double>(took.back());
    std::vector<std::string> keys;
    std::uint64_t at = 1;
    for (int i = 0; i < 1'000'000; ++i) {
      at = at * 6364136223846793005u + 1442695040888963407u;
      keys.push_back(key_of((at >> 32) % entries));
    }
    std::uint64_t start = thread_ns();
    std::uint64_t hits = 0;
    for (const std::string& key : keys) hits += shard.get({0, key}) ? 1 : 0;
    state.counters["get_ns"] = static_cast<double>(thread_ns() - start) / 1e6;
    start = thread_ns();
    for (const std::string& key : keys) benchmark::DoNotOptimize(shard.set({0, key}, value));
    state.counters["overwrite_ns"] = static_cast<double>(thread_ns() - start) / 1e6;
    if (hits != keys.size()) state.SkipWithError("lost entries");
  }
}
BENCHMARK(BM_Operations)->Arg(1000000)->Arg(4000000)->Iterations(1)->Unit(benchmark::kMillisecond);

// SET, GET and DEL within a budget, while values drift 100 -> 400 -> 64 B.
void BM_Drift(benchmark::State& state) {
  const std::uint64_t limit = std::uint64_t{128} << 20;
  const std::string value(400, 'v');
  for (auto _ : state) {
    Budget budget({.limit_bytes = limit});
    Shard shard({}, budget);
    const int steps = 1'500'000;
    std::vector<std::uint64_t> took(2 * steps, 1);  // its pages are there before
    took.clear();
    const std::uint64_t before = resident();
    std::uint64_t peak = 0, longest = 0, denied = 0, at = 1, operations = 0;
    double least_live = 1;
    for (const auto& [from, to] : {std::pair{100, 400}, {400, 64}}) {
      for (int i = 0; i < steps; ++i, ++operations) {
        at = at * 6364136223846793005u + 1442695040888963407u;
        const std::size_t bytes =
            static_cast<std::size_t>(from + (to - from) * (i / 1000) / (steps / 1000));
        const std::string key = key_of((at >> 33) % 4'000'000);
        const std::uint64_t start = thread_ns();
        if ((at >> 20) % 10 == 0) {
          shard.erase({0, key});
        } else if ((at >> 20) % 10 < 4) {
          benchmark::DoNotOptimize(shard.get({0, key}));
        } else if (shard.set({0, key}, {value.data(), bytes}) != Status::kOk) {
          ++denied;
        }
        took.push_back(thread_ns() - start);
        longest = std::max(longest, took.back());
        if (i % 200 == 199) shard.step(std::chrono::microseconds(200));
        if (i % 5000 == 0) {
          budget.tick();
          peak = std::max(peak, resident() - before);
          if (operations > 1'000'000) {
            const double live = static_cast<double>(shard.memory().live_bytes.value());
            least_live = std::min(least_live, live / static_cast<double>(limit));
          }
        }
      }
    }
    std::sort(took.begin(), took.end());
    state.counters["rss_over_budget"] = static_cast<double>(peak) / static_cast<double>(limit);
    state.counters["least_live_share"] = least_live;
    state.counters["longest_ns"] = static_cast<double>(longest);
    state.counters["p999_ns"] = static_cast<double>(took[took.size() - took.size() / 1000]);
    state.counters["denied"] = static_cast<double>(denied);
    state.counters["evicted"] = static_cast<double>(shard.counters().evicted.value());
    state.counters["packed"] = static_cast<double>(shard.counters().packed.value());
    state.counters["moves_max"] = static_cast<double>(shard.counters().operation_moves_max.value());
  }
}
BENCHMARK(BM_Drift)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace

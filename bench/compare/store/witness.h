// SPDX-License-Identifier: Apache-2.0
//
// Witness: how long the machine itself stood still. A thread on each processor wakes every
// millisecond; how late it was at worst is what any program would have waited here, whatever it
// does. A long wait of a client that no witness saw is the server's; one that they saw may not be.
#pragma once

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace store {

class Witness {
 public:
  Witness() {
    const unsigned count = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned cpu = 0; cpu < count; ++cpu) threads_.emplace_back([this, cpu] { watch(cpu); });
  }
  ~Witness() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  // The longest since the last call.
  std::uint64_t longest_ns() { return longest_ns_.exchange(0); }

 private:
  static constexpr std::uint64_t kPeriodNs = 1'000'000;

  void watch(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
    while (!stop_) {
      const std::uint64_t due = now() + kPeriodNs;
      const timespec at{static_cast<time_t>(due / 1'000'000'000),
                        static_cast<long>(due % 1'000'000'000)};
      ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
      const std::uint64_t late = now() - due;
      std::uint64_t seen = longest_ns_.load();
      while (late > seen && !longest_ns_.compare_exchange_weak(seen, late)) {
      }
    }
  }
  static std::uint64_t now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(t.tv_nsec);
  }

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> longest_ns_{0};
  std::vector<std::thread> threads_;
};

}  // namespace store

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two clocks: what entries expire by, and what durations are measured by.

#include <time.h>

#include <chrono>
#include <cstdint>

namespace ullage::server {

inline std::uint64_t unix_us() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}
inline std::uint64_t unix_ms() { return unix_us() / 1000; }
inline std::uint64_t steady_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

// Of this thread: what it has run, without what it has waited. A call of the kernel.
inline std::uint64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// For waits, which no change of the wall clock may cut short or stretch.
inline std::uint64_t steady_ms() { return steady_ns() / 1'000'000; }

}  // namespace ullage::server

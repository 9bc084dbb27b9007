// SPDX-License-Identifier: Apache-2.0
// Keys, values, and CPU time until nothing goes on in the background any more.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

namespace task {

inline std::uint64_t scrambled(std::uint64_t i) {
  std::uint64_t x = i + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// 16 bytes, in no order.
inline std::string key_of(std::uint64_t i) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(scrambled(i)));
  return {text, 16};
}

inline std::string value_of(std::uint64_t i, std::size_t bytes) {
  std::string value(bytes, 'v');
  for (std::size_t at = 0; at < bytes; at += 8) {
    value[at] = static_cast<char>('a' + scrambled(i + at) % 26);
  }
  return value;
}

inline double process_cpu_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Until a quarter of a second took less than 2 % of it.
inline double cpu_at_rest_ns() {
  for (;;) {
    const double before = process_cpu_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    const double after = process_cpu_ns();
    if (after - before < 5e6) return after;
  }
}

template <class Work>
double measured(Work&& work) {
  const double before = cpu_at_rest_ns();
  work();
  return cpu_at_rest_ns() - before;
}

}  // namespace task

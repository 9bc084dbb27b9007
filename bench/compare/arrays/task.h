// SPDX-License-Identifier: Apache-2.0
// arrays: what it costs to push 2e8 numbers into an array that was not told how many.
//
// A contender is a struct with `template <bool Huge> using array = ...` and
// `template <class Array> static void make_room(Array&, std::size_t)`.
#pragma once

#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "driver.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace arrays {

inline constexpr std::size_t kCount = 200'000'000;

inline std::uint64_t cycles() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
         static_cast<std::uint64_t>(now.tv_nsec);
#endif
}

inline double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

inline double seconds_per_cycle() {
  const double start = seconds_of(CLOCK_MONOTONIC);
  const std::uint64_t from = cycles();
  while (seconds_of(CLOCK_MONOTONIC) - start < 0.05) {
  }
  return (seconds_of(CLOCK_MONOTONIC) - start) / static_cast<double>(cycles() - from);
}

// A figure of /proc/self/<file> in bytes; the kernel says kB.
inline double proc_bytes(const char* file, const char* field) {
  double found = 0;
  if (std::FILE* in = std::fopen(file, "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, in) != nullptr) {
      if (std::strncmp(line, field, std::strlen(field)) != 0) continue;
      found += std::strtod(line + std::strlen(field), nullptr) * 1024;
    }
    std::fclose(in);
  }
  return found;
}

// glibc reads its tunables when the program starts, so it starts once more.
inline void with_huge_malloc() {
  constexpr const char* kTunable = "glibc.malloc.hugetlb=1";
  const char* now = std::getenv("GLIBC_TUNABLES");
  if (now != nullptr && std::strcmp(now, kTunable) == 0) return;
  setenv("GLIBC_TUNABLES", kTunable, 1);
  std::vector<std::string> words;
  if (std::FILE* in = std::fopen("/proc/self/cmdline", "r")) {
    std::string word;
    for (int c = std::fgetc(in); c != EOF; c = std::fgetc(in)) {
      if (c != 0) {
        word += static_cast<char>(c);
        continue;
      }
      words.push_back(word);
      word.clear();
    }
    std::fclose(in);
  }
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  std::perror("arrays: cannot start again with huge pages for malloc");
  std::exit(1);
}

// The longest operations, and a histogram with 16 steps to a power of two.
class Stalls {
 public:
  void add(std::uint64_t took) {
    const unsigned top = static_cast<unsigned>(std::bit_width(took | 16)) - 1;
    ++counts_[(top - 4) * 16 + ((took >> (top - 4)) & 15)];
    ++all_;
    if (took > longest_) {
      second_ = longest_;
      longest_ = took;
    } else if (took > second_) {
      second_ = took;
    }
  }
  std::uint64_t longest() const { return longest_; }
  std::uint64_t second() const { return second_; }
  std::uint64_t quantile(double q) const {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (static_cast<double>(seen) >= q * static_cast<double>(all_)) {
        return (16 + i % 16) << (i / 16);
      }
    }
    return longest_;
  }

 private:
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(60 * 16);
  std::uint64_t all_ = 0, longest_ = 0, second_ = 0;
};

// Pushes at least this slow are looked at by the thread's clock.
inline constexpr double kSlowSeconds = 5e-6;

template <class Array>
void push_timed(Array& array, std::size_t count, bench::Report& report) {
  const double tick = seconds_per_cycle();
  const auto slow = static_cast<std::uint64_t>(kSlowSeconds / tick);
  Stalls stalls;
  double cpu_then = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  std::uint64_t cycles_then = cycles();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t from = cycles();
    array.push_back(i);
    std::uint64_t took = cycles() - from;
    if (took >= slow) {
      // CPU time since the last look, less what passed before this push began: all of that was
      // fast, so the thread was running.
      const double cpu_now = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      const double own = cpu_now - cpu_then - static_cast<double>(from - cycles_then) * tick;
      if (own < static_cast<double>(took) * tick) {
        took = own < 0 ? 0 : static_cast<std::uint64_t>(own / tick);
      }
      cpu_then = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      cycles_then = cycles();
    }
    stalls.add(took);
  }
  report.add("longest_push", static_cast<double>(stalls.longest()) * tick, "s");
  report.add("second_push", static_cast<double>(stalls.second()) * tick, "s");
  report.add("p9999_push", static_cast<double>(stalls.quantile(0.9999)) * tick, "s");
}

inline double process_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Array>
void push_all(Array& array, std::size_t count, bench::Report& report) {
  const double resident = proc_bytes("/proc/self/status", "VmRSS:");
  const double cpu = process_cpu();
  const double wall = bench::seconds([&] {
    for (std::size_t i = 0; i < count; ++i) array.push_back(i);
  });
  report.add("push_cpu", process_cpu() - cpu, "s");
  report.add("push_wall", wall, "s");
  const double peak = proc_bytes("/proc/self/status", "VmHWM:") - resident;
  const double data = static_cast<double>(count * sizeof(std::uint64_t));
  report.add("peak_over_data", peak / data, "x");
  report.add("huge_share", proc_bytes("/proc/self/smaps_rollup", "AnonHugePages:") / data, "x");
}

template <class Array, class Contender>
void run(bool timed, std::size_t count, bench::Report& report) {
  Array array;
  Contender::make_room(array, count);
  if (timed) {
    push_timed(array, count, report);
  } else {
    push_all(array, count, report);
  }
  bench::keep(array);
}

}  // namespace arrays

struct Task {
  template <class Contender>
  static void run(std::string_view case_name, bench::Report& report) {
    const char* asked = std::getenv("ARRAYS_N");
    const std::size_t count = asked != nullptr ? std::strtoull(asked, nullptr, 10) : arrays::kCount;
    const bool timed = case_name.starts_with("stalls");
    if (case_name.ends_with("huge")) {
      arrays::with_huge_malloc();
      return arrays::run<typename Contender::template array<true>, Contender>(timed, count, report);
    }
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // also where the machine says "always"
    arrays::run<typename Contender::template array<false>, Contender>(timed, count, report);
  }
};

// SPDX-License-Identifier: Apache-2.0
// measure: clocks, resident memory, and the histogram of single operations.
//
// One operation is timed with the time-stamp counter. Where that says more than 5 us, the thread's
// CPU time decides instead, so that a neighbour on the machine is not charged to the map; the wall
// figure is kept beside it. What remains below about 0.2 ms is the machine: see `floor`.
#pragma once

#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

namespace maps {

inline double clock_s(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
inline double cpu_s() { return clock_s(CLOCK_THREAD_CPUTIME_ID); }
inline double wall_s() { return clock_s(CLOCK_MONOTONIC); }

inline double ticks_per_ns() {
  static const double rate = [] {
    const double start = wall_s();
    const std::uint64_t ticks = __rdtsc();
    while (wall_s() - start < 0.05) {
    }
    return static_cast<double>(__rdtsc() - ticks) / (wall_s() - start) * 1e-9;
  }();
  return rate;
}

// Resident bytes now and at most, of this process.
inline double resident_of(const char* field) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  char line[256];
  unsigned long long kib = 0;
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, field, std::strlen(field)) == 0) {
      std::sscanf(line + std::strlen(field), "%llu", &kib);
    }
  }
  if (file != nullptr) std::fclose(file);
  return static_cast<double>(kib) * 1024;
}
inline double resident() { return resident_of("VmRSS:"); }
// Without pages of files: a program's own code becomes resident as it runs, half a megabyte that
// no map holds.
inline double resident_anonymous() { return resident_of("RssAnon:"); }
inline double resident_peak() { return resident_of("VmHWM:"); }

// Durations in ticks; sixteen steps to each power of two, so that a quantile is within 6 %.
class Histogram {
 public:
  void add(std::uint64_t ticks) {
    ++count_;
    max_ = std::max(max_, ticks);
    if (ticks < 16) {
      ++buckets_[ticks];
      return;
    }
    const int e = 63 - __builtin_clzll(ticks);
    ++buckets_[static_cast<std::size_t>(e) * 16 + ((ticks >> (e - 4)) & 15)];
  }
  double quantile_ns(double p) const {
    const auto wanted = static_cast<std::uint64_t>(p * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen <= wanted) continue;
      const auto ticks = i < 16 ? i : (16 | (i & 15)) << (i / 16 - 4);
      return static_cast<double>(ticks) / ticks_per_ns();
    }
    return max_ns();
  }
  double max_ns() const { return static_cast<double>(max_) / ticks_per_ns(); }

 private:
  std::array<std::uint64_t, 64 * 16> buckets_{};
  std::uint64_t count_ = 0, max_ = 0;
};

// CPU time of single operations, and the longest on the wall clock.
class Stalls {
 public:
  template <class Operation>
  void time(Operation&& operation) {
    const double cpu = cpu_s();
    unsigned core = 0;
    const std::uint64_t start = __rdtsc();
    operation();
    const std::uint64_t wall = __rdtscp(&core) - start;
    std::uint64_t own = wall;
    if (static_cast<double>(wall) > 5e3 * ticks_per_ns()) {
      const double spent = (cpu_s() - cpu) * 1e9 * ticks_per_ns();
      if (spent < 0.9 * static_cast<double>(wall)) own = static_cast<std::uint64_t>(spent);
    }
    cpu_.add(own);
    wall_.add(wall);
  }
  const Histogram& cpu() const { return cpu_; }
  const Histogram& wall() const { return wall_; }

 private:
  Histogram cpu_, wall_;
};

// The null control of stalls: `count` pushes into memory that is there already. What it finds is
// the machine's, not a map's.
inline std::unique_ptr<Stalls> floor_of(std::size_t count) {
  const std::size_t bytes = count * sizeof(std::uint64_t);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  auto stalls = std::make_unique<Stalls>();
  if (memory == MAP_FAILED) return stalls;
  auto* values = static_cast<volatile std::uint64_t*>(memory);
  for (std::size_t i = 0; i < count; ++i) stalls->time([&] { values[i] = i; });
  ::munmap(memory, bytes);
  return stalls;
}

// The same of memory that nobody has touched, a page at a time: what the kernel (and whoever lends
// the machine its memory) takes for the worst of them.
inline std::unique_ptr<Stalls> cold_floor_of(std::size_t bytes, bool huge_pages) {
  constexpr std::size_t kPage = 4096;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto stalls = std::make_unique<Stalls>();
  if (memory == MAP_FAILED) return stalls;
  ::madvise(memory, bytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  auto* at = static_cast<volatile char*>(memory);
  for (std::size_t i = 0; i < bytes; i += kPage) stalls->time([&] { at[i] = 1; });
  ::munmap(memory, bytes);
  return stalls;
}

}  // namespace maps

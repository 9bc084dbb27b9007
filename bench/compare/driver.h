// SPDX-License-Identifier: Apache-2.0
// driver: the small main() of an in-process comparison.
//
// bench/run.py compiles one program from this file, the task's task.h and every <contender>.h, and
// starts it as `program CONTENDER CASE`, once per round. The program runs that one pair and prints
// what it reported, one line each: `contender case metric value unit`.
//
//   // task.h: knows the cases, not the contenders
//   struct Task {
//     template <class Contender>
//     static void run(std::string_view case_name, bench::Report& report) {
//       Contender container;
//       ...
//       report.add("insert_ns", ns / count, "ns");
//     }
//   };
//
//   // plain.h: a contender is a struct with the name of its file
//   struct plain { ... };
//
// Promise      What a contender reports is printed after it has finished, so printing costs it
//              nothing. Calls of operator new are counted exactly: see allocations().
// Units        Please use s, ns, B, count, 1/s, MiB: the harness scales s, B, count and 1/s.
// Threads      Report belongs to one thread. The allocation counters may be read by any.
// Limit        Exactly one translation unit may include this: it replaces operator new and delete,
//              unless BENCH_PLAIN_NEW is defined.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

// What operator new did since the program began. Relaxed: totals, not an order.
inline std::atomic<std::uint64_t> g_allocations{0};
inline std::atomic<std::uint64_t> g_allocated_bytes{0};

struct Allocations {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

inline Allocations allocations() {
  return {g_allocations.load(std::memory_order_relaxed),
          g_allocated_bytes.load(std::memory_order_relaxed)};
}

inline Allocations operator-(const Allocations& after, const Allocations& before) {
  return {after.count - before.count, after.bytes - before.bytes};
}

class Report {
 public:
  void add(std::string metric, double value, std::string unit) {
    lines_.push_back({std::move(metric), value, std::move(unit)});
  }

  void print(std::string_view contender, std::string_view case_name) const {
    for (const auto& line : lines_) {
      std::printf("%.*s %.*s %s %.9g %s\n", static_cast<int>(contender.size()), contender.data(),
                  static_cast<int>(case_name.size()), case_name.data(), line.metric.c_str(),
                  line.value, line.unit.c_str());
    }
  }

 private:
  struct Line {
    std::string metric;
    double value;
    std::string unit;
  };
  std::vector<Line> lines_;
};

// Seconds that `work` took on the wall clock.
template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  std::forward<Work>(work)();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Makes the compiler believe that `value` is read: nothing that leads to it may be dropped.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

struct Entry {
  const char* name;
  void (*run)(std::string_view case_name, Report& report);
};

template <class Task, class Contender>
Entry contender(const char* name) {
  return {name, &Task::template run<Contender>};
}

inline int drive(int argc, char** argv, std::initializer_list<Entry> entries) {
  if (argc == 3) {
    for (const Entry& entry : entries) {
      if (std::string_view(argv[1]) != entry.name) continue;
      Report report;
      entry.run(argv[2], report);
      report.print(argv[1], argv[2]);
      return 0;
    }
  }
  std::fprintf(stderr, "usage: %s CONTENDER CASE, where CONTENDER is one of:\n", argv[0]);
  for (const Entry& entry : entries) std::fprintf(stderr, "  %s\n", entry.name);
  return 2;
}

}  // namespace bench

#ifndef BENCH_PLAIN_NEW  // a task that times allocations rather than counting them defines it

void* operator new(std::size_t size) {
  bench::g_allocations.fetch_add(1, std::memory_order_relaxed);
  bench::g_allocated_bytes.fetch_add(size, std::memory_order_relaxed);
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}

void* operator new(std::size_t size, std::align_val_t alignment) {
  bench::g_allocations.fetch_add(1, std::memory_order_relaxed);
  bench::g_allocated_bytes.fetch_add(size, std::memory_order_relaxed);
  const auto align = static_cast<std::size_t>(alignment);
  const std::size_t rounded = (size + align - 1) / align * align;
  if (void* block = std::aligned_alloc(align, rounded == 0 ? align : rounded)) return block;
  throw std::bad_alloc();
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

#endif

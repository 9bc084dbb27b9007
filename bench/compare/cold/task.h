// SPDX-License-Identifier: Apache-2.0
// Cases of the cold tier. A contender opens a store of its own in an empty folder.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "driver.h"
#include "task.budget.h"
#include "task.measure.h"

struct Task {
  static constexpr std::uint64_t kEntries = 1'000'000, kReads = 1'000'000;
  static constexpr std::uint64_t kCacheBytes = std::uint64_t{16} << 20;

  template <class Contender>
  static void run(std::string_view name, bench::Report& report) {
    const std::string folder = std::filesystem::current_path() / "cold-data";
    std::filesystem::remove_all(folder);
    if (name.starts_with("budget-")) {
      task::budget(name, folder, report);
    } else if (name.starts_with("restart-")) {
      restart<Contender>(folder, name == "restart-1e7" ? 10 * kEntries : kEntries, report);
    } else {
      Contender store(folder, kCacheBytes);
      const double put = task::measured([&] { store.put(0, kEntries); });
      if (name == "put") {
        add(report, put, kEntries);
      } else if (name == "get") {
        add(report, task::measured([&] { store.get(0, kEntries, kReads); }), kReads);
      } else if (name == "miss") {
        add(report, task::measured([&] { store.get(kEntries, 2 * kEntries, kReads); }), kReads);
      } else {
        throw std::invalid_argument("no such case");
      }
    }
    std::filesystem::remove_all(folder);
  }

  // From opening to the first answer, after everything was written and closed.
  template <class Contender>
  static void restart(const std::string& folder, std::uint64_t entries, bench::Report& report) {
    { Contender(folder, 4 * kCacheBytes).put(0, entries); }
    const auto begin = std::chrono::steady_clock::now();
    Contender store(folder, 4 * kCacheBytes);
    store.get(0, entries, 1);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    report.add("open_ms", took.count(), "ms");
  }

  static void add(bench::Report& report, double cpu_ns, std::uint64_t ops) {
    report.add("us_per_op", cpu_ns / 1e3 / static_cast<double>(ops), "us");
  }
};

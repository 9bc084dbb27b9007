// SPDX-License-Identifier: Apache-2.0
// count: instructions per operation, by callgrind. Exact where clocks are noise: two runs of one
// program differ by nothing but addresses and seeds.
//
// The program starts itself a second time under valgrind, which writes one file a phase; the cost
// of making the keys is a phase of its own and is taken off.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "driver.h"
#include "task.keys.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

namespace maps {

template <class Map, class View>
void erase(Map& map, View key);

// What runs under valgrind.
template <class Keys, class Map>
void counted_phases(std::size_t count) {
  Keys keys;
  std::uint64_t sum = 0;
  Map map;
  const auto phase = [](const char* name, auto&& work) {
    CALLGRIND_START_INSTRUMENTATION;
    work();
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT(name);
    static_cast<void>(name);
  };
  phase("keys", [&] {
    for (std::size_t i = 0; i < count; ++i) {
      const typename Keys::view key = keys(i);
      bench::keep(key);
    }
  });
  phase("insert", [&] {
    for (std::size_t i = 0; i < count; ++i) map.try_emplace(typename Keys::key(keys(i)), i);
  });
  phase("hit", [&] {
    for (std::size_t i = 0; i < count; ++i) sum += map.find(keys(i))->second;
  });
  phase("miss", [&] {
    for (std::size_t i = 0; i < count; ++i) sum += map.find(keys(count + i)) != map.end() ? 1 : 0;
  });
  phase("iterate", [&] {
    for (const auto& entry : map) sum += entry.second;
  });
  phase("churn", [&] {
    for (std::size_t i = 0; i < count; ++i) {
      erase(map, keys(i));
      map.try_emplace(typename Keys::key(keys(count + i)), i);
    }
  });
  bench::keep(sum);
}

// Instructions of every phase, from the files that callgrind wrote.
inline std::map<std::string, double> totals_in(const std::filesystem::path& folder) {
  std::map<std::string, double> totals;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(file.path());
    std::string line, phase;
    static constexpr std::string_view kTrigger = "desc: Trigger: Client Request: ";
    while (std::getline(in, line)) {
      if (line.starts_with(kTrigger)) phase = line.substr(kTrigger.size());
      if (line.starts_with("summary: ") && !phase.empty())
        totals[phase] = std::stod(line.substr(9));
      if (line.starts_with("totals: ") && !phase.empty()) totals[phase] = std::stod(line.substr(8));
    }
  }
  return totals;
}

template <class Keys, class Map>
void count_instructions(std::size_t count, bench::Report& report) {
  if (RUNNING_ON_VALGRIND) return counted_phases<Keys, Map>(count);
  char place[] = "/tmp/ullage-maps-XXXXXX";
  const char* folder = ::mkdtemp(place);
  if (folder == nullptr) return;
  std::ifstream arguments("/proc/self/cmdline");
  std::string command = std::string("valgrind --tool=callgrind --instr-atstart=no") +
                        " --callgrind-out-file=" + folder + "/out";
  for (std::string word; std::getline(arguments, word, '\0');) command += " '" + word + "'";
  const int failed = std::system((command + " >" + folder + "/log 2>&1").c_str());
  const auto totals = totals_in(folder);
  std::filesystem::remove_all(folder);
  if (failed != 0 || !totals.contains("churn")) {
    std::fprintf(stderr, "maps: valgrind could not run: apt-get install valgrind\n");
    std::exit(1);
  }
  const double n = static_cast<double>(count), keys = totals.at("keys");
  report.add("insert_instructions", (totals.at("insert") - keys) / n, "count");
  report.add("hit_instructions", (totals.at("hit") - keys) / n, "count");
  report.add("miss_instructions", (totals.at("miss") - keys) / n, "count");
  report.add("churn_instructions", (totals.at("churn") - 2 * keys) / n, "count");
  report.add("iterate_instructions", totals.at("iterate") / n, "count");
}

}  // namespace maps

// SPDX-License-Identifier: Apache-2.0
// maps: what it costs to fill, read, churn and walk a hash map, what the longest insert costs, and
// what memory does meanwhile.
//
// A case is KEYS_COUNT_PAGES[_WHAT]: u64_1e7_4k, str_1e6_huge, u64_1e7_4k_stall. PAGES is the page
// size of everybody in the case: `huge` gives the rivals glibc's huge pages (GLIBC_TUNABLES in
// task.json), and ours its arena's. WHAT is
//
//   (none)    speed: insert without reserve, find (uniform, skewed, missing, dependent),
//             erase+insert, iteration; resident memory at the end and at most
//   reserve   the same, reserved beforehand
//   stall     single operations: p99.99 and the longest, beside a null control; `warm_` is a second
//             life in memory that is there already, which leaves the table's own work; `floor_cold`
//             is the longest first touch of one page
//   small     maps of few entries: find (present, missing), and a life: made, filled, destroyed
//   count     instructions per operation, by callgrind
//   memory    bytes an entry over one doubling, and what 10 x N erase/insert pairs add, by resident
//             anonymous pages
//
// A contender is a struct with `template <class K, class V, class H, class E> using map` and, if it
// has anything to prepare, `static void prepare(bool huge_pages)`.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "driver.h"
#include "task.count.h"
#include "task.keys.h"
#include "task.measure.h"

namespace maps {

struct Case {
  bool text = false;
  std::size_t count = 0;
  bool huge = false;
  std::string what;

  explicit Case(std::string_view name) {
    std::string rest(name);
    const auto word = [&rest] {
      const auto end = rest.find('_');
      std::string first = rest.substr(0, end);
      rest = end == std::string::npos ? "" : rest.substr(end + 1);
      return first;
    };
    text = word() == "str";
    count = static_cast<std::size_t>(std::strtod(word().c_str(), nullptr));
    huge = word() == "huge";
    what = word();
  }
};

// Operations that every contender has, whatever it calls them.
template <class Map, class View>
void erase(Map& map, View key) {
  if constexpr (requires { map.erase(key); }) {
    map.erase(key);
  } else {
    const auto found = map.find(key);
    if (found != map.end()) map.erase(found);
  }
}

// One entry takes the place of the oldest, `pairs` times.
template <class Keys, class Map>
void churn(Map& map, std::size_t first, std::size_t pairs, std::size_t count) {
  Keys keys;
  for (std::size_t i = first; i < first + pairs; ++i) {
    erase(map, keys(i));
    map.try_emplace(typename Keys::key(keys(count + i)), i);
  }
}

template <class Keys, class Map>
void speed(const Case& c, bench::Report& report) {
  // Small maps are filled again and again, so that the clock has something to see.
  const std::size_t lives = std::max<std::size_t>(1, 2'000'000 / c.count);
  const std::size_t finds = c.count < 1'000'000 ? 1'000'000 : 5'000'000;
  Keys keys;
  const double base = resident();
  std::optional<Map> map;
  double cpu = 0, wall = 0;
  for (std::size_t life = 0; life < lives; ++life) {
    map.emplace();
    const double wall_start = wall_s();
    const double start = cpu_s();
    if (c.what == "reserve") map->reserve(c.count);
    for (std::size_t i = 0; i < c.count; ++i) {
      map->try_emplace(typename Keys::key(keys(i)), i);
    }
    cpu += cpu_s() - start;
    wall += wall_s() - wall_start;
  }
  const double inserts = static_cast<double>(lives) * static_cast<double>(c.count);
  report.add("insert_ns", cpu / inserts * 1e9, "ns");
  report.add("insert_wall_ns", wall / inserts * 1e9, "ns");
  if (lives == 1) {  // else the heap keeps what earlier lives left
    const double peak = resident_peak() - base, after = resident() - base;
    report.add("peak_over_final", peak / after, "x");
    report.add("entry_bytes", after / static_cast<double>(c.count), "B");
    report.add("peak_entry_bytes", peak / static_cast<double>(c.count), "B");
  }

  // Best of three passes each.
  std::uint64_t sum = 0;
  const auto best = [&](const char* metric, std::size_t count, auto&& one) {
    double least = 1e9;
    for (std::uint64_t pass = 0; pass < 3; ++pass) {
      Dice dice(88172645463325252U + pass);
      const double start = cpu_s();
      for (std::size_t i = 0; i < count; ++i) one(dice);
      least = std::min(least, cpu_s() - start);
    }
    report.add(metric, least / static_cast<double>(count) * 1e9, "ns");
  };
  best("hit_ns", finds, [&](Dice& d) { sum += map->find(keys(d.uniform(c.count)))->second; });
  best("hit_skew_ns", finds, [&](Dice& d) { sum += map->find(keys(d.skewed(c.count)))->second; });
  best("miss_ns", finds, [&](Dice& d) {
    sum += map->find(keys(d.next() >> 1 | std::uint64_t{1} << 62)) != map->end() ? 1 : 0;
  });
  std::uint64_t last = 0;
  best("dependent_ns", finds / 4,
       [&](Dice& d) { last = map->find(keys(d.uniform(c.count) ^ (last >> 40)))->second; });
  double walk = 1e9;
  for (int pass = 0; pass < 3; ++pass) {
    const double start = cpu_s();
    for (const auto& entry : *map) sum += entry.second;
    walk = std::min(walk, cpu_s() - start);
  }
  report.add("iterate_ns", walk / static_cast<double>(c.count) * 1e9, "ns");
  bench::keep(sum + last);

  const std::size_t pairs =
      std::min<std::size_t>(std::max<std::size_t>(2 * c.count, 1'000'000), 10'000'000);
  const double start = cpu_s();
  churn<Keys>(*map, 0, pairs, c.count);
  report.add("churn_ns", (cpu_s() - start) / static_cast<double>(pairs) * 1e9, "ns");
}

// Many small maps rather than one: a program that has one does not care what it costs.
template <class Keys, class Map>
void small(const Case& c, bench::Report& report) {
  constexpr std::size_t kMaps = 16, kFinds = 1'000'000, kInserts = 500'000;
  constexpr int kPasses = 5;
  Keys keys;
  std::optional<Map> maps[kMaps];
  const auto fill = [&](std::optional<Map>& map, std::size_t from) {
    map.emplace();
    for (std::size_t i = 0; i < c.count; ++i) {
      map->try_emplace(typename Keys::key(keys(from + i)), i);
    }
  };
  for (std::size_t m = 0; m < kMaps; ++m) fill(maps[m], m * c.count);
  std::uint64_t sum = 0;
  // Best of the passes each, a pass being `count` times `one`.
  const auto best = [&](const char* metric, std::size_t count, auto&& one) {
    double least = 1e9;
    for (std::uint64_t pass = 0; pass < kPasses; ++pass) {
      Dice dice(88172645463325252U + pass);
      const double start = cpu_s();
      for (std::size_t i = 0; i < count; ++i) one(dice);
      least = std::min(least, cpu_s() - start);
    }
    report.add(metric, least / static_cast<double>(count) * 1e9, "ns");
  };
  best("hit_ns", kFinds, [&](Dice& d) {
    const std::uint64_t key = d.uniform(kMaps * c.count);
    sum += maps[key / c.count]->find(keys(key))->second;
  });
  best("miss_ns", kFinds, [&](Dice& d) {
    const std::uint64_t key = d.next() >> 1 | std::uint64_t{1} << 62;
    sum += maps[key % kMaps]->find(keys(key)) != maps[key % kMaps]->end() ? 1 : 0;
  });
  const std::size_t lives = kInserts / c.count;
  double life = 1e9;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double start = cpu_s();
    for (std::size_t i = 0; i < lives; ++i) {
      std::optional<Map> map;
      fill(map, i * c.count);
      sum += map->size();
    }
    life = std::min(life, cpu_s() - start);
  }
  report.add("life_ns", life / static_cast<double>(lives * c.count) * 1e9, "ns");
  bench::keep(sum);
}

inline void report_stalls(bench::Report& report, const std::string& name, const Stalls& stalls) {
  report.add(name + "_p9999_ns", stalls.cpu().quantile_ns(0.9999), "ns");
  report.add(name + "_max_ns", stalls.cpu().max_ns(), "ns");
  report.add(name + "_max_wall_ns", stalls.wall().max_ns(), "ns");
}

template <class Keys, class Map>
void stall(const Case& c, bench::Report& report) {
  ticks_per_ns();
  report_stalls(report, "floor", *floor_of(c.count));
  Keys keys;
  const auto fill = [&](Map& map, Stalls& stalls) {
    for (std::size_t i = 0; i < c.count; ++i) {
      const auto key = keys(i);
      stalls.time([&] { map.try_emplace(typename Keys::key(key), i); });
    }
  };
  auto cold = std::make_unique<Stalls>(), warm = std::make_unique<Stalls>();
  auto changing = std::make_unique<Stalls>();
  {
    Map map;
    fill(map, *cold);
    const std::size_t pairs = std::min<std::size_t>(2 * c.count, 4'000'000);
    for (std::size_t i = 0; i < pairs; ++i) {
      auto key = keys(i);
      changing->time([&] { erase(map, key); });
      key = keys(c.count + i);
      changing->time([&] { map.try_emplace(typename Keys::key(key), i); });
    }
  }
  {
    Map map;
    fill(map, *warm);
  }
  report_stalls(report, "insert", *cold);
  report_stalls(report, "churn", *changing);
  report_stalls(report, "warm_insert", *warm);
  // Last, so that the maps met untouched memory first.
  report.add("floor_cold_max_ns", cold_floor_of(24 * c.count, c.huge)->cpu().max_ns(), "ns");
}

// Runs `work` in a process of its own, whose resident memory is nobody else's, and returns what it
// returned; NaN if it died.
template <class Work>
double apart(Work&& work) {
  int ends[2];
  if (::pipe(ends) != 0) return std::nan("");
  const pid_t child = ::fork();
  if (child == 0) {
    const double result = work();
    const bool told = ::write(ends[1], &result, sizeof result) == sizeof result;
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  double result = std::nan("");
  if (::read(ends[0], &result, sizeof result) != sizeof result) result = std::nan("");
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return result;
}

template <class Keys, class Map, class Prepare>
void memory(const Case& c, bench::Report& report, Prepare prepare) {
  constexpr int kPoints = 32;      // samples of bytes per entry over the doubling up to `count`
  constexpr int kDriftPoints = 5;  // load points that are churned
  const auto size_at = [&](int point, int points) {
    return static_cast<std::size_t>(static_cast<double>(c.count) *
                                    std::exp2(static_cast<double>(point) / points - 1));
  };
  const auto sweep = [&](bool worst_only) {
    return apart([&] {
      prepare();
      Keys keys;
      const double base = resident_anonymous();
      double sum = 0, worst = 0;
      Map map;
      std::size_t next = 0;
      for (int point = 0; point < kPoints; ++point) {
        const std::size_t size = size_at(point, kPoints);
        for (; next < size; ++next) map.try_emplace(typename Keys::key(keys(next)), next);
        const double entry = (resident_anonymous() - base) / static_cast<double>(size);
        sum += entry;
        worst = std::max(worst, entry);
      }
      return worst_only ? worst : sum / kPoints;
    });
  };
  report.add("entry_bytes_mean", sweep(false), "B");
  report.add("entry_bytes_worst", sweep(true), "B");
  double drift = 0;
  for (int point = 0; point < kDriftPoints; ++point) {
    const std::size_t size = size_at(point, kDriftPoints);
    drift = std::max(drift, apart([&] {
                       prepare();
                       Keys keys;
                       const double base = resident_anonymous();
                       Map map;
                       for (std::size_t i = 0; i < size; ++i) {
                         map.try_emplace(typename Keys::key(keys(i)), i);
                       }
                       const double before = resident_anonymous();
                       churn<Keys>(map, 0, 10 * size, size);
                       return (resident_anonymous() - before) / (before - base);
                     }));
  }
  report.add("drift_percent", 100 * drift, "%");
}

}  // namespace maps

struct Task {
  template <class Contender, class Keys>
  static void run_with(const maps::Case& c, bench::Report& report) {
    using Map = typename Contender::template map<typename Keys::key, std::uint64_t,
                                                 typename Keys::hash, typename Keys::equal>;
    const auto prepare = [&c] {
      if constexpr (requires { Contender::prepare(true); }) Contender::prepare(c.huge);
    };
    if (c.what == "memory") return maps::memory<Keys, Map>(c, report, prepare);
    prepare();
    if (c.what == "stall") {
      maps::stall<Keys, Map>(c, report);
    } else if (c.what == "small") {
      maps::small<Keys, Map>(c, report);
    } else if (c.what == "count") {
      maps::count_instructions<Keys, Map>(c.count, report);
    } else {
      maps::speed<Keys, Map>(c, report);
    }
  }

  template <class Contender>
  static void run(std::string_view case_name, bench::Report& report) {
    const maps::Case c(case_name);
    if (c.text) {
      run_with<Contender, maps::Texts>(c, report);
    } else {
      run_with<Contender, maps::Numbers>(c, report);
    }
  }
};

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ullage/hash_map.h>
#include <ullage/vector.h>

#include <thread>

#include "metrics/growth_metrics.h"
#include "metrics/registry.h"

namespace ullage::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Counter, ManyThreadsLoseNothing) {
  Counter counter;
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&counter] {
      for (int i = 0; i < 10000; ++i) counter.add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 120000u);
}

TEST(Gauge, AddsFromManyThreads) {
  Gauge gauge;
  std::thread other([&gauge] {
    for (int i = 0; i < 10000; ++i) gauge.add(1);
  });
  for (int i = 0; i < 10000; ++i) gauge.add(-1);
  other.join();
  EXPECT_EQ(gauge.value(), 0);
  gauge.set(2.5);
  EXPECT_EQ(gauge.value(), 2.5);
}

TEST(Histogram, HoldsAValueBelowTheNextPowerOfTwo) {
  Histogram histogram;
  for (const std::uint64_t value : {0ull, 1ull, 2ull, 3ull, 4ull, 1023ull, 1024ull, ~0ull}) {
    histogram.record(value);
  }
  const Histogram::Reading reading = histogram.read();
  EXPECT_EQ(reading.count, 8u);
  EXPECT_EQ(reading.buckets[0], 1u);   // 0
  EXPECT_EQ(reading.buckets[1], 1u);   // 1
  EXPECT_EQ(reading.buckets[2], 2u);   // 2 3
  EXPECT_EQ(reading.buckets[3], 1u);   // 4
  EXPECT_EQ(reading.buckets[10], 1u);  // 1023
  EXPECT_EQ(reading.buckets[11], 1u);  // 1024
  EXPECT_EQ(reading.buckets[64], 1u);
  EXPECT_EQ(reading.percentile(0.5), 3u);
  EXPECT_EQ(reading.percentile(1), UINT64_MAX);
  EXPECT_EQ(Histogram{}.read().percentile(0.5), 0u);
}

TEST(Histogram, ExemplarsStayWholeWhileManyWrite) {
  Histogram histogram;
  const std::string a(kExemplarBytesMax, 'a'), b(kExemplarBytesMax + 10, 'b');
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (const std::string* text : {&a, &b}) {
    writers.emplace_back([&histogram, &stop, text] {
      while (!stop) {
        histogram.record(100, {"site", text->c_str()}, text->size());
        std::this_thread::yield();
      }
    });
  }
  int seen = 0;
  // A slot that is being written is left out of a reading: read until enough were seen whole.
  for (int i = 0; i < 10'000'000 && seen < 1000; ++i) {
    const Histogram::Remembered one = histogram.read().exemplars[7];
    if (one.label == nullptr) {
      std::this_thread::yield();
      continue;
    }
    ++seen;
    const std::string text = one.text.data();
    ASSERT_EQ(text.size(), kExemplarBytesMax);
    ASSERT_EQ(text, std::string(kExemplarBytesMax, text[0]));
    ASSERT_EQ(one.at_ns, text[0] == 'a' ? a.size() : b.size());
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(seen, 0);
}

TEST(Registry, ASeriesIsThereFromTheStartAndTheSameWhenAskedAgain) {
  Registry registry;
  Counter& hits = registry.counter("ullage_hits_total", "Reads answered.", {{"tier", "hot"}});
  EXPECT_EQ(&registry.counter("ullage_hits_total", "", {{"tier", "hot"}}), &hits);
  EXPECT_NE(&registry.counter("ullage_hits_total", "", {{"tier", "cold"}}), &hits);
  EXPECT_EQ(registry.series_count(), 2u);
  EXPECT_THAT(prometheus_text(registry), HasSubstr("ullage_hits_total{tier=\"cold\"} 0\n"));
}

TEST(Exposition, IsPrometheusText) {
  Registry registry;
  registry.counter("a_total", "Back\\slash and\nnewline.", {{"x", "q\"\\\n"}}).add(3);
  registry.gauge("b_bytes", "Bytes.").set(1.5);
  registry.gauge_of("c_ratio", "Asked.", {}, [] { return 0.25; });
  EXPECT_EQ(prometheus_text(registry),
            "# HELP a_total Back\\\\slash and\\nnewline.\n"
            "# TYPE a_total counter\n"
            "a_total{x=\"q\\\"\\\\\\n\"} 3\n"
            "# HELP b_bytes Bytes.\n"
            "# TYPE b_bytes gauge\n"
            "b_bytes 1.5\n"
            "# HELP c_ratio Asked.\n"
            "# TYPE c_ratio gauge\n"
            "c_ratio 0.25\n");
}

TEST(Exposition, HistogramsAreCumulativeAndEndWithTheCount) {
  Registry registry;
  Histogram& h = registry.histogram("wait_seconds", "Waits.", {{"op", "get"}}, Scale{1e9, 10, 12});
  for (const std::uint64_t value : {500ull, 1023ull, 1024ull, 3000ull, 9'000'000ull}) {
    h.record(value);
  }
  EXPECT_EQ(prometheus_text(registry),
            "# HELP wait_seconds Waits.\n"
            "# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{op=\"get\",le=\"1.024e-06\"} 2\n"
            "wait_seconds_bucket{op=\"get\",le=\"2.048e-06\"} 3\n"
            "wait_seconds_bucket{op=\"get\",le=\"4.096e-06\"} 4\n"
            "wait_seconds_bucket{op=\"get\",le=\"+Inf\"} 5\n"
            "wait_seconds_sum{op=\"get\"} 0.009005547\n"
            "wait_seconds_count{op=\"get\"} 5\n");
}

TEST(Exposition, OpenMetricsHasExemplarsAndAnEnd) {
  Registry registry;
  registry.counter("a_total", "A.");
  Histogram& h = registry.histogram("wait_seconds", "Waits.", {}, Scale{1e9, 10, 11});
  h.record(1500, {"site", "orders.by_id"}, 1'700'000'000'123'000'000);
  const std::string text = openmetrics_text(registry);
  EXPECT_THAT(text, StartsWith("# HELP a A.\n# TYPE a counter\na_total 0\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{le=\"2.048e-06\"} 1 # {site=\"orders.by_id\"} "
                              "1.5e-06 1700000000.123\n"));
  EXPECT_THAT(text, testing::EndsWith("wait_seconds_count 1\n# EOF\n"));
  EXPECT_THAT(prometheus_text(registry), Not(HasSubstr("orders.by_id")));
}

TEST(Exposition, PartsOfAnyLengthAreTheWhole) {
  Registry registry;
  for (int i = 0; i < 50; ++i) {
    registry.counter("a_total", "A.", {{"i", std::to_string(i)}}).add(static_cast<unsigned>(i));
  }
  registry.histogram("wait_seconds", "Waits.", {}, Scale{1e9, 10, 30}).record(1500);
  registry.gauge("z", "Z.").set(1);
  registry.seal();
  for (const Format format : {Format::kPrometheus, Format::kOpenMetrics}) {
    const std::string all =
        format == Format::kPrometheus ? prometheus_text(registry) : openmetrics_text(registry);
    for (const std::size_t bytes : {1u, 10u, 300u, 5000u}) {
      Exposition exposition(registry, format);
      std::string text, part;
      for (bool more = true; more; text += part) {
        part.clear();
        more = exposition.next(part, bytes);
        EXPECT_LT(part.size(), bytes + 1500) << "a part is no longer than asked for and one series";
        EXPECT_TRUE(!more || part.size() >= bytes);
      }
      EXPECT_EQ(text, all);
    }
  }
}

TEST(GrowthMetrics, ContainersOfTheLibraryAreCounted) {
  Registry registry;
  GrowthMetrics growth(registry);
  registry.seal();
  growth_site site("orders.list");
  set_growth_sink(&growth);
  {
    vector<int> list{site};
    for (int i = 0; i < 1000; ++i) list.push_back(i);
    hash_map<int, int> map;
    for (int i = 0; i < 5000; ++i) map.emplace(i, i);
  }
  set_growth_sink(nullptr);
  const std::string text = openmetrics_text(registry);
  EXPECT_THAT(text, HasSubstr("ullage_growths_total{container=\"vector\",kind=\"first\"} 1\n"));
  EXPECT_THAT(text,
              Not(HasSubstr("ullage_growths_total{container=\"hash_map\",kind=\"split\"} 0\n")));
  EXPECT_THAT(text, HasSubstr("site=\"orders.list\""));
  EXPECT_THAT(text, HasSubstr("ullage_growths_total{container=\"other\",kind=\"moved\"} 0\n"));
}

}  // namespace
}  // namespace ullage::metrics

// SPDX-License-Identifier: Apache-2.0
#include "trace/runtime_metrics/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "trace/wall_time.h"

namespace ullage::trace {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

evidence::Incident read_text(const std::string& text) {
  auto evidence = read_runtime_metrics(Input::from_text("metrics.json", text), {});
  EXPECT_TRUE(evidence.ok()) << (evidence.ok() ? "" : evidence.error().message);
  return evidence.ok() ? evidence->incident : evidence::Incident{};
}

double value_of(const evidence::Incident& incident, const std::string& name) {
  for (const evidence::Metric& metric : incident.metrics) {
    if (metric.name == name) return metric.value;
  }
  return std::nan("");
}

constexpr const char* kHistogram = R"({"buckets":["-Inf",0,1e-6,1e-3,"+Inf"],"counts":[0,5,2,1]})";

TEST(RuntimeMetricsReader, ReadsAMapOfNames) {
  const auto i = read_text(std::string(R"({"/gc/heap/live:bytes": 1234,
      "/cpu/classes/gc/total:cpu-seconds": 0.5, "/sched/gomaxprocs:threads": 4,
      "/gc/gogc:percent": 100, "/gc/gomemlimit:bytes": 9223372036854775807,
      "/sched/pauses/total/gc:seconds": )") +
                           kHistogram + "}");
  EXPECT_EQ(value_of(i, "/gc/heap/live:bytes"), 1234);
  EXPECT_EQ(value_of(i, "/cpu/classes/gc/total:cpu-seconds"), 0.5);
  ASSERT_EQ(i.histograms.size(), 1u);
  EXPECT_EQ(i.histograms[0].name, "/sched/pauses/total/gc:seconds");
  EXPECT_THAT(i.histograms[0].edges, ElementsAre(-INFINITY, 0, 1e-6, 1e-3, INFINITY));
  EXPECT_THAT(i.histograms[0].counts, ElementsAre(0, 5, 2, 1));
  EXPECT_EQ(i.facts.processors, 4u);
  EXPECT_EQ(i.facts.gogc, 100);
  EXPECT_EQ(i.facts.memory_limit, 0u) << "off";
  EXPECT_EQ(i.artefacts[0].records, 6u);
  EXPECT_FALSE(i.artefacts[0].has_times);
}

TEST(RuntimeMetricsReader, ReadsAnArrayOfSamples) {
  const auto i = read_text(R"([{"name":"/gc/heap/goal:bytes","kind":"uint64","value":4194304},
      {"name":"/gc/heap/allocs-by-size:bytes","kind":"float64-histogram",
       "buckets":[1,9,null],"counts":[3,4]}])");
  EXPECT_EQ(value_of(i, "/gc/heap/goal:bytes"), 4194304);
  ASSERT_EQ(i.histograms.size(), 1u);
  EXPECT_THAT(i.histograms[0].edges, ElementsAre(1, 9, INFINITY));
}

TEST(RuntimeMetricsReader, ReadsDebugVars) {
  const auto i = read_text(R"({"cmdline": ["/srv/bin/checkout","-v"], "requests": 7,
      "memstats": {"HeapAlloc":1000,"NumGC":3,"PauseNs":[1,2],"GCCPUFraction":0.25}})");
  EXPECT_EQ(i.facts.program, "checkout");
  EXPECT_EQ(value_of(i, "memstats.HeapAlloc"), 1000);
  EXPECT_EQ(value_of(i, "memstats.GCCPUFraction"), 0.25);
  EXPECT_EQ(i.metrics.size(), 3u);
}

TEST(RuntimeMetricsReader, ReadsJsonLinesAsASeries) {
  const auto i = read_text(
      std::string(R"({"time":"2026-11-27T09:00:00Z","/gc/heap/goal:bytes":9,"/gc/heap/live:bytes":5}
{"level":"info","msg":"something else"}
{"time":1795770001.5,"metrics":{"/gc/heap/live:bytes":6,"/sched/latencies:seconds":)") +
      kHistogram + "}}\n" +
      R"({"time":1795770002000,"metrics":[{"name":"/gc/heap/live:bytes","value":7}]})" +
      "\n{\"time\":17957700");
  ASSERT_EQ(i.heap.size(), 3u);
  EXPECT_EQ(i.heap[0].at_ns, 0);
  EXPECT_EQ(i.heap[0].goal_bytes, 9u);
  EXPECT_EQ(i.heap[1].at_ns, 1'500'000'000);
  EXPECT_EQ(i.heap[2].at_ns, 2'000'000'000);
  EXPECT_EQ(i.heap[2].live_bytes, 7u);
  EXPECT_EQ(i.histograms.size(), 1u);
  const evidence::Artefact& a = i.artefacts[0];
  EXPECT_TRUE(a.has_times);
  EXPECT_EQ(a.wall_ns_at_zero, *find_wall_time("2026-11-27T09:00:00Z"));
  EXPECT_EQ(a.last_ns, 2'000'000'000);
  EXPECT_TRUE(a.cut);
  EXPECT_THAT(a.notes, Contains(HasSubstr("2 lines held no metrics")));
}

TEST(RuntimeMetricsReader, CountsWhatHasNoFormThatItKnows) {
  const auto i = read_text(R"({"/gc/heap/live:bytes":1,"/gc/pauses:seconds":"soon",
      "/sched/latencies:seconds":{"buckets":[2,1],"counts":[1]},
      "/sched/pauses/total/gc:seconds":{"buckets":[1,2],"counts":[1,2,3]}})");
  EXPECT_EQ(i.metrics.size(), 1u);
  EXPECT_TRUE(i.histograms.empty());
  EXPECT_EQ(i.artefacts[0].records_unknown, 3u);
}

TEST(RuntimeMetricsReader, RefusesOtherJson) {
  const auto error = [](const std::string& text) {
    const auto e = read_runtime_metrics(Input::from_text("x.json", text), {});
    return e.ok() ? std::string() : e.error().message;
  };
  EXPECT_THAT(error("{\"a\":1}"), HasSubstr("holds no metrics"));
  EXPECT_THAT(error("{\"/gc/heap/live:bytes\":"), HasSubstr("no whole JSON"));
  const auto sniff = [](const std::string& text) {
    return sniff_runtime_metrics(Input::from_text("x", text).bytes());
  };
  EXPECT_TRUE(sniff(" {\"/gc/heap/live:bytes\":1}"));
  EXPECT_TRUE(sniff("{\"cmdline\":[],\n\"memstats\": {}}"));
  EXPECT_FALSE(sniff("{\"path\":\"/gc/heap\"}"));
  EXPECT_FALSE(sniff("log: \"/gc/heap/live:bytes\""));
}

}  // namespace
}  // namespace ullage::trace

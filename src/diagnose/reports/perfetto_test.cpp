// SPDX-License-Identifier: Apache-2.0
//
// tests/html_report.py parses a whole trace as JSON; here it is looked at event by event, as every
// event is one flat piece of compact text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "diagnose/reports/html_sample_testing.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string sample_trace() {
  const std::string trace = perfetto_report(sample::rich(), {}, {});
  if (const char* path = std::getenv("ULLAGE_DUMP_PERFETTO")) std::ofstream(path) << trace;
  return trace;
}

TEST(PerfettoReport, EveryKeptGrowthIsOneSliceWithABeginningAndAnEnd) {
  const std::string trace = sample_trace();
  const std::size_t links = sample::rich().worst_links.size();
  EXPECT_EQ(count(trace, "\"ph\":\"b\""), links);
  EXPECT_EQ(count(trace, "\"ph\":\"e\""), links);
}

TEST(PerfettoReport, ASliceStandsInMicrosecondsAndSaysWhatItCopied) {
  evidence::Evidence evidence;
  evidence.process.pid = 7;
  evidence.growth_sites = {sample::orders_site()};
  evidence.worst_links = {{0, 9, 1'500, 2'001'750, 64, 128, 60}};
  const std::string trace = perfetto_report(evidence, {}, {});
  EXPECT_THAT(trace,
              HasSubstr("{\"ph\":\"b\",\"name\":\"book.cpp:88 std::vector<checkout::Order>\","
                        "\"pid\":7,\"tid\":9,\"ts\":1.5,\"cat\":\"growth\",\"id\":\"0\","));
  EXPECT_THAT(trace, HasSubstr("\"old_bytes\":64,\"new_bytes\":128,\"copied_bytes\":60,"
                               "\"stall_us\":2000.25}"));
  EXPECT_THAT(trace, HasSubstr("\"ts\":2001.75,\"cat\":\"growth\",\"id\":\"0\"}"));
}

TEST(PerfettoReport, CountsLiveResidentAndCopiedBytesAndTheLargestSites) {
  const std::string trace = sample_trace();
  EXPECT_EQ(count(trace, "\"name\":\"alive\""), evidence::kSlices + 1);
  EXPECT_EQ(count(trace, "\"name\":\"copied by growth, per slice\""), evidence::kSlices);
  EXPECT_EQ(count(trace, "\"name\":\"resident\""), sample::rich().marks.size());
  EXPECT_EQ(count(trace, "\"name\":\"alive at 1: book.cpp:88\""), evidence::kSlices);
  EXPECT_EQ(count(trace, "\"name\":\"alive at 9"), 0u);  // the eight largest, no more
}

TEST(PerfettoReport, TheLastSliceEndsWithTheProcess) {
  EXPECT_THAT(sample_trace(),
              HasSubstr("\"name\":\"alive\",\"pid\":4711,\"tid\":4711,\"ts\":58200000,"));
}

TEST(PerfettoReport, NamesTheProcessAndItsThreads) {
  const std::string trace = sample_trace();
  EXPECT_THAT(trace, HasSubstr("\"name\":\"process_name\",\"pid\":4711"));
  EXPECT_EQ(count(trace, "\"name\":\"thread_name\""), 4u);
}

TEST(PerfettoReport, CallsAThreadByItsOwnNameTheMainOneByItsProgramAndOthersByTheirNumber) {
  evidence::Evidence evidence;
  evidence.process.pid = 7;
  evidence.process.program = "server";
  evidence.growth_sites = {sample::orders_site()};
  for (const std::uint32_t tid : {7u, 8u, 9u, 10u}) {
    evidence.worst_links.push_back({0, tid, 1'500, 2'001'750, 64, 128, 60});
  }
  evidence.thread_names = {{8, "io \"1\""}, {10, "worker"}};
  const auto named = [](int tid, const std::string& name) {
    return HasSubstr("{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":7,\"tid\":" +
                     std::to_string(tid) + ",\"ts\":0,\"args\":{\"name\":\"" + name + "\"}}");
  };
  const std::string trace = perfetto_report(evidence, {}, {});
  EXPECT_THAT(trace, named(7, "server"));
  EXPECT_THAT(trace, named(8, "io \\\"1\\\""));
  EXPECT_THAT(trace, named(9, "thread 9"));
  EXPECT_THAT(trace, named(10, "worker"));
}

TEST(PerfettoReport, ALinkOfASiteThatIsNotThereIsStillASlice) {
  evidence::Evidence evidence;
  evidence.worst_links = {{99, 1, 10, 5, 1, 2, 1}};  // and ends before it starts
  const std::string trace = perfetto_report(evidence, {}, {});
  EXPECT_THAT(trace, HasSubstr("\"name\":\"growth\""));
  EXPECT_THAT(trace, HasSubstr("\"stall_us\":0}"));
}

TEST(PerfettoReport, SaysWhenGrowthsWereLeftOut) {
  evidence::Evidence evidence;
  evidence.growth_sites = {sample::orders_site()};
  evidence.growth_sites[0].links = 12'345;
  evidence.worst_links.assign(evidence::kWorstLinks, {0, 1, 10, 20, 1, 2, 1});
  const std::string trace = perfetto_report(evidence, {}, {});
  EXPECT_THAT(trace, HasSubstr("\"slices\":\"the 512 longest of 12 345 growths\""));
  evidence.worst_links.pop_back();
  EXPECT_THAT(perfetto_report(evidence, {}, {}), Not(HasSubstr("\"slices\"")));
}

TEST(PerfettoReport, WritesARunWithNothingInIt) {
  EXPECT_THAT(perfetto_report({}, {}, {}), StartsWith("{\"traceEvents\":["));
}

}  // namespace
}  // namespace ullage::diagnose

// SPDX-License-Identifier: Apache-2.0
#include "server/latency_text.h"

#include <gtest/gtest.h>

namespace ullage::server {
namespace {

Latency::Event event_of(std::initializer_list<Latency::Sample> samples, std::uint32_t max_ms) {
  Latency::Event event;
  event.samples.assign(samples);
  event.max_ms = max_ms;
  return event;
}

TEST(LatencyText, DrawsABarForEachSampleWithItsAgeBelow) {
  const auto event = event_of({{100, 10}, {940, 43}, {995, 24}}, 60);
  EXPECT_EQ(latency_graph("command", event, 1000),
            "command - high 43 ms, low 10 ms (all time high 60 ms)\n" + std::string(80, '-') +
                "\n"
                " #\n"
                " |\n"
                " |-\n"
                "_||\n"
                "\n"
                "115\n"
                "5ms\n"
                "m\n");
}

TEST(LatencyText, ShowsTheLastSamplesOfMany) {
  Latency::Event event;
  for (std::uint32_t i = 0; i < 160; ++i) event.samples.push_back({i, i + 1});
  event.max_ms = 160;
  const std::string text = latency_graph("fast-command", event, 160);
  EXPECT_NE(text.find("high 160 ms, low 81 ms"), std::string::npos) << text;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    EXPECT_LE(text.find('\n', at) - at, 80u);
  }
}

TEST(LatencyText, DrawsSamplesThatAreAlike) {
  const auto event = event_of({{10, 7}, {11, 7}}, 7);
  const std::string text = latency_graph("x", event, 12);
  EXPECT_NE(text.find("\n__\n\n21\nss\n"), std::string::npos) << text;
}

TEST(LatencyText, SaysWhatIsNotKept) {
  EXPECT_NE(latency_report({}, {}, 0).find("latency-monitor-threshold is 0"), std::string::npos);
  EXPECT_EQ(latency_report({}, {.threshold_ms = 5}, 0),
            "No command took 5 ms or more since slow moments are kept.\n");
}

TEST(LatencyText, AdvisesOnWhatItSees) {
  const std::map<std::string, Latency::Event> events = {
      {"command", event_of({{100, 10}, {110, 30}, {130, 20}}, 90)}};
  const std::string calm = latency_report(events, {.threshold_ms = 5}, 190);
  EXPECT_NE(calm.find("1. command: 3 slow moments (average 20 ms, mean deviation 7 ms, one each "
                      "15.0 s). The worst took 90 ms, the last was 1m ago.\n"),
            std::string::npos)
      << calm;
  EXPECT_NE(calm.find("KEYS"), std::string::npos);
  EXPECT_EQ(calm.find("Memory is short"), std::string::npos);
  EXPECT_EQ(calm.find("One operation"), std::string::npos);
  EXPECT_EQ(calm.find("do little"), std::string::npos);
  const std::string pressed =
      latency_report(events, {.threshold_ms = 5, .moves_max = 80640, .pressure = "process"}, 190);
  EXPECT_NE(pressed.find("Memory is short (process)"), std::string::npos) << pressed;
  EXPECT_NE(pressed.find("One operation moved or evicted 80640 entries"), std::string::npos);
}

}  // namespace
}  // namespace ullage::server

// SPDX-License-Identifier: Apache-2.0
#include "launch/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "launch/memory_probe.h"

namespace ullage::launch {
namespace {

using testing::Contains;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

const AgentSettings kSettings{"/opt/agent.so", "/tmp/out.1234", 0xabcdef, 0};

TEST(Environment, PutsTheAgentBeforeTheUsersOwnPreloads) {
  const auto env =
      environment({"HOME=/root", "LD_PRELOAD=/lib/a.so:/lib/b.so"}, LaunchOptions{}, kSettings);
  EXPECT_THAT(env, UnorderedElementsAre(
                       "HOME=/root", "LD_PRELOAD=/opt/agent.so:/lib/a.so:/lib/b.so",
                       "ULLAGE_PREFIX=/tmp/out.1234", "ULLAGE_RUN_ID=abcdef", "ULLAGE_FOLLOW=1"));
}

TEST(Environment, ReplacesWhatAnOuterRecordingConfigured) {
  const auto env =
      environment({"ULLAGE_PREFIX=/other", "ULLAGE_SLACK=1", "LD_PRELOAD=/opt/agent.so"},
                  LaunchOptions{}, kSettings);
  EXPECT_THAT(env, Not(Contains("ULLAGE_PREFIX=/other")));
  EXPECT_THAT(env, Not(Contains(StartsWith("ULLAGE_SLACK"))));
  EXPECT_THAT(env, Contains("LD_PRELOAD=/opt/agent.so"));
}

TEST(Environment, CarriesEveryOptionOfTheAgent) {
  LaunchOptions o;
  o.follow = false;
  o.depth = 24;
  o.sample_bytes = 524288;
  o.slack = true;
  o.standby = true;
  o.verify_unwind = 100;
  AgentSettings s = kSettings;
  s.memory_limit_bytes = 1 << 30;
  const auto env = environment({}, o, s);
  EXPECT_THAT(env, UnorderedElementsAre("LD_PRELOAD=/opt/agent.so", "ULLAGE_PREFIX=/tmp/out.1234",
                                        "ULLAGE_RUN_ID=abcdef", "ULLAGE_FOLLOW=0",
                                        "ULLAGE_DEPTH=24", "ULLAGE_SAMPLE=524288", "ULLAGE_SLACK=1",
                                        "ULLAGE_VERIFY_UNWIND=100",
                                        "ULLAGE_MEMORY_LIMIT=1073741824", "ULLAGE_AGENT=standby"));
}

TEST(MemoryProbe, ReadsWhatTheKernelWrites) {
  MemorySample s;
  ASSERT_TRUE(
      parse_status("Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1500 kB\nRssAnon:\t 900 kB\n"
                   "VmSwap:\t      12 kB\n",
                   s));
  EXPECT_EQ(s.mark.rss_bytes, 1500u * 1024);
  EXPECT_EQ(s.mark.rss_peak_bytes, 2000u * 1024);
  EXPECT_EQ(s.mark.swap_bytes, 12u * 1024);
  EXPECT_EQ(s.anonymous_bytes, 900u * 1024);
  EXPECT_FALSE(parse_status("Name:\tzombie\nState:\tZ (zombie)\n", s));
  EXPECT_FALSE(parse_status("", s));
  EXPECT_EQ(parse_pressure("some avg10=1.23 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00"),
            123u);
  EXPECT_EQ(parse_pressure(""), kPressureUnknown);
  EXPECT_EQ(parse_pressure("some avg10=x"), 0u);
}

TEST(MemoryProbe, SeesThisProcess) {
  MemorySample s;
  ASSERT_TRUE(probe_memory(static_cast<uint32_t>(getpid()), true, 7, s));
  EXPECT_GT(s.mark.rss_bytes, 1u << 20);
  EXPECT_GE(s.mark.rss_peak_bytes, s.mark.rss_bytes);
  EXPECT_NE(s.mark.ticks, s.mark.monotonic_ns);
  EXPECT_EQ(s.mark.psi_some_avg10_percent_x100, 7u);
  EXPECT_FALSE(probe_memory(0x7fffffff, true, 0, s));
}

}  // namespace
}  // namespace ullage::launch

// SPDX-License-Identifier: Apache-2.0
#include "agent/preload.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "agent/config.h"

namespace ullage::agent {
namespace {

class Preload : public testing::Test {
 protected:
  void SetUp() override {
    g_config = Config{};
    g_config.present = true;
    strcpy(g_config.prefix, "/tmp/out.1234");
    strcpy(g_config.agent, "/opt/libullage_agent.so");
  }
  void TearDown() override { g_config = Config{}; }

  // What a program that is executed with this environment finds in it.
  static std::vector<std::string> corrected(const std::vector<std::string>& variables) {
    std::vector<char*> words;
    for (const std::string& one : variables) words.push_back(const_cast<char*>(one.c_str()));
    words.push_back(nullptr);
    const size_t room = preload_room(words.data());
    char* const* after = words.data();
    // Exactly as large as was asked for, and no byte more: sanitizers see the rest.
    std::vector<char*> place(room / sizeof(char*));
    if (room != 0) after = preload_first(words.data(), place.data());
    EXPECT_EQ(room % sizeof(char*), 0u);
    std::vector<std::string> result;
    for (; *after != nullptr; ++after) result.emplace_back(*after);
    return result;
  }
};

using Words = std::vector<std::string>;
const std::string kOurs = "ULLAGE_PREFIX=/tmp/out.1234";

TEST_F(Preload, PutsTheAgentBeforeAnAllocatorThatAWrapperAskedFor) {
  EXPECT_EQ(corrected({"HOME=/", "LD_PRELOAD=libjemalloc.so.2", kOurs}),
            (Words{"HOME=/", "LD_PRELOAD=/opt/libullage_agent.so:libjemalloc.so.2", kOurs}));
}

TEST_F(Preload, NamesTheAgentOnceAndKeepsTheOrderOfTheOthers) {
  EXPECT_EQ(corrected({kOurs, "LD_PRELOAD=a.so:b.so /opt/libullage_agent.so c.so"}),
            (Words{kOurs, "LD_PRELOAD=/opt/libullage_agent.so:a.so:b.so:c.so"}));
  EXPECT_EQ(corrected({kOurs, "LD_PRELOAD=::a.so /opt/libullage_agent.so: "}),
            (Words{kOurs, "LD_PRELOAD=/opt/libullage_agent.so:a.so"}));
}

TEST_F(Preload, LeavesAnEnvironmentThatNeedsNothing) {
  for (const Words& fine : {
           Words{kOurs, "LD_PRELOAD=/opt/libullage_agent.so"},
           Words{kOurs, "LD_PRELOAD=/opt/libullage_agent.so:a.so"},
           Words{kOurs, "LD_PRELOAD=:/opt/libullage_agent.so a.so"},
           Words{kOurs, "LD_PRELOAD="},                            // no library at all is wanted
           Words{kOurs},                                           // the same
           Words{"LD_PRELOAD=a.so"},                               // env -i
           Words{"LD_PRELOAD=a.so", "ULLAGE_PREFIX=/tmp/out.99"},  // of another recording
           Words{},
       }) {
    EXPECT_EQ(corrected(fine), fine);
  }
  EXPECT_EQ(preload_room(nullptr), 0u);
}

TEST_F(Preload, LeavesEverythingWhenTheAgentIsNotToFollow) {
  const Words other{kOurs, "LD_PRELOAD=a.so"};
  EXPECT_NE(corrected(other), other);
  g_config.follow = false;
  EXPECT_EQ(corrected(other), other);
  g_config.follow = true;
  g_config.present = false;
  EXPECT_EQ(corrected(other), other);
  g_config.present = true;
  g_config.agent[0] = 0;
  EXPECT_EQ(corrected(other), other);
}

TEST_F(Preload, LeavesAnEnvironmentTooLargeForACallersStack) {
  Words many{kOurs, "LD_PRELOAD=a.so"};
  for (int i = 0; i < 2046; ++i) many.push_back("V" + std::to_string(i) + "=1");
  EXPECT_NE(corrected(many), many);
  many.emplace_back("ONE=more");
  EXPECT_EQ(corrected(many), many);
  Words longest{kOurs, "LD_PRELOAD=" + std::string(4096, 'x')};
  EXPECT_NE(corrected(longest), longest);
  longest[1] += 'x';
  EXPECT_EQ(corrected(longest), longest);
}

TEST_F(Preload, TheLastOfTwoCountsAsItDoesForTheLoader) {
  EXPECT_EQ(corrected({"LD_PRELOAD=a.so", kOurs, "LD_PRELOAD=b.so"}),
            (Words{"LD_PRELOAD=a.so", kOurs, "LD_PRELOAD=/opt/libullage_agent.so:b.so"}));
}

}  // namespace
}  // namespace ullage::agent

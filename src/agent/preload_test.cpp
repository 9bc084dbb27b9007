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

  static std::vector<char*> pointers(const std::vector<std::string>& variables) {
    std::vector<char*> words;
    for (const std::string& one : variables) words.push_back(const_cast<char*>(one.c_str()));
    words.push_back(nullptr);
    return words;
  }
  // What a program that is executed with this environment finds in it.
  static std::vector<std::string> corrected(const std::vector<std::string>& variables,
                                            size_t most = kAnyRoom) {
    const std::vector<char*> words = pointers(variables);
    const size_t room = preload_room(words.data(), most);
    EXPECT_LE(room, most);
    EXPECT_EQ(room % sizeof(char*), 0u);
    char* const* after = words.data();
    // Exactly as large as was asked for, and no byte more: sanitizers see the rest.
    std::vector<char*> place(room / sizeof(char*));
    if (room != 0) after = preload_first(words.data(), place.data(), room);
    std::vector<std::string> result;
    for (; *after != nullptr; ++after) result.emplace_back(*after);
    return result;
  }
  static constexpr size_t kAnyRoom = 1 << 20;
};

using Words = std::vector<std::string>;
const std::string kOurs = "ULLAGE_PREFIX=/tmp/out.1234";
const std::string kOnce = "ULLAGE_CORRECTED=1";

TEST_F(Preload, PutsTheAgentBeforeAnAllocatorThatAWrapperAskedFor) {
  EXPECT_EQ(corrected({"HOME=/", "LD_PRELOAD=libjemalloc.so.2", kOurs}),
            (Words{"HOME=/", "LD_PRELOAD=/opt/libullage_agent.so:libjemalloc.so.2", kOurs, kOnce}));
}

TEST_F(Preload, NamesTheAgentOnceAndKeepsTheOrderOfTheOthers) {
  EXPECT_EQ(corrected({kOurs, "LD_PRELOAD=a.so:b.so /opt/libullage_agent.so c.so"}),
            (Words{kOurs, "LD_PRELOAD=/opt/libullage_agent.so:a.so:b.so:c.so", kOnce}));
  EXPECT_EQ(corrected({kOurs, "LD_PRELOAD=::a.so /opt/libullage_agent.so: "}),
            (Words{kOurs, "LD_PRELOAD=/opt/libullage_agent.so:a.so", kOnce}));
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
  EXPECT_EQ(preload_room(nullptr, kAnyRoom), 0u);
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
            (Words{"LD_PRELOAD=a.so", kOurs, "LD_PRELOAD=/opt/libullage_agent.so:b.so", kOnce}));
}

// It sets LD_PRELOAD and executes itself until it finds there what it has set.
TEST_F(Preload, AWrapperThatInsistsOnItsOwnGetsItsWayAfterAFewTimes) {
  Words environment{kOurs, "HOME=/"};
  int times = 0;
  for (;; ++times) {
    ASSERT_LE(times, kCorrectionsMax) << "it would go on for ever";
    Words wanted = environment;
    std::erase_if(wanted, [](const std::string& one) { return one.starts_with("LD_PRELOAD="); });
    wanted.emplace_back("LD_PRELOAD=mine.so");
    environment = corrected(wanted);
    if (environment == wanted) break;
    EXPECT_EQ(environment.size(), 4u) << "one count, and not one for each time";
  }
  EXPECT_EQ(times, kCorrectionsMax);
}

TEST_F(Preload, WhatNoCountIsCountsAsNone) {
  for (const char* odd : {"ULLAGE_CORRECTED=", "ULLAGE_CORRECTED=x", "ULLAGE_CORRECTED=-1"}) {
    EXPECT_EQ(corrected({odd, "LD_PRELOAD=a.so", kOurs}),
              (Words{kOnce, "LD_PRELOAD=/opt/libullage_agent.so:a.so", kOurs}));
  }
}

TEST_F(Preload, TakesNoMoreOfTheCallersStackThanItMay) {
  Words many{kOurs, "LD_PRELOAD=a.so"};
  for (int i = 0; i < 100; ++i) many.push_back("V" + std::to_string(i) + "=1");
  EXPECT_EQ(corrected(many, 512), many);
  EXPECT_NE(corrected(many, 2048), many);
}

TEST_F(Preload, AnEnvironmentThatGrewSinceItWasMeasuredHasNoMoreRoomThanItHad) {
  const Words small{kOurs, "LD_PRELOAD=a.so"};
  const size_t room = preload_room(pointers(small).data(), kAnyRoom);
  ASSERT_NE(room, 0u);
  Words more = small;
  for (int i = 0; i < 10; ++i) more.push_back("V" + std::to_string(i) + "=1");
  const Words longer{kOurs, "LD_PRELOAD=a.so:" + std::string(100, 'b')};
  for (const Words& now : {more, longer}) {
    std::vector<char*> words = pointers(now);
    std::vector<char*> place(room / sizeof(char*) + 32);
    EXPECT_EQ(preload_first(words.data(), place.data(), room), words.data());
    for (size_t i = room / sizeof(char*); i < place.size(); ++i) EXPECT_EQ(place[i], nullptr) << i;
  }
  std::vector<char*> words = pointers(small);
  std::vector<char*> place(room / sizeof(char*));
  EXPECT_NE(preload_first(words.data(), place.data(), room), words.data());
}

}  // namespace
}  // namespace ullage::agent

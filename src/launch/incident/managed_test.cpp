// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/managed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/incident/stderr_filter.h"

namespace ullage::launch {
namespace {

using testing::ElementsAre;

using Environment = std::vector<std::string>;

TEST(Gctrace, IsAddedBehindWhatTheUserAskedFor) {
  EXPECT_THAT(with_gctrace({"A=1"}), ElementsAre("A=1", "GODEBUG=gctrace=1"));
  EXPECT_THAT(with_gctrace({"GODEBUG=", "A=1"}), ElementsAre("GODEBUG=gctrace=1", "A=1"));
  EXPECT_THAT(with_gctrace({"GODEBUG=madvdontneed=1"}),
              ElementsAre("GODEBUG=madvdontneed=1,gctrace=1"));
  EXPECT_THAT(with_gctrace({"GODEBUG=gctrace=0"}), ElementsAre("GODEBUG=gctrace=0,gctrace=1"));
}

TEST(Gctrace, OfTheUserIsLeftAlone) {
  EXPECT_TRUE(asks_for_gctrace({"GODEBUG=madvdontneed=1,gctrace=2"}));
  EXPECT_FALSE(asks_for_gctrace({"GODEBUG=gctrace=1,gctrace=0"}));
  EXPECT_FALSE(asks_for_gctrace({"XGODEBUG=gctrace=1"}));
  EXPECT_THAT(with_gctrace({"GODEBUG=gctrace=1"}), ElementsAre("GODEBUG=gctrace=1"));
}

TEST(JavaProgram, IsTheMainClassOrTheArchive) {
  EXPECT_EQ(java_program({"java", "-Xmx1g", "-cp", "a:b", "com.acme.Shop", "-jar", "x"}),
            "com.acme.Shop");
  EXPECT_EQ(java_program({"java", "-Dx=1", "-jar", "/srv/shop-1.2.jar", "--port", "80"}),
            "shop-1.2.jar");
  EXPECT_EQ(java_program({"java", "--module-path", "mods", "-m", "shop/com.acme.Shop"}),
            "com.acme.Shop");
  EXPECT_EQ(java_program({"java", "@options", "Shop.java"}), "Shop.java");
  EXPECT_EQ(java_program({"/usr/bin/java", "-version"}), "java");
}

TEST(JvmLog, IsAskedForInTheWordsOfItsRelease) {
  EXPECT_THAT(with_jvm_log({"JAVA_TOOL_OPTIONS=-Dx=1"}, {"/tmp/a", false, false}),
              ElementsAre("JAVA_TOOL_OPTIONS=-Dx=1 -Xlog:gc*,safepoint:file=/tmp/a/gc.%p.log:"
                          "time,uptime,level,tags:filecount=0"));
  EXPECT_THAT(with_jvm_log({}, {"/tmp/a", true, true}),
              ElementsAre("JAVA_TOOL_OPTIONS=-XX:+PrintGCDetails -XX:+PrintGCTimeStamps "
                          "-XX:+PrintGCDateStamps -XX:+PrintGCApplicationStoppedTime "
                          "-Xloggc:/tmp/a/gc.%p.log -XX:+HeapDumpOnOutOfMemoryError "
                          "-XX:HeapDumpPath=/tmp/a"));
  EXPECT_TRUE(is_jdk8("openjdk version \"1.8.0_292\"\n"));
  EXPECT_FALSE(is_jdk8("openjdk version \"17.0.15\" 2025-04-15\n"));
  EXPECT_FALSE(fits_jvm_option("/home/me/my folder"));
  EXPECT_TRUE(fits_jvm_option("/home/me/x.incident"));
}

TEST(Managed, AJvmIsKnownByItsLauncherAndAnythingElseByItsFile) {
  EXPECT_EQ(managed_program({}, "/usr/bin:/bin"), Managed::kNo);
  EXPECT_EQ(managed_program({"sh"}, "/usr/bin:/bin"), Managed::kNo);
  EXPECT_EQ(managed_program({"java"}, "/nowhere"), Managed::kNo) << "there is none";
}

std::string filtered(const std::vector<std::string>& parts) {
  StderrFilter filter(true);
  std::string out;
  for (const std::string& part : parts) out += filter.take(part);
  return out + filter.idle();
}

TEST(StderrFilter, DropsLinesOfGctraceHoweverAndWhereverTheyArrive) {
  const std::string line = "gc 12 @0.123s 1%: 1+2+3 ms clock\n";
  EXPECT_EQ(filtered({"a\n" + line + "b\n"}), "a\nb\n");
  std::vector<std::string> bytes;
  for (const char c : "a\n" + line + line + "b") bytes.emplace_back(1, c);
  EXPECT_EQ(filtered(bytes), "a\nb");
  EXPECT_EQ(filtered({"no end of line: " + line + "it ends\n"}), "no end of line: it ends\n");
  EXPECT_EQ(filtered({"ggc g" + line}), "ggc g");
}

TEST(StderrFilter, KeepsWhatOnlyLooksLikeIt) {
  const std::string text = "gc is not a collection\ngc 12 x\nx gc 1 @2s\n\ngc \ngc 1 @2.5s 7";
  EXPECT_EQ(filtered({text}), text);
  EXPECT_EQ(filtered({"gc 123456789012345678901 @1.0s 1%"}), "gc 123456789012345678901 @1.0s 1%");
}

TEST(StderrFilter, HoldsAPromptNoLongerThanItMust) {
  StderrFilter filter(true);
  EXPECT_EQ(filter.take("Password: "), "Password: ");
  EXPECT_EQ(filter.take("dog"), "do");
  EXPECT_EQ(filter.idle(), "g");
  StderrFilter other(false);
  EXPECT_EQ(other.take("gc 1 @2.0s 1%"), "gc 1 @2.0s 1%") << "asked for by the user";
}

}  // namespace
}  // namespace ullage::launch

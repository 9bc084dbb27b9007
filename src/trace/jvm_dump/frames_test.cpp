// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/frames.h"

#include <gtest/gtest.h>

#include <string>

namespace ullage::trace::jvm {
namespace {

using evidence::Frame;
using evidence::Recursion;
using evidence::Stack;

Frame frame(const std::string& function, int line = 1) {
  Frame f;
  f.function = function;
  f.file = "A.java";
  f.line = line;
  return f;
}

Frame parsed(std::string_view line) {
  Frame f;
  EXPECT_TRUE(parse_java_frame(line, f)) << line;
  return f;
}

TEST(JvmFrames, TakeModulesAndLoadersOffTheName) {
  Frame f = parsed("\tat java.base@17.0.15/java.util.ArrayList.get(ArrayList.java:427)");
  EXPECT_EQ(f.function, "java.util.ArrayList.get");
  EXPECT_EQ(f.module, "java.base");
  EXPECT_EQ(f.file, "ArrayList.java");
  EXPECT_EQ(f.line, 427);
  EXPECT_TRUE(f.library);
  f = parsed("\tat app//com.acme.Main.run(Main.java:3) ~[acme.jar:1.0]");
  EXPECT_EQ(f.function, "com.acme.Main.run");
  EXPECT_FALSE(f.library);
  f = parsed("\tat java.lang.Object.wait(java.base@17.0.15/Object.java:338)");
  EXPECT_EQ(f.file, "Object.java");
  EXPECT_EQ(f.module, "java.base");
  f = parsed("\tat java.lang.Object.wait(java.base@17.0.15/Native Method)");
  EXPECT_EQ(f.line, 0);
}

TEST(JvmFrames, ForgetTheNumbersOfHiddenClasses) {
  EXPECT_EQ(parsed("\tat Main$$Lambda$14/0x0000000800c03000.run(Unknown Source)").function,
            "Main$$Lambda.run");
  EXPECT_EQ(parsed("\tat Main$$Lambda/0x0000000800c03000.run(Unknown Source)").function,
            "Main$$Lambda.run");
}

TEST(JvmFrames, AreNotEveryLineWithAtInIt) {
  Frame f;
  for (const char* line : {"at", "at ()", "at noon (late)", "\tat x(y)", "attach(a.b)", "",
                           "\tat a.b.c(", "\t... 12 more"}) {
    EXPECT_FALSE(parse_java_frame(line, f)) << line;
  }
}

TEST(JvmRecursion, FindsTheShortestCycle) {
  Stack stack;
  stack.push_back(frame("leaf"));
  for (int i = 0; i < 100; ++i) {
    stack.push_back(frame("a"));
    stack.push_back(frame("b"));
    stack.push_back(frame("c"));
  }
  stack.push_back(frame("main", 7));
  Recursion r;
  ASSERT_TRUE(find_recursion(stack, r));
  EXPECT_EQ(r.cycle.size(), 3u);
  EXPECT_EQ(r.repeats, 100u);
  EXPECT_EQ(r.frames, 302u);
  EXPECT_EQ(r.entered_from.function, "main");
}

TEST(JvmRecursion, IsNotAStackOfManyDifferentFrames) {
  Stack stack;
  for (int i = 0; i < 300; ++i) stack.push_back(frame("f", i));
  Recursion r;
  EXPECT_FALSE(find_recursion(stack, r));
  EXPECT_FALSE(find_recursion(Stack(20, frame("f")), r)) << "a short walk down a tree";
  EXPECT_FALSE(find_recursion({}, r));
}

TEST(JvmRecursion, CountsACycleOnceWhereverItsTraceBegins) {
  std::vector<Recursion> all;
  Recursion r;
  r.cycle = {frame("a"), frame("b")};
  r.repeats = 10;
  add_recursion(all, r);
  r.cycle = {frame("b"), frame("a")};
  r.repeats = 20;
  add_recursion(all, r);
  r.cycle = {frame("b"), frame("c")};
  add_recursion(all, r);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].count, 2u);
  EXPECT_EQ(all[0].repeats, 20u);
}

}  // namespace
}  // namespace ullage::trace::jvm

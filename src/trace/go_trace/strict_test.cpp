// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/strict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/go_trace/assembler_testing.h"

namespace ullage::trace::go {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  const auto read = read_text(text, true);
  return read.ok() ? "accepted" : read.error().message;
}

TEST(StrictReader, LetsSequenceNumbersDecideWhereClocksAreWrong) {
  // Thread 2 wakes goroutine 1 with a time before the one at which it went to sleep.
  const auto read = read_text(
      "Trace Go1.22\n" + two_threads("GoBlock dt=900 reason=11 stack=1\nGoStart dt=1 g=1 seq=2\n",
                                     "GoUnblock dt=5 g=1 seq=1 stack=4\n"),
      true);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->incident.waits.size(), 1U);
  EXPECT_EQ(read->incident.waits[0].total_ns, 0U);
}

TEST(StrictReader, NamesTheEventThatCanNeverBeNext) {
  const std::string message =
      refusal("Trace Go1.22\n" + two_threads("GoBlock dt=1 reason=11 stack=1\n",
                                             "GoUnblock dt=5 g=1 seq=2 stack=4\n"));
  EXPECT_THAT(message, HasSubstr("GoUnblock on thread 2 can't come there"));
  EXPECT_THAT(message, HasSubstr("sequence number"));
  EXPECT_THAT(message, HasSubstr("byte "));
}

TEST(StrictReader, RefusesWhatContradictsTheState) {
  const auto with = [](const char* first, const char* second = "") {
    return refusal("Trace Go1.22\n" + two_threads(first, second));
  };
  EXPECT_THAT(with("GCMarkAssistEnd dt=1\n"), HasSubstr("does not assist"));
  EXPECT_THAT(with("STWEnd dt=1\n"), HasSubstr("did not stop the world"));
  EXPECT_THAT(with("GoSyscallEnd dt=1\n"), HasSubstr("not in a system call"));
  EXPECT_THAT(with("GoCreate dt=1 g=2 new=1 stack=1\n"), HasSubstr("exists already"));
  EXPECT_THAT(with("ProcStop dt=1\nGoBlock dt=1 reason=11 stack=1\n"), HasSubstr("processor"));
  EXPECT_THAT(with("GoBlock dt=1 reason=99 stack=1\n"), HasSubstr("string 99"));
  EXPECT_THAT(with("GoBlock dt=1 reason=11 stack=99\n"), HasSubstr("stack 99"));
  EXPECT_THAT(with("ProcStatus dt=1 p=0 s=9\n"), HasSubstr("state 9"));
  EXPECT_THAT(with("Type120 dt=1\n"), HasSubstr("unknown type 120"));
  EXPECT_EQ(with("GoSyscallBegin dt=1 seq=1 stack=1\nGoSyscallEnd dt=1\n"), "accepted");
}

TEST(StrictReader, WaitsWithTheEndOfASystemCallUntilItsProcessorIsTaken) {
  EXPECT_EQ(refusal("Trace Go1.22\n" +
                    two_threads("GoSyscallBegin dt=1 seq=1 stack=1\nGoSyscallEndBlocked dt=1\n",
                                "ProcSteal dt=900 p=0 seq=2 m=1\n")),
            "accepted");
  EXPECT_THAT(refusal("Trace Go1.22\n" + two_threads("GoSyscallBegin dt=1 seq=1 stack=1\n"
                                                     "GoSyscallEndBlocked dt=1\n",
                                                     "")),
              HasSubstr("has not lost its processor"));
}

TEST(StrictReader, AcceptsAndRefusesGosOwnFixturesAsGoDoes) {
  const auto folder = shared_data() / "go-traces";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.path().string().ends_with(".test.gz")) continue;
    const std::vector<std::uint8_t> raw = read_file(entry.path());
    const std::string text(raw.begin(), raw.end());
    const std::size_t trace = text.find("Trace Go");
    ASSERT_NE(trace, std::string::npos);
    const std::vector<std::uint8_t> bytes = assemble(text.substr(trace));
    std::string packed = entry.path().string();
    packed.replace(packed.find(".test.gz"), 8, ".bin.gz");
    EXPECT_EQ(bytes, read_file(packed)) << packed;  // the assembler is right
    const bool good = text.find("SUCCESS") < trace;
    EXPECT_EQ(read_bytes(bytes, true).ok(), good) << entry.path();
    ++(good ? accepted : refused);
  }
  EXPECT_GE(accepted, 17U);
  EXPECT_GE(refused, 2U);
}

// What is between the quotes of Go's form of a fuzzing input.
std::vector<std::uint8_t> unquote(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  const std::size_t begin = text.find("[]byte(\"") + 8;
  const std::size_t end = text.rfind('"');
  const std::string simple = "n\nt\tr\ra\ab\bf\fv\v";
  for (std::size_t i = begin; i < end; ++i) {
    if (text[i] != '\\') {
      bytes.push_back(static_cast<std::uint8_t>(text[i]));
      continue;
    }
    const char c = text[++i];
    const std::size_t known = simple.find(c);
    if (c == 'x') {
      bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
      i += 2;
    } else if (c >= '0' && c <= '7') {
      bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 3), nullptr, 8)));
      i += 2;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(known % 2 == 0 ? simple[known + 1] : c));
    }
  }
  return bytes;
}

TEST(StrictReader, SurvivesTheInputsThatGosFuzzerFound) {
  const auto folder = shared_data() / "go-traces" / "fuzz";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  std::size_t seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::vector<std::uint8_t> raw = read_file(entry.path());
    const std::vector<std::uint8_t> bytes = unquote({raw.begin(), raw.end()});
    ASSERT_TRUE(bytes.size() > 16) << entry.path();
    const auto read = read_bytes(bytes);
    EXPECT_TRUE(read.ok() || !read.error().message.empty());
    const auto strict = read_bytes(bytes, true);
    EXPECT_TRUE(strict.ok() || !strict.error().message.empty());
    ++seeds;
  }
  EXPECT_GE(seeds, 17U);
}

}  // namespace
}  // namespace ullage::trace::go

// SPDX-License-Identifier: Apache-2.0
#include "trace/readers.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "record/recording_builder.h"
#include "trace/go_binary/go_binary_testing.h"

namespace ullage::trace {
namespace {

constexpr const char* kCollection =
    "gc 1 @0.012s 2%: 0.018+1.2+0.004 ms clock, 0.14+0.3/1.1/0+0.03 ms cpu, 4->4->1 MB, 4 MB goal, "
    "0 MB stacks, 0 MB globals, 8 P\n";

std::string file(const std::string& name) { return ::testing::TempDir() + name; }

TEST(Readers, ReadARecordingByItsFirstBytesWhateverItsName) {
  record::RecordingBuilder b;
  b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
  ASSERT_TRUE(b.write(file("readers_test.anything")));
  const auto e =
      read(file("readers_test.anything"), {.symbolize = false, .debug_dirs = {}, .progress = {}});
  ASSERT_TRUE(e.ok()) << e.error().message;
  EXPECT_EQ(e->process.allocations, 1u);
  EXPECT_EQ(e->process.format, "ULG1");
}

TEST(Readers, SayWhatIsKnownWhenTheFormatIsNot) {
  std::ofstream(file("readers_test.txt")) << "hello";
  const auto e = read(file("readers_test.txt"), {});
  ASSERT_FALSE(e.ok());
  EXPECT_EQ(e.error().code, Code::kUnsupported);
  EXPECT_NE(e.error().message.find("ULG1"), std::string::npos);
  EXPECT_NE(e.error().message.find("ullage record"), std::string::npos);
}

TEST(Readers, SayWhichFileCannotBeOpened) {
  const auto e = read(file("no/such/file.ulg"), {});
  ASSERT_FALSE(e.ok());
  EXPECT_EQ(e.error().code, Code::kNotFound);
  EXPECT_NE(e.error().message.find("no/such/file.ulg"), std::string::npos);
}

TEST(Readers, RefuseAFolder) {
  const auto e = read(::testing::TempDir(), {});
  ASSERT_FALSE(e.ok());
  EXPECT_EQ(e.error().code, Code::kIo);
}

TEST(Readers, ReadEverythingUnderAPathAndReportEachInput) {
  const std::filesystem::path folder = file("readers_test_all");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  record::RecordingBuilder b;
  b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
  ASSERT_TRUE(b.write(folder / "one.ulg"));
  std::ofstream(folder / "notes.md") << "hello";
  std::ofstream(folder / "nothing");
  std::vector<InputReport> reports;
  const auto all = read_all({folder, file("no_such_file")}, {.symbolize = false}, &reports);
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].process.allocations, 1u);
  ASSERT_EQ(reports.size(), 4u);
  EXPECT_EQ(reports[0].kind, InputReport::Kind::kNotRecognised);
  EXPECT_EQ(reports[1].kind, InputReport::Kind::kEmpty);
  EXPECT_EQ(reports[2].kind, InputReport::Kind::kRead);
  EXPECT_EQ(reports[2].format, "ULG1");
  EXPECT_EQ(reports[3].kind, InputReport::Kind::kFailed);
  EXPECT_NE(reports[3].message.find("no_such_file"), std::string::npos);
}

TEST(Readers, AnUnknownFileGivenByItselfIsAnErrorThatNamesTheKnownFormats) {
  std::ofstream(file("readers_test.txt")) << "hello";
  const auto e = read_all({file("readers_test.txt")}, {});
  ASSERT_FALSE(e.ok());
  EXPECT_EQ(e.error().code, Code::kUnsupported);
  EXPECT_NE(e.error().message.find("ULG1"), std::string::npos);
}

TEST(Readers, AGoProgramBesideTheRestHelpsAndAnyOtherProgramIsLeftOut) {
  const std::filesystem::path folder = file("readers_test_programs");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::vector<std::uint8_t> program = GoElf{}.build();
  std::ofstream(folder / "app", std::ios::binary)
      .write(reinterpret_cast<const char*>(program.data()),
             static_cast<std::streamsize>(program.size()));
  std::filesystem::copy_file("/proc/self/exe", folder / "other");
  std::ofstream(folder / "err.log") << kCollection;
  std::vector<InputReport> reports;
  const auto all = read_all({folder}, {}, &reports);
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0].kind, InputReport::Kind::kBinary);
  EXPECT_EQ(reports[1].kind, InputReport::Kind::kRead);
  EXPECT_EQ(reports[2].kind, InputReport::Kind::kNotRecognised);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->back().incident.artefacts[0].format, "Go binary");
  // Given by its name, a program that is of no use is an error that says so.
  EXPECT_FALSE(read_all({folder / "other"}, {}).ok());
}

TEST(Readers, WhatIsGivenTwiceIsReadOnce) {
  std::ofstream(file("readers_test_first.log")) << kCollection;
  std::ofstream(file("readers_test_second.log")) << kCollection;
  std::vector<InputReport> reports;
  const auto all =
      read_all({file("readers_test_first.log"), file("readers_test_second.log")}, {}, &reports);
  ASSERT_TRUE(all.ok()) << all.error().message;
  EXPECT_EQ(all->size(), 1u);
  EXPECT_EQ(reports[1].kind, InputReport::Kind::kSame);
}

TEST(Readers, OneTextMayHoldSeveralThingsHoweverLateTheyBegin) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "a line of the program's own, as there are many\n";
  text += kCollection;
  text += "panic: done\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:7 +0x1d\n";
  std::ofstream(file("readers_test_mixed.log")) << text;
  std::vector<InputReport> reports;
  const auto all = read_all({file("readers_test_mixed.log")}, {}, &reports);
  ASSERT_TRUE(all.ok()) << all.error().message;
  EXPECT_EQ(all->size(), 2u);
  EXPECT_EQ(reports[0].format, "gctrace + Go text profile");

  std::string java;
  for (int i = 0; i < 500; ++i) java += "a line of the program's own, as there are many\n";
  java +=
      "[0.512s][info][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 23M->3M(256M) 2.1ms\n";
  java += "Exception in thread \"main\" java.lang.StackOverflowError\n";
  for (int i = 0; i < 1024; ++i) java += "\tat View.get(View.java:5)\n";
  std::ofstream(file("readers_test_java.log")) << java;
  const auto both = read_all({file("readers_test_java.log")}, {}, &reports);
  ASSERT_TRUE(both.ok()) << both.error().message;
  EXPECT_EQ(both->size(), 2u);
  EXPECT_EQ(reports[0].format, "JVM GC log + JVM dump");
}

TEST(Readers, ReadARecordingOutOfAnArchive) {
  record::RecordingBuilder b;
  b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
  ASSERT_TRUE(b.write(file("readers_test.ulg")));
  const auto plain = Input::map(file("readers_test.ulg"));
  ASSERT_TRUE(plain.ok());
  const Input part = plain->part("x.tar!readers_test.ulg", 0, plain->bytes().size());
  EXPECT_EQ(recognise(part).format, "ULG1");
  const auto e = readers().front().read(part, {.symbolize = false});
  ASSERT_TRUE(e.ok()) << e.error().message;
  EXPECT_EQ(e->process.source, "x.tar!readers_test.ulg");
}

}  // namespace
}  // namespace ullage::trace

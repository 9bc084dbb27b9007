// SPDX-License-Identifier: Apache-2.0
#include "trace/readers.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "record/recording_builder.h"

namespace ullage::trace {
namespace {

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

}  // namespace
}  // namespace ullage::trace

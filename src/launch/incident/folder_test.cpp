// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "ullage_folder.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  static std::string text_of(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string root_;
};

TEST_F(Folder, ListsWhatIsThereAndWhatIsNot) {
  Result<IncidentFolder> folder = IncidentFolder::create(root_ + "/x.incident");
  ASSERT_TRUE(folder.ok());
  std::ofstream(folder->file("heap.pb.gz")) << "12345";
  std::ofstream(folder->file("gc.7.log")) << "x";
  folder->fact("program", "shop\nrss 1 2");
  folder->add({"heap.pb.gz", "heap at the end", 0, {}});
  folder->add({"cpu.pb.gz", "CPU profile", 0, "the program answered 404"});
  ASSERT_TRUE(folder->close().ok());
  const std::string text = text_of(folder->file("manifest.txt"));
  EXPECT_THAT(text, HasSubstr("ullage incident 1\nprogram shop rss 1 2\n"));
  EXPECT_THAT(text, HasSubstr("have heap.pb.gz 5 heap at the end\n"));
  EXPECT_THAT(text, HasSubstr("have gc.7.log 1 log of the collector"));
  EXPECT_THAT(text, HasSubstr("lack cpu.pb.gz the program answered 404\n"));
  EXPECT_THAT(text, Not(HasSubstr("have cpu")));
}

TEST_F(Folder, KeepsItsMarksWithinTheLimitAndSpacesThemWider) {
  Result<IncidentFolder> folder = IncidentFolder::create(root_ + "/x.incident");
  ASSERT_TRUE(folder.ok());
  const std::int64_t before = folder->rss_distance_ns();
  for (std::size_t i = 0; i < kRssMarksMax + 10; ++i) {
    folder->rss(static_cast<std::int64_t>(i), i);
  }
  EXPECT_EQ(folder->rss_distance_ns(), 2 * before);
  ASSERT_TRUE(folder->close().ok());
  const std::string text = text_of(folder->file("manifest.txt"));
  std::size_t marks = 0;
  for (auto at = text.find("\nrss "); at != std::string::npos; at = text.find("\nrss ", at + 1)) {
    ++marks;
  }
  EXPECT_EQ(marks, kRssMarksMax / 2 + 10);
  EXPECT_THAT(text, HasSubstr("rss 0 0\n"));
}

TEST_F(Folder, IsNotMixedWithWhatIsThere) {
  std::ofstream(root_ + "/old") << "x";
  const Result<IncidentFolder> folder = IncidentFolder::create(root_);
  ASSERT_FALSE(folder.ok());
  EXPECT_THAT(folder.error().message, HasSubstr("is not empty"));
}

}  // namespace
}  // namespace ullage::launch

// SPDX-License-Identifier: Apache-2.0
#include "server/names_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tier/key.h"

namespace ullage::server {
namespace {

class NamesFileTest : public testing::Test {
 protected:
  NamesFileTest() { ::mkdtemp(folder_.data()); }
  ~NamesFileTest() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/names"; }
  // All names; `most`: of one part.
  std::vector<std::string> read(const std::string& text, std::size_t* most = nullptr) {
    std::ofstream(path(), std::ios::binary) << text;
    const auto file = NamesFile::open(path());
    if (!file.ok()) return {file.error().message};
    std::vector<std::string> all, part;
    for (bool more = true; more;) {
      more = file.value()->next(part).value();
      if (most != nullptr) *most = std::max(*most, part.size());
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  std::string folder_ = "/tmp/ullage-names-XXXXXX";
};

TEST_F(NamesFileTest, GivesEachLineOnce) {
  EXPECT_THAT(read(""), testing::IsEmpty());
  EXPECT_THAT(read("a\n\nb c\r\nd"), testing::ElementsAre("a", "b c", "d"));
}

TEST_F(NamesFileTest, ReadsALargeFileInParts) {
  std::string text;
  std::vector<std::string> names;
  for (int i = 0; i < 300'000; ++i) {
    names.push_back("name-of-a-key:" + std::to_string(i));
    text += names.back() + "\n";
  }
  std::size_t most = 0;
  EXPECT_EQ(read(text, &most), names);
  EXPECT_LE(most, NamesFile::kPartBytes / sizeof("name-of-a-key:"));
}

TEST_F(NamesFileTest, LeavesOutWhatIsTooLongForAKeyHoweverLong) {
  const std::string longest(tier::kKeyBytesMax, 'k');
  EXPECT_EQ(read("a\n" + longest + "\r\n" + longest + "k\nb\n" + std::string(3 << 20, 'x') +
                 "\nc\n" + std::string(2 << 20, 'y')),
            (std::vector<std::string>{"a", longest, "b", "c"}));
}

TEST_F(NamesFileTest, RefusesWhatWouldWaitOrNeverEnd) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  for (const std::string& each : {path(), folder_, std::string("/dev/zero")}) {
    const auto file = NamesFile::open(each);
    ASSERT_FALSE(file.ok()) << each;
    EXPECT_THAT(file.error().message, testing::HasSubstr("no regular file"));
  }
  EXPECT_THAT(NamesFile::open(folder_ + "/none").error().message,
              testing::HasSubstr("can't be opened"));
}

}  // namespace
}  // namespace ullage::server

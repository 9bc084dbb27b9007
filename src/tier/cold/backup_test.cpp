// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tier/cold/meta.h"
#include "tier/cold/store.h"
#include "tier/cold/store_testing.h"

namespace ullage::tier::cold {
namespace {

namespace fs = std::filesystem;
using testing::changes;
using testing::Folder;
using ::testing::HasSubstr;
using testing::Progress;
using testing::put;
using testing::value_of;

class ColdBackup : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_store({.directory = folder_ / "store"});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = std::move(opened).value();
    write("a", "1");
  }
  void write(const std::string& key, const std::string& value) {
    const std::uint64_t last = store_->write(0, changes(put(0, key, value)), true);
    Progress progress(*store_);
    progress.until([&] { return store_->durable(0) >= last; });
  }
  std::string value_in(const std::string& directory, const std::string& key) {
    const auto opened = open_store({.directory = directory});
    if (!opened.ok()) return opened.error().message;
    return value_of(*opened.value(), 0, key);
  }
  std::string any_table(const std::string& directory) {
    for (const auto& entry : fs::directory_iterator(directory + "/db")) {
      if (entry.path().extension() == ".sst") return entry.path();
    }
    return {};
  }

  Folder folder_;
  std::unique_ptr<ColdStore> store_;
};

TEST_F(ColdBackup, HoldsWhatWasAppliedAndNothingLater) {
  std::ofstream(folder_ / "store/databases") << "beside";
  ASSERT_TRUE(store_->backup(folder_ / "copy").ok());
  write("a", "2");
  EXPECT_EQ(value_in(folder_ / "copy", "a"), "1");
  EXPECT_EQ(value_of(*store_, 0, "a"), "2");
  EXPECT_EQ(read_meta(folder_ / "copy").value().seed, store_->hash_seed());
  EXPECT_TRUE(fs::exists(folder_ / "copy/databases"));
}

TEST_F(ColdBackup, HoldsTheNoteThatItsEntriesHad) {
  store_->write(0, changes(testing::note("map", "old"), put(0, "a", "old")), false);
  ASSERT_TRUE(store_->backup(folder_ / "copy").ok());
  store_->write(0, changes(testing::note("map", "new")), true);
  ASSERT_TRUE(store_->backup(folder_ / "later").ok());
  for (const char* name : {"copy", "later"}) {
    const auto opened = open_store({.directory = folder_ / name});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const std::string expected = name == std::string("copy") ? "old" : "new";
    EXPECT_EQ(opened.value()->note("map").value(), expected);
    EXPECT_EQ(value_of(*opened.value(), 0, "a"), "old");
  }
}

TEST_F(ColdBackup, HoldsWhatWasHandedOverAndNotYetApplied) {
  std::vector<ColdChange> many;
  for (int i = 0; i < 10'000; ++i) many.push_back(put(0, "last", std::to_string(i)));
  store_->write(0, std::move(many), false);
  ASSERT_TRUE(store_->backup(folder_ / "copy").ok());
  EXPECT_EQ(value_in(folder_ / "copy", "last"), "9999");
}

TEST_F(ColdBackup, RefusesADirectoryThatIsNotEmptyAndLeavesItAsItIs) {
  fs::create_directory(folder_ / "mine");
  std::ofstream(folder_ / "mine/thesis.txt") << "text";
  const Result<void> done = store_->backup(folder_ / "mine");
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("not empty"));
  EXPECT_TRUE(fs::exists(folder_ / "mine/thesis.txt"));
  EXPECT_FALSE(fs::exists(folder_ / "mine/db"));
}

TEST_F(ColdBackup, IsRestoredToWhereAStoreOpens) {
  std::ofstream(folder_ / "store/databases") << "beside";
  ASSERT_TRUE(store_->backup(folder_ / "copy").ok());
  const auto restored = restore_backup(folder_ / "copy", folder_ / "again");
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_GT(restored.value(), 0u);
  EXPECT_EQ(value_in(folder_ / "again", "a"), "1");
  EXPECT_TRUE(fs::exists(folder_ / "again/databases"));
  const auto twice = restore_backup(folder_ / "copy", folder_ / "again");
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().message, HasSubstr("not empty"));
}

TEST_F(ColdBackup, ADamagedOneIsToldBeforeAnythingIsMade) {
  ASSERT_TRUE(store_->backup(folder_ / "copy").ok());
  const std::string table = any_table(folder_ / "copy");
  ASSERT_FALSE(table.empty());
  {
    // Of its own: on the same disk a backup's files are links.
    std::ifstream in(table, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    in.close();
    fs::remove(table);
    bytes[20] ^= 1;
    std::ofstream(table, std::ios::binary) << bytes;
  }
  const auto restored = restore_backup(folder_ / "copy", folder_ / "again");
  ASSERT_FALSE(restored.ok());
  EXPECT_THAT(restored.error().message, HasSubstr("damaged"));
  EXPECT_FALSE(fs::exists(folder_ / "again"));
  fs::remove(table);
  EXPECT_FALSE(restore_backup(folder_ / "copy", folder_ / "again").ok());
}

TEST_F(ColdBackup, OneOfANewerFormatIsRefused) {
  ASSERT_TRUE(store_->backup(folder_ / "copy").ok());
  ASSERT_TRUE(write_meta(folder_ / "copy", {.format = kDirectoryFormat + 1}).ok());
  const auto restored = restore_backup(folder_ / "copy", folder_ / "again");
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace ullage::tier::cold

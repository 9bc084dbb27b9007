// SPDX-License-Identifier: Apache-2.0
//
// RocksDB on disks that fail: what is said, what goes on, what comes back.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "tier/cold/faulty_env_testing.h"
#include "tier/cold/keeper.h"
#include "tier/cold/meta.h"
#include "tier/cold/rocks.h"
#include "tier/cold/store.h"
#include "tier/cold/store_testing.h"

namespace ullage::tier::cold {
namespace {

namespace fs = std::filesystem;
using testing::changes;
using testing::FaultyEnv;
using testing::Folder;
using ::testing::HasSubstr;
using testing::Progress;
using testing::put;
using testing::value_of;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class ColdFaults : public ::testing::Test {
 protected:
  void open() {
    RocksOptions rocks;
    rocks.directory = folder_ / "db";
    rocks.cache_bytes = 8 * kMiB;
    rocks.now_ms = [] { return std::uint64_t{1}; };
    rocks.env = env_.env();
    auto engine = open_rocks(rocks);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    ColdOptions options;
    options.directory = folder_.path();
    store_ = make_store(options, 1, std::move(engine).value());
    progress_ = std::make_unique<Progress>(*store_);
  }
  void TearDown() override { progress_.reset(); }
  std::uint64_t write(const std::string& key, const std::string& value) {
    return last_ = store_->write(0, changes(put(0, key, value)), true);
  }
  void wait_durable() {
    progress_->until([&] { return store_->durable(0) >= last_; });
  }
  void wait_until_it_says(const std::string& what) {
    progress_->until([&] { return store_->health().message.find(what) != std::string::npos; });
  }
  // Ticks until everything is durable again.
  void recover() {
    for (int i = 0; i < 10'000 && store_->durable(0) < last_; ++i) {
      store_->tick(0);
      ::usleep(1000);
    }
    EXPECT_EQ(store_->durable(0), last_) << store_->health().message;
  }
  void reopen() {
    progress_.reset();
    store_.reset();
    open();
  }

  Folder folder_;
  FaultyEnv env_;
  std::unique_ptr<ColdStore> store_;
  std::unique_ptr<Progress> progress_;
  std::uint64_t last_ = 0;
};

TEST_F(ColdFaults, AFullDiskStopsWritesKeepsReadsAndRecoversByItself) {
  open();
  write("before", "1");
  wait_durable();
  env_.fail_writes("No space left on device");
  write("during", "2");
  wait_until_it_says("no space left");
  EXPECT_FALSE(store_->health().writes);
  EXPECT_TRUE(store_->health().reads);
  EXPECT_EQ(value_of(*store_, 0, "before"), "1");
  EXPECT_EQ(value_of(*store_, 0, "during"), "2");
  EXPECT_LT(store_->durable(0), last_);
  store_->tick(0);
  write("later", "3");
  env_.heal();
  recover();
  EXPECT_EQ(store_->health().message, "");
  reopen();
  EXPECT_EQ(value_of(*store_, 0, "during"), "2");
  EXPECT_EQ(value_of(*store_, 0, "later"), "3");
}

TEST_F(ColdFaults, AReadOnlyDiskIsToldAsSuch) {
  open();
  write("before", "1");
  wait_durable();
  env_.fail_writes("Read-only file system");
  write("during", "2");
  wait_until_it_says("takes no writes");
  EXPECT_EQ(value_of(*store_, 0, "before"), "1");
  env_.heal();
  recover();
  reopen();
  EXPECT_EQ(value_of(*store_, 0, "during"), "2");
}

TEST_F(ColdFaults, ADiskThatFailsToSyncIsNotBelievedTheNextTime) {
  open();
  write("before", "1");
  wait_durable();
  env_.fail_syncs("Input/output error");
  write("during", "2");
  wait_until_it_says("the disk fails");
  EXPECT_LT(store_->durable(0), last_);
  env_.heal();
  recover();
  reopen();
  EXPECT_EQ(value_of(*store_, 0, "before"), "1");
  EXPECT_EQ(value_of(*store_, 0, "during"), "2");
}

TEST_F(ColdFaults, NoReadGoesBackInTimeWhileItRecovers) {
  open();
  env_.hold_syncs(true);
  for (int i = 0; i < 2000; ++i) write("a", std::to_string(i));
  progress_->until([&] { return store_->applied(0) == last_; });
  env_.fail_syncs("Input/output error");
  wait_until_it_says("the disk fails");
  std::atomic<bool> over{false};
  std::thread reader([&] {
    while (!over) {
      const std::string value = value_of(*store_, 0, "a");
      if (value == "1999") continue;
      ADD_FAILURE() << "the newest is 1999, it was " << value;
      return;
    }
  });
  env_.heal();
  recover();
  over = true;
  reader.join();
}

TEST_F(ColdFaults, WhatWasAcknowledgedSurvivesADiskThatDropsWhatWasNotSynced) {
  open();
  for (int i = 0; i < 100; ++i) write(std::to_string(i), "1");
  wait_durable();
  const std::uint64_t durable = store_->durable(0);
  env_.hold_syncs(true);
  write("unsynced", "1");
  progress_->until([&] { return store_->applied(0) == last_; });
  EXPECT_EQ(store_->durable(0), durable);
  // The machine ends here: files keep what was synced, and nothing that comes later arrives.
  env_.crash();
  progress_.reset();
  store_.reset();
  env_.drop_unsynced();
  env_.heal();
  open();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(value_of(*store_, 0, std::to_string(i)), "1");
  EXPECT_EQ(value_of(*store_, 0, "unsynced"), "missing");
}

TEST_F(ColdFaults, ADiskThatLiesIsFoundOutByTheSameTest) {
  open();
  env_.lie(true);
  write("acknowledged", "1");
  wait_durable();
  env_.crash();
  progress_.reset();
  store_.reset();
  env_.drop_unsynced();
  env_.heal();
  open();
  EXPECT_EQ(value_of(*store_, 0, "acknowledged"), "missing");
}

TEST_F(ColdFaults, ASlowDiskHoldsUpTheWriterAndNobodyElse) {
  open();
  write("before", "1");
  wait_durable();
  env_.hold_syncs(true);
  write("slow", "2");
  progress_->until([&] { return store_->applied(0) == last_; });
  EXPECT_EQ(value_of(*store_, 0, "before"), "1");
  EXPECT_EQ(value_of(*store_, 0, "slow"), "2");
  EXPECT_LT(store_->durable(0), last_);
  // What is not durable is bounded: whoever writes is told to wait.
  while (!store_->congested()) write("more", std::string(100'000, 'x'));
  env_.hold_syncs(false);
  wait_durable();
  EXPECT_FALSE(store_->congested());
}

TEST(ColdFaultsOnDisk, ADamagedTableFailsItsReadsAndLeavesTheRest) {
  const Folder folder;
  const std::string directory = folder / "store";
  const auto load = [](ColdStore& store, const std::string& prefix) {
    std::vector<ColdChange> some;
    for (int i = 0; i < 1000; ++i) some.push_back(put(0, prefix + std::to_string(i), "value"));
    const std::uint64_t last = store.write(0, std::move(some), true);
    Progress progress(store);
    progress.until([&] { return store.durable(0) >= last; });
  };
  {
    auto store = open_store({.directory = directory});
    ASSERT_TRUE(store.ok());
    load(*store.value(), "a");
  }
  // Opening writes what the log held into a table.
  { ASSERT_TRUE(open_store({.directory = directory}).ok()); }
  std::string table;
  for (const auto& entry : fs::directory_iterator(directory + "/db")) {
    if (entry.path().extension() == ".sst") table = entry.path();
  }
  ASSERT_FALSE(table.empty());
  {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.write("damaged", 7);
  }
  auto store = open_store({.directory = directory});
  ASSERT_TRUE(store.ok()) << store.error().message;
  int failed = 0, sound = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string value = value_of(*store.value(), 0, "a" + std::to_string(i));
    failed += value == "failed" ? 1 : 0;
    sound += value == "value" ? 1 : 0;
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(sound, 500);
  EXPECT_EQ(failed + sound, 1000);
  EXPECT_THAT(store.value()->health().message, HasSubstr("damaged data"));
  load(*store.value(), "b");
  EXPECT_EQ(value_of(*store.value(), 0, "b7"), "value");
}

TEST(ColdFaultsOnDisk, ADirectoryThatIsGoneIsToldAndNothingIsAcknowledged) {
  const Folder folder;
  auto opened = open_store({.directory = folder / "store"});
  ASSERT_TRUE(opened.ok());
  ColdStore& store = *opened.value();
  Progress progress(store);
  std::uint64_t last = store.write(0, changes(put(0, "a", "1")), true);
  progress.until([&] { return store.durable(0) >= last; });
  fs::rename(folder / "store", folder / "elsewhere");
  last = store.write(0, changes(put(0, "b", "2")), true);
  progress.until([&] { return !store.health().writes; });
  EXPECT_THAT(store.health().message, HasSubstr("is gone"));
  EXPECT_LT(store.durable(0), last);
  fs::rename(folder / "elsewhere", folder / "store");
  for (int i = 0; i < 10'000 && store.durable(0) < last; ++i) {
    store.tick(0);
    ::usleep(1000);
  }
  EXPECT_EQ(store.durable(0), last) << store.health().message;
  EXPECT_EQ(value_of(store, 0, "a"), "1");
  EXPECT_EQ(value_of(store, 0, "b"), "2");
}

TEST(ColdFaultsOnDisk, AnotherProcessThatHasItIsNamedAsTheReason) {
  const Folder folder;
  { ASSERT_TRUE(open_store({.directory = folder.path()}).ok()); }
  const std::string path = folder / "db/LOCK";
  int ready[2], done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    // What RocksDB does to say that it is here.
    const int file = ::open(path.c_str(), O_RDWR);
    struct flock whole {};
    whole.l_type = F_WRLCK;
    char byte = ::fcntl(file, F_SETLK, &whole) == 0 ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 1) ::_exit(1);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  const auto store = open_store({.directory = folder.path()});
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.error().message, HasSubstr("another process has it open"));
  ASSERT_EQ(::write(done[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
}

// A real limit of the system: files may not grow beyond a size, as if the disk were full.
TEST(ColdFaultsOnDisk, WritesGoOnWhenARealLimitIsLifted) {
  const Folder folder;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto opened = open_store({.directory = folder / "store"});
  ASSERT_TRUE(opened.ok());
  ColdStore& store = *opened.value();
  auto progress = std::make_unique<Progress>(store);
  rlimit small = before;
  small.rlim_cur = 256 << 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    last = store.write(0, changes(put(0, std::to_string(i), std::string(50'000, 'x'))), true);
  }
  progress->until([&] { return !store.health().writes; });
  EXPECT_THAT(store.health().message, HasSubstr("no space left"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  for (int i = 0; i < 10'000 && store.durable(0) < last; ++i) {
    store.tick(0);
    ::usleep(1000);
  }
  EXPECT_EQ(store.durable(0), last) << store.health().message;
  progress.reset();
  opened.value().reset();
  auto again = open_store({.directory = folder / "store"});
  ASSERT_TRUE(again.ok()) << again.error().message;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(value_of(*again.value(), 0, std::to_string(i)), std::string(50'000, 'x'));
  }
}

}  // namespace
}  // namespace ullage::tier::cold

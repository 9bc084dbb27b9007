// SPDX-License-Identifier: Apache-2.0
//
// The store with RocksDB on a disk: what it keeps, what it refuses, what it says.
#include "tier/cold/rocks.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "tier/cold/faulty_env_testing.h"
#include "tier/cold/meta.h"
#include "tier/cold/store.h"
#include "tier/cold/store_testing.h"

namespace ullage::tier::cold {
namespace {

using testing::changes;
using testing::erase;
using testing::FaultyEnv;
using testing::flush;
using testing::Folder;
using ::testing::HasSubstr;
using testing::keys_of;
using testing::Progress;
using testing::put;
using testing::value_of;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::unique_ptr<ColdStore> open(const std::string& directory) {
  auto store = open_store({.directory = directory});
  if (!store.ok()) {
    ADD_FAILURE() << store.error().message;
    return nullptr;
  }
  return std::move(store).value();
}

void wait_durable(ColdStore& store, std::uint64_t number) {
  Progress progress(store);
  progress.until([&] { return store.durable(0) >= number; });
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ColdOnDisk, KeepsEntriesAndTheHashSeedOverARestart) {
  const Folder folder;
  std::uint64_t seed = 0;
  {
    const auto store = open(folder / "store");
    ASSERT_NE(store, nullptr);
    seed = store->hash_seed();
    store->write(0, changes(put(0, "a", "1"), put(5, "b", std::string(100'000, 'x'))), false);
    store->write(0, changes(put(0, "gone", "1"), erase(0, "gone")), false);
  }
  const auto store = open(folder / "store");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->hash_seed(), seed);
  EXPECT_EQ(value_of(*store, 0, "a"), "1");
  EXPECT_EQ(value_of(*store, 5, "b"), std::string(100'000, 'x'));
  EXPECT_EQ(value_of(*store, 0, "gone"), "missing");
}

TEST(ColdOnDisk, AFlushedDatabaseStaysEmptyAndOthersStay) {
  const Folder folder;
  {
    const auto store = open(folder.path());
    ASSERT_NE(store, nullptr);
    store->write(0, changes(put(0, "a", "1"), put(15, "a", "2")), true);
    store->write(0, changes(flush(0), put(0, "b", "3")), true);
    wait_durable(*store, 4);
    EXPECT_EQ(value_of(*store, 0, "a"), "missing");
  }
  const auto store = open(folder.path());
  ASSERT_NE(store, nullptr);
  EXPECT_THAT(keys_of(*store, 0), ::testing::ElementsAre("b"));
  EXPECT_EQ(value_of(*store, 15, "a"), "2");
}

// testdata/format-N is what the version wrote that brought the format: a table, and a log that was
// not read yet. It is never written again; a new format adds a folder.
TEST(ColdOnDisk, ADirectoryOfEachOlderFormatOpens) {
  for (unsigned format = 1; format <= kDirectoryFormat; ++format) {
    const Folder folder;
    const std::string name = "format-" + std::to_string(format);
    std::filesystem::copy(ULLAGE_SOURCE_DIR "/src/tier/cold/testdata/" + name, folder.path(),
                          std::filesystem::copy_options::recursive);
    const auto store = open(folder.path());
    ASSERT_NE(store, nullptr);
    ASSERT_EQ(store->hash_seed(), 0x756c6c6167652e31u);
    set_hash_seed(store->hash_seed());
    EXPECT_EQ(value_of(*store, 0, "plain"), "in a table");
    EXPECT_EQ(value_of(*store, 0, "log"), "in the log");
    EXPECT_EQ(value_of(*store, 0, "erased"), "missing");
    EXPECT_EQ(value_of(*store, 3, "flushed"), "missing");
    EXPECT_EQ(value_of(*store, 15, "other"), "of the last database");
    const testing::Read kind = testing::read(*store, 0, "kind");
    EXPECT_EQ(kind.entry.value, "{\"a\":1}");
    EXPECT_EQ(kind.entry.kind, 1);
    EXPECT_EQ(kind.entry.written_ms, 1'764'300'000'000u);
    EXPECT_EQ(testing::read(*store, 0, "expires").entry.expires_ms, 4'102'444'800'000u);
  }
}

TEST(ColdOnDisk, CompactionLeavesOutWhoseTimeHasCome) {
  const Folder folder;
  std::atomic<std::uint64_t> now{1000};
  const auto open_at = [&] {
    return open_store({.directory = folder.path(), .now_ms = [&] { return now.load(); }});
  };
  for (int round = 0; round < 6; ++round) {
    auto store = open_at();
    ASSERT_TRUE(store.ok()) << store.error().message;
    std::vector<ColdChange> some;
    for (int i = 0; i < 1000; ++i) {
      some.push_back(put(0, std::to_string(1000 * round + i), "value", 2000));
    }
    store.value()->write(0, std::move(some), true);
    now = 3000;
    if (round < 5) continue;
    // Each restart made a table of the log: now there are enough of them to be put together.
    Progress progress(*store.value());
    for (int i = 0; i < 10'000 && store.value()->figures().entries > 1500; ++i) {
      ::usleep(1000);
      for (int tick = 0; tick < 10; ++tick) store.value()->tick(0);
    }
    EXPECT_LE(store.value()->figures().entries, 1500u);
  }
}

// The least nice of this process's threads whose name begins so; 99: there is none.
int least_nice_of(const std::string& name) {
  int least = 99;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (!text_of(task.path() / "comm").starts_with(name)) continue;
    const auto id = static_cast<id_t>(std::stoul(task.path().filename()));
    least = std::min(least, ::getpriority(PRIO_PROCESS, id));
  }
  return least;
}

TEST(ColdOnDisk, FlushesAndCompactionsGiveWayToWhoServes) {
  const Folder folder;
  const int own = ::getpriority(PRIO_PROCESS, 0);
  const auto store = open_store({.directory = folder / "store"});
  ASSERT_TRUE(store.ok()) << store.error().message;
  std::uint64_t last = 0;
  const std::string value(100'000, 'v');
  const auto given = [&] {  // a thread of either pool gives way with its first work
    return least_nice_of("rocksdb:high") >= 10 && least_nice_of("rocksdb:low") >= 10;
  };
  for (int round = 0; round < 1000 && !given(); ++round) {
    for (int i = 0; i < 10; ++i) {
      last = (*store)->write(0, changes(put(0, "k" + std::to_string(i), value)), false);
    }
    wait_durable(**store, last);
  }
  EXPECT_GE(least_nice_of("rocksdb:high"), std::max(own, 10)) << "flushes";
  EXPECT_GE(least_nice_of("rocksdb:low"), std::max(own, 10)) << "compactions";
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), own);
}

int flags_of(const std::string& path) {
  int flags = 0;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 || ::ioctl(file, FS_IOC_GETFLAGS, &flags) != 0) flags = -1;
  ::close(file);
  return flags;
}

TEST(ColdOnDisk, WhenItsFilesAreReadIsNotWrittenDown) {
  const Folder folder;
  int flags = flags_of(folder.path());
  const int file = ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int wanted = flags | FS_NOATIME_FL;
  const bool known = flags >= 0 && ::ioctl(file, FS_IOC_SETFLAGS, &wanted) == 0 &&
                     ::ioctl(file, FS_IOC_SETFLAGS, &flags) == 0;
  ::close(file);
  if (!known) GTEST_SKIP() << "the file system of " << folder.path() << " has no such flag";
  const auto store = open(folder.path());
  const std::uint64_t last = store->write(0, changes(put(0, "a", "1")), true);
  wait_durable(*store, last);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / kDataName)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    EXPECT_TRUE(flags_of(entry.path()) & FS_NOATIME_FL) << entry.path();
  }
  EXPECT_GE(files, 3);
}

TEST(ColdOnDisk, ADirectoryOfANewerFormatIsRefusedAndLeftAsItIs) {
  const Folder folder;
  ASSERT_TRUE(write_meta(folder.path(), {.format = kDirectoryFormat + 1, .seed = 3}).ok());
  const std::string before = text_of(folder / kMetaName);
  const auto store = open_store({.directory = folder.path()});
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, Code::kUnsupported);
  EXPECT_THAT(store.error().message, HasSubstr("Use the version that wrote it"));
  EXPECT_EQ(text_of(folder / kMetaName), before);
  EXPECT_FALSE(std::filesystem::exists(folder / kDataName));
}

TEST(ColdOnDisk, ADirectoryOfSomethingElseIsRefused) {
  const Folder folder;
  std::ofstream(folder / "thesis.txt") << "do not touch";
  const auto store = open_store({.directory = folder.path()});
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.error().message, HasSubstr("thesis.txt"));
}

TEST(ColdOnDisk, ADirectoryThatIsInUseIsRefused) {
  const Folder folder;
  const auto first = open(folder.path());
  const auto second = open_store({.directory = folder.path()});
  ASSERT_FALSE(second.ok());
}

TEST(ColdOnDisk, ARecordThatWasCutOrChangedIsRefused) {
  const std::string text = to_text({.seed = 0x0123456789abcdef});
  ASSERT_TRUE(parse_meta(text, "f").ok());
  EXPECT_EQ(parse_meta(text, "f").value().seed, 0x0123456789abcdefu);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parse_meta(text.substr(0, i), "f").ok()) << i;
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_FALSE(parse_meta(changed, "f").ok()) << changed;
  }
}

// Flushing fails while the writer waits for it: it is told, and what it needs to recover is free.
TEST(RocksStall, AWriterThatWaitsForAFlushGoesOnWhenItFails) {
  for (const char* reason : {"No space left on device", "Input/output error"}) {
    const Folder folder;
    FaultyEnv disk;
    RocksOptions options;
    options.directory = folder / "db";
    options.cache_bytes = 32 * kMiB;
    options.now_ms = [] { return std::uint64_t{1}; };
    options.env = disk.env();
    auto opened = open_rocks(options);
    ASSERT_TRUE(opened.ok());
    Engine& engine = *opened.value();
    engine.memtable_bytes(kMiB);
    disk.hold_tables(true);
    std::atomic<int> applied{0};
    std::atomic<bool> failed{false};
    std::thread writer([&] {
      while (!failed && applied < 10'000) {
        const ColdChange change = put(0, std::to_string(applied), std::string(50'000, 'x'));
        const ColdChange* one[] = {&change};
        if (engine.apply(one).ok()) {
          ++applied;
        } else {
          failed = true;
        }
      }
    });
    // It stands when nothing comes any more for a while.
    for (int before = -1; before != applied; ::usleep(200'000)) before = applied;
    EXPECT_GT(applied, 0);
    EXPECT_LT(applied, 10'000);
    disk.fail_writes(reason);
    writer.join();
    EXPECT_TRUE(failed);
    disk.heal();
    EXPECT_TRUE(engine.recover().ok());
    const ColdChange change = put(0, "after", "1");
    const ColdChange* one[] = {&change};
    EXPECT_TRUE(engine.apply(one).ok());
    EXPECT_TRUE(engine.sync().ok());
  }
}

}  // namespace
}  // namespace ullage::tier::cold

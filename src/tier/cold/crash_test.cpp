// SPDX-License-Identifier: Apache-2.0
//
// kill -9 at random under load: no acknowledged write is lost. The checker that says so is shown
// histories with a loss in them, and a disk that lies. ULLAGE_COLD_KILLS=200 kills more often,
// ULLAGE_SEED=N repeats the moments.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <random>

#include "tier/cold/crash_checker_testing.h"
#include "tier/cold/faulty_env_testing.h"
#include "tier/cold/rocks.h"
#include "tier/cold/store.h"
#include "tier/cold/store_testing.h"

namespace ullage::tier::cold {
namespace {

using testing::CrashChecker;
using testing::Folder;
using ::testing::HasSubstr;
using testing::Progress;
using Note = CrashChecker::Note;

constexpr std::size_t kKeys = 200;
constexpr const char* kFolderVariable = "ULLAGE_COLD_CRASH_FOLDER";

std::string key_of(std::size_t k) { return "key:" + std::to_string(k); }

// Notes in a file, so that they outlive whoever writes them.
std::span<Note> map_notes(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, kKeys * sizeof(Note)) != 0) return {};
  void* p = ::mmap(nullptr, kKeys * sizeof(Note), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (p == MAP_FAILED) return {};
  return {static_cast<Note*>(p), kKeys};
}

// Writes one operation after the other; what is durable is acknowledged. Ends after `count`.
void write_on(ColdStore& store, std::span<Note> notes, std::uint64_t seed, std::uint64_t count) {
  struct Open {
    std::size_t key;
    std::uint64_t operation, number;
  };
  std::deque<Open> open;
  Progress progress(store);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t k = random() % kKeys;
    const std::uint64_t n = notes[k].handed + 1;
    // Values of several sizes, so that a log's blocks are crossed at all places.
    const std::string value = std::to_string(n) + ":" + std::string(random() % 3000, 'x');
    ColdChange change =
        CrashChecker::erases(n) ? testing::erase(0, key_of(k)) : testing::put(0, key_of(k), value);
    notes[k].handed = n;
    const std::uint64_t number =
        store.write(0, testing::changes(std::move(change)), random() % 4 == 0);
    open.push_back({k, n, number});
    if (store.congested()) progress.until([&] { return !store.congested(); });
    const bool last = i + 1 == count;
    if (last) progress.until([&] { return store.durable(0) >= number; });
    for (const std::uint64_t durable = store.durable(0);
         !open.empty() && open.front().number <= durable; open.pop_front()) {
      notes[open.front().key].acknowledged = open.front().operation;
    }
  }
}

std::string lost_in(ColdStore& store, std::span<const Note> notes) {
  return CrashChecker::lost(notes, [&](std::size_t k) {
    const testing::Read got = testing::read(store, 0, key_of(k));
    std::uint64_t number = got.status == ColdStatus::kFailed ? ~std::uint64_t{0} : 0;
    if (got.status == ColdStatus::kOk) {
      std::from_chars(got.entry.value.data(), got.entry.value.data() + got.entry.value.size(),
                      number);
    }
    return number;
  });
}

std::string checked(std::uint64_t handed, std::uint64_t acknowledged, std::uint64_t found) {
  std::array<Note, 1> notes;
  notes[0].handed = handed;
  notes[0].acknowledged = acknowledged;
  return CrashChecker::lost(notes, [&](std::size_t) { return found; });
}

TEST(CrashChecker, AcceptsWhatLiesBetweenAcknowledgedAndHandedOver) {
  EXPECT_EQ(checked(0, 0, 0), "");
  EXPECT_EQ(checked(3, 0, 0), "") << "nothing was acknowledged yet";
  for (const std::uint64_t found : {2, 3, 4, 5}) EXPECT_EQ(checked(5, 2, found), "");
  EXPECT_EQ(checked(9, 7, 0), "") << "the eighth erases";
  EXPECT_EQ(checked(9, 8, 0), "");
  EXPECT_EQ(checked(9, 8, 9), "");
}

TEST(CrashChecker, NamesWhatWasLostOrNeverWritten) {
  EXPECT_THAT(checked(5, 3, 2), HasSubstr("lost an acknowledged write"));
  EXPECT_THAT(checked(5, 3, 0), HasSubstr("is lost"));
  EXPECT_THAT(checked(12, 9, 0), HasSubstr("is lost")) << "it was written after it was erased";
  EXPECT_THAT(checked(12, 9, 7), HasSubstr("lost an acknowledged write")) << "it came back";
  EXPECT_THAT(checked(5, 3, 6), HasSubstr("nobody wrote"));
  EXPECT_THAT(checked(9, 3, 8), HasSubstr("erasure"));
}

// What the next test kills: it runs this test alone, in a process of its own.
TEST(DISABLED_ColdWriter, WritesUntilItIsKilled) {
  const char* folder = std::getenv(kFolderVariable);
  if (folder == nullptr) GTEST_SKIP() << "it is run by another test";
  const std::span<Note> notes = map_notes(std::string(folder) + "/notes");
  auto store = open_store({.directory = std::string(folder) + "/store"});
  ASSERT_TRUE(store.ok()) << store.error().message;
  set_hash_seed(store.value()->hash_seed());
  ASSERT_FALSE(notes.empty());
  write_on(*store.value(), notes, std::random_device()(), ~std::uint64_t{0});
}

pid_t start_writer(const std::string& folder) {
  const std::string variable = std::string(kFolderVariable) + "=" + folder;
  std::vector<char*> environment;
  for (char** at = environ; *at != nullptr; ++at) environment.push_back(*at);
  environment.push_back(const_cast<char*>(variable.c_str()));
  environment.push_back(nullptr);
  const char* words[] = {"cold_test", "--gtest_also_run_disabled_tests",
                         "--gtest_filter=DISABLED_ColdWriter.*", "--gtest_brief=1", nullptr};
  pid_t pid = -1;
  ::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, const_cast<char**>(words),
                environment.data());
  return pid;
}

TEST(ColdCrash, AKilledWriterLosesNothingThatWasAcknowledged) {
  const char* rounds_text = std::getenv("ULLAGE_COLD_KILLS");
  const int rounds = rounds_text == nullptr ? 4 : std::atoi(rounds_text);
  const char* seed_text = std::getenv("ULLAGE_SEED");
  const std::uint64_t seed =
      seed_text == nullptr ? std::random_device()() : std::strtoull(seed_text, nullptr, 10);
  std::mt19937_64 moments(seed);
  const Folder folder;
  const std::span<Note> notes = map_notes(folder / "notes");
  ASSERT_FALSE(notes.empty());
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < rounds; ++round) {
    const pid_t writer = start_writer(folder.path());
    ASSERT_GT(writer, 0);
    std::uint64_t before = 0;
    for (const Note& note : notes) before += note.handed;
    const auto handed = [&] {
      std::uint64_t sum = 0;
      for (const Note& note : notes) sum += note.handed;
      return sum;
    };
    // It writes before its time is counted: opening takes longer on some machines.
    int status = 0;
    while (handed() == before && ::waitpid(writer, &status, WNOHANG) == 0) ::usleep(1000);
    ::usleep(static_cast<useconds_t>(moments() % 300'000));
    ::kill(writer, SIGKILL);
    ::waitpid(writer, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round << ": it ended by itself";
    for (const Note& note : notes) acknowledged += note.acknowledged != 0 ? 1 : 0;
    auto store = open_store({.directory = folder / "store"});
    ASSERT_TRUE(store.ok()) << store.error().message;
    set_hash_seed(store.value()->hash_seed());
    ASSERT_EQ(lost_in(*store.value(), notes), "") << "round " << round << ", ULLAGE_SEED=" << seed;
  }
  EXPECT_GT(acknowledged, 0u) << "kills came before anything was acknowledged";
}

// The same writer and the same checker, over a disk that keeps what was synced: an honest one, and
// one that says so and does not.
std::string lost_after_a_crash(bool lies) {
  const Folder folder;
  testing::FaultyEnv disk;
  std::array<Note, kKeys> notes;
  const auto open = [&] {
    RocksOptions rocks;
    rocks.directory = folder / "db";
    rocks.cache_bytes = 8 << 20;
    rocks.now_ms = [] { return std::uint64_t{1}; };
    rocks.env = disk.env();
    auto engine = open_rocks(rocks);
    if (!engine.ok()) return std::unique_ptr<ColdStore>();
    return make_store({.directory = folder.path()}, 1, std::move(engine).value());
  };
  auto store = open();
  if (store == nullptr) return "it does not open";
  disk.lie(lies);
  write_on(*store, notes, 17, 2000);
  disk.crash();
  store.reset();
  disk.drop_unsynced();
  disk.heal();
  store = open();
  return store == nullptr ? "it does not open" : lost_in(*store, notes);
}

TEST(ColdCrash, AMachineThatEndsLosesNothingThatWasAcknowledged) {
  EXPECT_EQ(lost_after_a_crash(false), "");
}

TEST(ColdCrash, ADiskThatLiesIsCaught) { EXPECT_NE(lost_after_a_crash(true), ""); }

}  // namespace
}  // namespace ullage::tier::cold

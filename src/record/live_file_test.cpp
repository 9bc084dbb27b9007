// SPDX-License-Identifier: Apache-2.0
#include "record/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "record/reader.h"

namespace ullage::record {
namespace {

class LiveFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("ullage_live." + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    path_ = (folder_ / "a.live").string();
    std::memcpy(header_.magic, kFileMagic, 4);
    header_.version_major = kVersionMajor;
    header_.header_bytes = kFileHeaderBytes;
    header_.tick_shift = 3;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static SegmentHeader events() {
    SegmentHeader h{};
    h.kind = static_cast<uint16_t>(Kind::kEvents);
    return h;
  }

  std::filesystem::path folder_;
  std::string path_;
  FileHeader header_{};
  LiveFile::Claim why_{};
};

TEST_F(LiveFileTest, BelongsToItsOwnerAloneAndIsNeverOverwritten) {
  LiveFile file;
  ASSERT_TRUE(file.create(path_.c_str(), header_));
  struct stat st {};
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  LiveFile second;
  EXPECT_FALSE(second.create(path_.c_str(), header_));
  EXPECT_EQ(errno, EEXIST);
}

TEST_F(LiveFileTest, WhatIsStoredIsThereAfterSigkill) {
  const pid_t child = fork();
  if (child == 0) {
    LiveFile file;
    if (!file.create(path_.c_str(), header_)) _exit(1);
    SegmentHeader* s = file.claim(kSegmentBytesMin, events(), false, &why_);
    if (s == nullptr) _exit(2);
    std::memcpy(s + 1, "kept", 4);
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  std::string error;
  const auto recording = Recording::open(path_, error);
  ASSERT_NE(recording, nullptr) << error;
  ASSERT_EQ(recording->segments().size(), 1u);
  std::vector<uint8_t> payload;
  ASSERT_TRUE(recording->payload(recording->segments()[0], payload, error)) << error;
  EXPECT_EQ(std::memcmp(payload.data(), "kept", 4), 0);
}

TEST_F(LiveFileTest, ALargestSegmentLiesOnItsOwnStepAndTheWayThereIsNoDamage) {
  LiveFile file;
  ASSERT_TRUE(file.create(path_.c_str(), header_));
  for (const uint32_t bytes :
       {kSegmentBytesMin, kSegmentBytesMax, kSegmentBytesMin, kSegmentBytesMax, kSegmentBytesMax}) {
    SegmentHeader* s = file.claim(bytes, events(), false, &why_);
    ASSERT_NE(s, nullptr);
    if (bytes == kSegmentBytesMax) {
      EXPECT_EQ(s->offset % kSegmentBytesMax, 0u);
    }
    std::memcpy(s + 1, "kept", 4);
  }
  std::string error;
  const auto recording = Recording::open(path_, error);
  ASSERT_NE(recording, nullptr) << error;
  EXPECT_EQ(recording->segments().size(), 5u);
  EXPECT_EQ(recording->segments_damaged(), 0u);
  EXPECT_THAT(recording->notes(), testing::IsEmpty());
  EXPECT_EQ(recording->bytes_understood(), recording->file_bytes());
}

TEST_F(LiveFileTest, AProgramThatTookOurDescriptorKeepsItsOwnFile) {
  LiveFile file;
  ASSERT_TRUE(file.create(path_.c_str(), header_));
  const std::string other = (folder_ / "theirs").string();
  std::ofstream(other) << "theirs";
  // As a daemon does: close everything, then open one's own files on whatever numbers are free.
  struct stat ours {};
  ASSERT_EQ(stat(path_.c_str(), &ours), 0);
  for (int fd = 3; fd < 70'000; ++fd) {
    struct stat st {};
    if (fstat(fd, &st) != 0 || st.st_ino != ours.st_ino || st.st_dev != ours.st_dev) continue;
    const int theirs = open(other.c_str(), O_RDWR);
    ASSERT_EQ(dup2(theirs, fd), fd);
    close(theirs);
  }
  SegmentHeader* s = file.claim(kSegmentBytesMin, events(), false, &why_);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(std::filesystem::file_size(other), 6u);
  EXPECT_GE(std::filesystem::file_size(path_), kFileHeaderBytes + kSegmentBytesMin);
}

TEST_F(LiveFileTest, AFileSizeLimitIsAnAnswerAndNotASignal) {
  const pid_t child = fork();
  if (child == 0) {
    LiveFile file;
    if (!file.create(path_.c_str(), header_)) _exit(1);
    rlimit limit{64 << 10, 64 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 100; ++i) {
      if (file.claim(kSegmentBytesMin, events(), false, &why_) == nullptr) {
        _exit(why_ == LiveFile::Claim::kSizeLimit ? 42 : 3);
      }
    }
    _exit(4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(LiveFileTest, KeepsAFewLargeSegmentsAndUsesThemAgainOnceTheyWereTaken) {
  LiveFile file;
  ASSERT_TRUE(file.create(path_.c_str(), header_));
  std::vector<SegmentHeader*> kept;
  for (uint32_t i = 0; i < 8; ++i) {
    SegmentHeader* s = file.claim(kSegmentBytesMax, events(), false, &why_);
    ASSERT_NE(s, nullptr);
    auto* payload = reinterpret_cast<uint8_t*>(s + 1);
    std::memset(payload, 7, 1000);
    file.finish_events(s, payload + 1000);
    EXPECT_EQ(s->flags, static_cast<uint32_t>(kSegmentFull | kSegmentKept));
    EXPECT_EQ(s->payload_bytes, 1000u);
    kept.push_back(s);
  }
  for (const uint32_t bytes : {kSegmentBytesMax, kSegmentBytesMin}) {  // no room, and not of a size
    SegmentHeader* s = file.claim(bytes, events(), false, &why_);
    ASSERT_NE(s, nullptr);
    const uint64_t offset = s->offset;
    file.finish_events(s, reinterpret_cast<uint8_t*>(s + 1));
    SegmentHeader h;
    std::ifstream in(path_, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset)).read(reinterpret_cast<char*>(&h), sizeof h);
    EXPECT_EQ(h.flags, static_cast<uint32_t>(kSegmentFull));
  }
  SegmentHeader next = events();
  next.seq = 77;
  next.ticks0 = 1234;
  EXPECT_EQ(file.take_kept(next), nullptr) << "nobody has archived one";
  __atomic_or_fetch(&kept[5]->flags, static_cast<uint32_t>(kSegmentDropped), __ATOMIC_RELEASE);
  const uint64_t offset = kept[5]->offset;
  SegmentHeader* again = file.take_kept(next);
  ASSERT_EQ(again, kept[5]);
  EXPECT_EQ(again->offset, offset);
  EXPECT_EQ(again->seq, 77u);
  EXPECT_EQ(again->ticks0, 1234u);
  EXPECT_EQ(again->flags, static_cast<uint32_t>(kSegmentReused));
  EXPECT_EQ(again->payload_bytes, kSegmentBytesMax - sizeof(SegmentHeader));
  EXPECT_EQ(*reinterpret_cast<uint8_t*>(again + 1), 0) << "its first event would be an old one";
  EXPECT_EQ(file.take_kept(next), nullptr);
  __atomic_or_fetch(&kept[2]->flags, static_cast<uint32_t>(kSegmentDropped), __ATOMIC_RELEASE);
  file.forget();
  EXPECT_EQ(file.take_kept(next), nullptr) << "a fork's child has no such memory";
}

// Whether a file in `folder` takes small segments, one after another, where a largest one found no
// room for `reason`; how many bytes of them. 0: it does not.
uint64_t small_after_large(const std::string& path, const FileHeader& header,
                           LiveFile::Claim reason) {
  LiveFile file;
  LiveFile::Claim why{};
  SegmentHeader head{};
  head.kind = static_cast<uint16_t>(Kind::kEvents);
  if (!file.create(path.c_str(), header)) return 0;
  uint64_t end = kFileHeaderBytes;
  for (;;) {
    if (file.claim(kSegmentBytesMax, head, false, &why) != nullptr || why != reason) return 0;
    const SegmentHeader* s = file.claim(kSegmentBytesMin, head, false, &why);
    if (s == nullptr) return why == reason ? end - kFileHeaderBytes : 0;
    if (s->offset != end) return 0;  // a gap
    end += s->bytes;
  }
}

TEST_F(LiveFileTest, BelowALimitThatALargeSegmentMeetsSmallOnesUseWhatIsLeft) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    const uint64_t used = small_after_large(path_, header_, LiveFile::Claim::kSizeLimit);
    _exit(used > (1 << 20) - 2 * kSegmentBytesMin ? 42 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(LiveFileTest, SoTheyDoOnADiskThatIsNearlyFull) {
  const pid_t child = fork();
  if (child == 0) {  // a mount namespace of its own: the small disk ends with it
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=1m") != 0) {
      _exit(77);
    }
    const uint64_t used = small_after_large(path_, header_, LiveFile::Claim::kDiskFull);
    _exit(used > (1 << 20) - 3 * kSegmentBytesMin ? 42 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not mount";
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

}  // namespace
}  // namespace ullage::record

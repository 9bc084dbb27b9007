// SPDX-License-Identifier: Apache-2.0
#include "record/archive.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "record/event.h"
#include "record/recording_builder.h"

namespace ullage::record {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

class Archive : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "ullage_archive.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }

  // `events` alloc/free pairs of each of two threads, in 4 KiB segments.
  static void fill(RecordingBuilder& b, int events) {
    b.set_segment_bytes(4096);
    b.module("/usr/bin/example", 0x400000, 0x500000);
    const uint32_t s = b.stack({0x401000, 0x402000});
    uint64_t random = 1;  // addresses and times that don't compress to nothing
    for (int i = 0; i < events; ++i) {
      for (uint32_t tid : {1u, 2u}) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const uint64_t address = 0x10000000u * tid + (random >> 44) * 16;
        b.set_step(800 + (random >> 50));
        b.stream(tid).alloc(address, 40 + static_cast<uint64_t>(i % 7), s);
        b.stream(tid).free(address);
      }
    }
  }
  static std::unique_ptr<Recording> open(const std::string& path) {
    std::string error;
    auto r = Recording::open(path, error);
    EXPECT_NE(r, nullptr) << error;
    return r;
  }
  // One line per event in the order of the file's segments: equal lists are equal recordings.
  static std::vector<std::string> events(const Recording& r) {
    std::vector<std::string> lines;
    std::vector<uint8_t> bytes;
    std::string error;
    for (const SegmentRef& s : r.segments()) {
      if (s.header.kind != static_cast<uint16_t>(Kind::kEvents)) continue;
      EXPECT_TRUE(r.payload(s, bytes, error)) << error;
      EventDecoder d(s.header, bytes.data(), bytes.size(), r.header().tick_shift);
      Event e;
      while (d.next(e)) {
        lines.push_back(std::to_string(e.tid) + " " + std::to_string(e.ticks) + " " +
                        std::to_string(e.address) + " " + std::to_string(e.size));
      }
      EXPECT_FALSE(d.damaged());
    }
    return lines;
  }
  std::string archive_of(const Recording& live, const ArchiveOptions& options = {}) {
    std::string error;
    auto a = ArchiveWriter::create(at("a.ulg.part"), live.header(), options, error);
    EXPECT_NE(a, nullptr) << error;
    uint64_t lost = 0;
    EXPECT_TRUE(append_all(live, *a, lost, error)) << error;
    EXPECT_EQ(lost, 0u);
    EXPECT_TRUE(a->finish(live.header(), at("a.ulg"), error)) << error;
    EXPECT_FALSE(fs::exists(at("a.ulg.part")));
    return at("a.ulg");
  }

  std::string folder_;
};

TEST_F(Archive, HoldsExactlyWhatTheLiveFileHeld) {
  RecordingBuilder b;
  fill(b, 2000);
  b.mark(1 << 20, 1 << 20);
  b.end();
  ASSERT_TRUE(b.write(at("a.live")));
  const auto live = open(at("a.live"));
  const auto archived = open(archive_of(*live));
  EXPECT_TRUE(archived->archived());
  EXPECT_EQ(archived->segments().size(), live->segments().size());
  EXPECT_EQ(events(*archived), events(*live));
  EXPECT_EQ(events(*archived).size(), 8000u);
  EXPECT_THAT(archived->notes(), IsEmpty());
  EXPECT_EQ(archived->bytes_understood(), archived->file_bytes());
  EXPECT_LT(archived->file_bytes(), live->file_bytes() * 3 / 4);
  EXPECT_EQ(archived->header().state, static_cast<uint32_t>(State::kEnded));
  std::vector<uint8_t> before, after;
  std::string error;
  for (const SegmentRef& s : live->segments()) {
    const auto twin = std::find_if(
        archived->segments().begin(), archived->segments().end(),
        [&](const SegmentRef& other) { return other.header.offset == s.header.offset; });
    ASSERT_NE(twin, archived->segments().end());
    ASSERT_TRUE(live->payload(s, before, error));
    ASSERT_TRUE(archived->payload(*twin, after, error));
    if (s.header.kind == static_cast<uint16_t>(Kind::kEvents)) continue;
    EXPECT_EQ(before, after);
  }
}

TEST_F(Archive, PutsEventsBehindAllThatTheyName) {
  RecordingBuilder b;
  fill(b, 2000);
  b.mark(1 << 20, 1 << 20);
  ASSERT_TRUE(b.write(at("a.live")));
  const auto live = open(at("a.live"));
  const auto is_events = [](const SegmentRef& s) {
    return s.header.kind == static_cast<uint16_t>(Kind::kEvents);
  };
  ASSERT_FALSE(std::is_partitioned(live->segments().begin(), live->segments().end(),
                                   std::not_fn(is_events)));
  const auto archived = open(archive_of(*live));
  EXPECT_TRUE(std::is_partitioned(archived->segments().begin(), archived->segments().end(),
                                  std::not_fn(is_events)));
}

TEST_F(Archive, IsReadableByItsOwnerOnly) {
  RecordingBuilder b;
  fill(b, 10);
  ASSERT_TRUE(b.write(at("a.live")));
  const mode_t before = umask(0);
  const std::string path = archive_of(*open(at("a.live")));
  umask(before);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Archive, NeverReplacesAnUnfinishedOne) {
  RecordingBuilder b;
  std::ofstream(at("a.ulg.part")) << "precious";
  std::string error;
  EXPECT_EQ(ArchiveWriter::create(at("a.ulg.part"), b.header(), {}, error), nullptr);
  EXPECT_THAT(error, HasSubstr("File exists"));
}

TEST_F(Archive, NoticesEveryFlippedBitInAPayload) {
  RecordingBuilder b;
  fill(b, 300);
  ASSERT_TRUE(b.write(at("a.live")));
  const std::string path = archive_of(*open(at("a.live")));
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> good{std::istreambuf_iterator<char>(in), {}};
  const auto archived = open(path);
  const std::vector<std::string> all = events(*archived);
  const SegmentRef s = archived->segments().back();
  std::vector<uint8_t> bytes;
  std::string error;
  for (size_t i = 0; i < s.header.payload_bytes; i += 7) {
    std::vector<uint8_t> bad(good.begin(), good.end());
    bad[s.file_offset + sizeof(SegmentHeader) + i] ^= 0x10;
    auto r = Recording::from_bytes(bad, "flipped", error);
    ASSERT_NE(r, nullptr);
    ASSERT_EQ(r->segments().size(), archived->segments().size());
    // Bits that zstd does not use may flip; what decodes must then be the same.
    std::vector<uint8_t> original;
    ASSERT_TRUE(archived->payload(s, original, error));
    if (r->payload(r->segments().back(), bytes, error)) {
      ASSERT_EQ(bytes, original) << i;
    } else {
      ASSERT_THAT(error, HasSubstr("damaged"));
    }
  }
}

TEST_F(Archive, CutAtAnyByteYieldsTheSegmentsBeforeTheCut) {
  RecordingBuilder b;
  fill(b, 400);
  ASSERT_TRUE(b.write(at("a.live")));
  std::ifstream in(archive_of(*open(at("a.live"))), std::ios::binary);
  const std::vector<char> good{std::istreambuf_iterator<char>(in), {}};
  uint64_t before = 0;
  std::string error;
  for (size_t cut = kFileHeaderBytes; cut <= good.size(); ++cut) {
    auto r = Recording::from_bytes({good.begin(), good.begin() + static_cast<ptrdiff_t>(cut)},
                                   "cut", error);
    ASSERT_NE(r, nullptr) << error;
    uint64_t whole = 0;
    std::vector<uint8_t> bytes;
    for (const SegmentRef& s : r->segments()) {
      if (r->payload(s, bytes, error) && bytes.size() == s.header.raw_bytes) ++whole;
    }
    ASSERT_GE(whole, before);
    before = whole;
  }
  EXPECT_EQ(before, open(at("a.ulg"))->segments().size());
}

TEST_F(Archive, IsFoundBehindADamagedHeader) {
  RecordingBuilder b;
  fill(b, 1200);
  ASSERT_TRUE(b.write(at("a.live")));
  const std::string path = archive_of(*open(at("a.live")));
  const auto good = open(path);
  ASSERT_GT(good->segments().size(), 4u);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(good->segments()[3].file_offset));
  file.write("XXXX", 4);
  file.close();
  const auto r = open(path);
  EXPECT_EQ(r->segments().size(), good->segments().size() - 1);
  EXPECT_EQ(r->segments_damaged(), 1u);
  EXPECT_EQ(r->bytes_understood(), r->file_bytes() - good->segments()[3].header.bytes);
  EXPECT_THAT(r->notes(), testing::ElementsAre(HasSubstr("damaged")));
}

TEST_F(Archive, OfAKilledParentIsReadTogetherWithTheLiveFile) {
  RecordingBuilder b;
  fill(b, 2000);
  ASSERT_TRUE(b.write(at("a.live")));
  const auto whole = open(at("a.live"));
  const std::vector<std::string> all = events(*whole);
  std::string error;
  auto part = ArchiveWriter::create(at("a.ulg.part"), whole->header(), {}, error);
  ASSERT_NE(part, nullptr) << error;
  // The parent moved every second EVENTS segment; of the last one it did not get to punch the hole.
  const int fd = ::open(at("a.live").c_str(), O_RDWR | O_CLOEXEC);
  std::vector<uint8_t> bytes;
  std::vector<SegmentRef> moved;
  for (const SegmentRef& s : whole->segments()) {
    if (s.header.kind != static_cast<uint16_t>(Kind::kEvents) || s.header.seq % 2 != 0) continue;
    ASSERT_TRUE(whole->payload(s, bytes, error));
    ASSERT_TRUE(part->append(s.header, bytes.data(), bytes.size(), error)) << error;
    moved.push_back(s);
  }
  ASSERT_GT(moved.size(), 4u);
  for (size_t i = 0; i + 1 < moved.size(); ++i) {
    SegmentHeader h = moved[i].header;
    h.flags |= kSegmentDropped;
    std::vector<uint8_t> hole(h.bytes);
    memcpy(hole.data(), &h, sizeof h);
    ASSERT_EQ(pwrite(fd, hole.data(), hole.size(), static_cast<off_t>(moved[i].file_offset)),
              static_cast<ssize_t>(hole.size()));
  }
  close(fd);
  part.reset();
  {
    const auto r = open(at("a.live"));
    EXPECT_EQ(events(*r), all);
    EXPECT_THAT(r->notes(), IsEmpty());
    EXPECT_EQ(r->segments_dropped(), 0u);
    EXPECT_EQ(r->bytes_understood(), r->file_bytes());
  }
  // A segment that the parent was writing when it was killed takes nothing away: its header comes
  // last.
  const auto whole_part = fs::file_size(at("a.ulg.part"));
  std::ofstream(at("a.ulg.part"), std::ios::binary | std::ios::app)
      << std::string(sizeof(SegmentHeader), '\0') << std::string(5000, 'x');
  EXPECT_EQ(events(*open(at("a.live"))), all);
  EXPECT_THAT(open(at("a.live"))->notes(), IsEmpty());
  // Nor does a part that was cut short, as the live file still has what it was cut in.
  fs::resize_file(at("a.ulg.part"), whole_part - 9);
  EXPECT_EQ(events(*open(at("a.live"))), all);
  // Without the part, the reader says what is missing.
  fs::remove(at("a.ulg.part"));
  const auto r = open(at("a.live"));
  EXPECT_LT(events(*r).size(), all.size());
  EXPECT_THAT(r->notes(), testing::ElementsAre(HasSubstr("a.ulg.part")));
}

TEST_F(Archive, OfAParentThatHasJustMadeItHoldsNothingYet) {
  RecordingBuilder b;
  fill(b, 50);
  ASSERT_TRUE(b.write(at("a.live")));
  const std::vector<std::string> all = events(*open(at("a.live")));
  std::ofstream(at("a.ulg.part")) << "";
  const auto r = open(at("a.live"));
  EXPECT_EQ(events(*r), all);
  EXPECT_THAT(r->notes(), IsEmpty());
}

TEST_F(Archive, OfASegmentThatMovesWhileTheLiveFileIsReadIsFollowed) {
  RecordingBuilder b;
  fill(b, 500);
  ASSERT_TRUE(b.write(at("a.live")));
  const auto reading = open(at("a.live"));
  const SegmentRef moved = reading->segments().back();
  std::vector<uint8_t> before, after;
  std::string error;
  ASSERT_TRUE(reading->payload(moved, before, error));
  auto part = ArchiveWriter::create(at("a.ulg.part"), reading->header(), {}, error);
  for (const SegmentRef& s : reading->segments()) {
    ASSERT_TRUE(reading->payload(s, after, error));
    ASSERT_TRUE(part->append(s.header, after.data(), after.size(), error)) << error;
  }
  std::fstream file(at("a.live"), std::ios::in | std::ios::out | std::ios::binary);
  SegmentHeader h = moved.header;
  h.flags |= kSegmentDropped;
  std::vector<char> hole(h.bytes);
  memcpy(hole.data(), &h, sizeof h);
  file.seekp(static_cast<std::streamoff>(moved.file_offset));
  file.write(hole.data(), static_cast<std::streamsize>(hole.size()));
  file.close();
  ASSERT_TRUE(reading->payload(moved, after, error)) << error;
  before.resize(after.size());  // the archive cut the zero tail off
  EXPECT_EQ(after, before);
  fs::remove(at("a.ulg.part"));
  EXPECT_FALSE(reading->payload(moved, after, error));
  EXPECT_THAT(error, HasSubstr("Open the recording again"));
}

TEST_F(Archive, DoesNotUseThePartOfAnotherRecording) {
  RecordingBuilder a, b;
  fill(a, 50);
  fill(b, 90);
  b.header().run_id = 77;
  ASSERT_TRUE(a.write(at("a.live")));
  ASSERT_TRUE(b.write(at("b.live")));
  std::string error;
  const auto other = open(at("b.live"));
  auto part = ArchiveWriter::create(at("a.ulg.part"), other->header(), {}, error);
  uint64_t lost = 0;
  ASSERT_TRUE(append_all(*other, *part, lost, error));
  const auto r = open(at("a.live"));
  EXPECT_EQ(events(*r).size(), 200u);
  EXPECT_THAT(r->notes(), testing::ElementsAre(HasSubstr("another recording")));
}

TEST_F(Archive, RingModeKeepsTheNewestEventsAndSumsTheRestPerStack) {
  RecordingBuilder b;
  fill(b, 20000);
  b.mark(1, 1);
  b.end();
  ASSERT_TRUE(b.write(at("a.live")));
  const auto live = open(at("a.live"));
  ArchiveOptions options;
  options.ring_bytes = 64 << 10;
  const auto r = open(archive_of(*live, options));
  EXPECT_TRUE(r->header().features & kFeatureRing);
  EXPECT_THAT(r->notes(), IsEmpty());
  uint64_t event_bytes = 0, oldest = ~0ull, newest = 0, aggregated = 0, aggregated_bytes = 0;
  std::vector<uint8_t> bytes;
  std::string error;
  size_t stacks = 0, modules = 0, marks = 0;
  for (const SegmentRef& s : r->segments()) {
    switch (static_cast<Kind>(s.header.kind)) {
      case Kind::kEvents:
        event_bytes += s.header.bytes;
        oldest = std::min(oldest, s.header.ticks0);
        newest = std::max(newest, s.header.ticks0);
        break;
      case Kind::kStacks:
        ++stacks;
        break;
      case Kind::kModules:
        ++modules;
        break;
      case Kind::kMarks:
        ++marks;
        break;
      case Kind::kAggregate: {
        ASSERT_TRUE(r->payload(s, bytes, error));
        for (size_t i = 0; i + sizeof(AggregateRecord) <= bytes.size();
             i += sizeof(AggregateRecord)) {
          AggregateRecord record;
          memcpy(&record, bytes.data() + i, sizeof record);
          aggregated += record.allocations;
          aggregated_bytes += record.bytes;
        }
        break;
      }
      case Kind::kFiller:
        ADD_FAILURE() << "an archive has none";
        break;
    }
  }
  EXPECT_LE(event_bytes, options.ring_bytes);
  EXPECT_GT(event_bytes, options.ring_bytes / 2);
  EXPECT_EQ(stacks, 1u);
  EXPECT_EQ(modules, 1u);
  EXPECT_EQ(marks, 1u);
  EXPECT_LT(fs::file_size(at("a.ulg")), options.ring_bytes + (16u << 10));
  // What is kept is the newest of both threads, and nothing is counted twice or lost.
  uint64_t newest_live = 0;
  for (const SegmentRef& s : live->segments()) {
    if (s.header.kind != static_cast<uint16_t>(Kind::kEvents)) continue;
    newest_live = std::max(newest_live, s.header.ticks0);
  }
  EXPECT_EQ(newest, newest_live);
  uint64_t kept = 0;
  for (const std::string& line : events(*r)) kept += line.ends_with(" 0") ? 0 : 1;
  EXPECT_EQ(kept + aggregated, 40000u);
  EXPECT_GT(aggregated, 0u);
  EXPECT_GE(aggregated_bytes, aggregated * 40);
}

TEST_F(Archive, OnAFullDiskStaysAsItWasBefore) {
  RecordingBuilder b;
  fill(b, 4000);
  ASSERT_TRUE(b.write(at("a.live")));
  // A file size limit answers like a full disk, and needs no mount. In a child: limits stay.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{16 << 10, 16 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto live = open(at("a.live"));
    std::string error;
    auto a = ArchiveWriter::create(at("a.ulg.part"), live->header(), {}, error);
    uint64_t lost = 0;
    if (a == nullptr || append_all(*live, *a, lost, error)) _exit(1);
    _exit(error.find("can't be written") != std::string::npos ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  const auto r = open(at("a.ulg.part"));
  EXPECT_GT(r->segments().size(), 2u);
  EXPECT_THAT(r->notes(), IsEmpty());
  EXPECT_EQ(r->bytes_understood(), r->file_bytes());
}

}  // namespace
}  // namespace ullage::record

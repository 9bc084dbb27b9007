// SPDX-License-Identifier: Apache-2.0
#include "record/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "record/event.h"
#include "record/recording_builder.h"

namespace ullage::record {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Contents {
  uint64_t events = 0;
  std::vector<Event> list;
  std::map<uint32_t, StackNode> nodes;
  uint64_t payload_errors = 0;
};

Contents decode(const Recording& r) {
  Contents c;
  std::vector<uint8_t> bytes;
  std::string error;
  for (const SegmentRef& s : r.segments()) {
    if (!r.payload(s, bytes, error)) {
      ++c.payload_errors;
      continue;
    }
    if (s.header.kind == static_cast<uint16_t>(Kind::kEvents)) {
      EventDecoder d(s.header, bytes.data(), bytes.size(), r.header().tick_shift);
      Event e;
      while (d.next(e)) {
        ++c.events;
        c.list.push_back(e);
      }
    } else if (s.header.kind == static_cast<uint16_t>(Kind::kStacks)) {
      for (size_t i = 0; (i + 1) * sizeof(StackNode) <= bytes.size(); ++i) {
        memcpy(&c.nodes[s.header.first_id + static_cast<uint32_t>(i)],
               bytes.data() + i * sizeof(StackNode), sizeof(StackNode));
      }
    }
  }
  return c;
}

std::unique_ptr<Recording> from(std::vector<uint8_t> bytes) {
  std::string error;
  auto r = Recording::from_bytes(std::move(bytes), "memory.live", error);
  EXPECT_NE(r, nullptr) << error;
  return r;
}

void fill(RecordingBuilder& b, int events = 6) {
  b.module("/usr/bin/example", 0x400000, 0x500000);
  const uint32_t a = b.stack({0x401000, 0x402000});
  auto& t = b.stream(7);
  for (int i = 0; i < events / 2; ++i) {
    t.alloc(0x10000 + 64 * static_cast<uint64_t>(i), 48, a);
    t.free(Tag::kFreeContent, 0x10000 + 64 * static_cast<uint64_t>(i), a);
  }
}

TEST(Reader, FindsEverySegmentOfALiveFile) {
  RecordingBuilder b;
  fill(b);
  b.mark(1 << 20, 2 << 20);
  const auto r = from(b.live());
  EXPECT_EQ(r->segments().size(), 4u);
  EXPECT_EQ(r->segments_damaged(), 0u);
  EXPECT_EQ(r->bytes_understood(), r->file_bytes());
  EXPECT_THAT(r->notes(), testing::IsEmpty());
  const Contents c = decode(*r);
  EXPECT_EQ(c.events, 6u);
  EXPECT_EQ(c.list[1].tag, Tag::kFreeContent);
  EXPECT_EQ(c.list[1].address, 0x10000u);
  EXPECT_EQ(c.list[1].tid, 7u);
  EXPECT_EQ(c.nodes.at(2).parent, 1u);
  EXPECT_EQ(c.nodes.at(2).pc, 0x402000u);
}

TEST(Reader, StepsOverSpaceThatWasClaimedButNeverWritten) {
  RecordingBuilder b;
  b.set_segment_bytes(4096);
  fill(b, 2000);
  std::vector<uint8_t> file = b.live();
  const uint64_t whole = decode(*from(file)).events;
  ASSERT_EQ(whole, 2000u);
  // Three pages of nothing before the last segment, which moves back by as much.
  const uint64_t last = from(file)->segments().back().file_offset;
  file.insert(file.begin() + static_cast<ptrdiff_t>(last), 3 * kPageBytes, 0);
  SegmentHeader h;
  memcpy(&h, file.data() + last + 3 * kPageBytes, sizeof h);
  h.offset += 3 * kPageBytes;
  memcpy(file.data() + last + 3 * kPageBytes, &h, sizeof h);
  const auto r = from(file);
  EXPECT_EQ(decode(*r).events, whole);
  EXPECT_EQ(r->segments_damaged(), 0u);
}

TEST(Reader, StepsOverASegmentWhoseHeaderWasBeingWrittenAnew) {
  RecordingBuilder b;
  b.set_segment_bytes(16384);
  fill(b, 20000);
  std::vector<uint8_t> file = b.live();
  const auto whole = from(file);
  std::vector<SegmentRef> all = whole->segments();
  ASSERT_GT(all.size(), 5u);
  const uint32_t none = 0;
  memcpy(file.data() + all[all.size() - 2].file_offset, &none, sizeof none);  // its magic
  const auto r = from(file);
  EXPECT_EQ(r->segments().size(), all.size() - 1);
  EXPECT_EQ(r->segments_damaged(), 0u) << "what lies there was archived";
  EXPECT_THAT(r->notes(), testing::IsEmpty());
}

TEST(Reader, IsNotFooledByPayloadThatLooksLikeAHeader) {
  RecordingBuilder b;
  SegmentHeader fake{};
  fake.magic = kSegmentMagic;
  fake.kind = static_cast<uint16_t>(Kind::kEvents);
  fake.version = 1;
  fake.bytes = kPageBytes;
  fake.offset = 0x7000;  // not where it lies
  std::vector<uint8_t> payload(3 * kPageBytes, 1);
  memcpy(payload.data() + kPageBytes - sizeof fake, &fake, sizeof fake);  // on a page boundary
  b.raw_segment(Kind::kEvents, payload);
  fill(b);
  std::vector<uint8_t> file = b.live();
  const uint64_t at = from(file)->segments()[2].file_offset;
  SegmentHeader h;
  memcpy(&h, file.data() + at, sizeof h);
  ASSERT_GT(h.bytes, 3 * kPageBytes);
  h.magic ^= 1;  // the real header is lost: the reader looks into the payload
  memcpy(file.data() + at, &h, sizeof h);
  const auto r = from(file);
  EXPECT_EQ(r->segments().size(), 3u);
  EXPECT_EQ(r->segments_damaged(), 1u);
  EXPECT_EQ(decode(*r).events, 6u);
  EXPECT_THAT(r->notes(), ElementsAre(HasSubstr("damaged")));
  EXPECT_EQ(r->bytes_understood(), r->file_bytes() - h.bytes);
}

TEST(Reader, TakesAllThatPrecedesTheCutOfAFileTruncatedAtAnyByte) {
  RecordingBuilder b;
  b.set_segment_bytes(4096);
  fill(b, 600);
  const std::vector<uint8_t> file = b.live();
  uint64_t before = 0;
  for (size_t bytes = 0; bytes <= file.size(); ++bytes) {
    std::string error;
    auto r = Recording::from_bytes({file.begin(), file.begin() + static_cast<ptrdiff_t>(bytes)},
                                   "cut", error);
    if (bytes < kFileHeaderBytes) {
      ASSERT_EQ(r, nullptr);
      ASSERT_THAT(error, HasSubstr("cut"));
      continue;
    }
    ASSERT_NE(r, nullptr) << bytes << ": " << error;
    ASSERT_LE(r->bytes_understood(), bytes);
    const uint64_t events = decode(*r).events;
    ASSERT_GE(events, before) << bytes;  // another byte never shows less
    before = events;
  }
  EXPECT_EQ(before, 600u);
}

TEST(Reader, SurvivesAFlippedBitAnywhereAndSaysHowMuchItUnderstood) {
  RecordingBuilder b;
  fill(b);
  const std::vector<uint8_t> file = b.live();
  for (size_t at = 0; at < file.size(); at += at % kPageBytes < 256 ? 1 : 61) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<uint8_t> bad = file;
      bad[at] = static_cast<uint8_t>(bad[at] ^ (1 << bit));
      std::string error;
      auto r = Recording::from_bytes(bad, "flipped", error);
      if (r == nullptr) {
        ASSERT_FALSE(error.empty());
        continue;
      }
      ASSERT_LE(r->bytes_understood(), r->file_bytes());
      ASSERT_LE(r->header().tick_shift, kTickShiftMax);
      ASSERT_LE(decode(*r).events, 10000u);
      ASSERT_EQ(r->segments_damaged() > 0 && r->notes().empty(), false);
    }
  }
}

TEST(Reader, ClampsHostileCountsInTheHeader) {
  RecordingBuilder b;
  fill(b);
  std::vector<uint8_t> file = b.live();
  FileHeader h;
  memcpy(&h, file.data(), sizeof h);
  h.tick_shift = 0xffff;
  h.stack_nodes = ~0u;
  h.build_id_bytes = 0xff;
  h.file_bytes = ~0ull;
  memset(h.exe, 'x', sizeof h.exe);
  memset(h.cmdline, 'y', sizeof h.cmdline);
  memcpy(file.data(), &h, sizeof h);
  const auto r = from(file);
  EXPECT_EQ(r->header().tick_shift, 0);
  EXPECT_EQ(r->header().stack_nodes, kStackNodesMax);
  EXPECT_LE(r->header().build_id_bytes, sizeof h.build_id);
  EXPECT_EQ(strnlen(r->header().exe, sizeof h.exe), sizeof h.exe - 1);
  EXPECT_EQ(r->notes().size(), 2u);
  EXPECT_EQ(decode(*r).events, 6u);
}

TEST(Reader, RefusesSegmentsThatClaimMoreThanTheyCanHold) {
  RecordingBuilder b;
  fill(b);
  const std::vector<uint8_t> file = b.live();
  const SegmentRef events = from(file)->segments().back();
  const auto with = [&](auto change) {
    std::vector<uint8_t> bad = file;
    SegmentHeader h = events.header;
    change(h);
    memcpy(bad.data() + events.file_offset, &h, sizeof h);
    return from(bad)->segments().size();
  };
  EXPECT_EQ(with([](SegmentHeader&) {}), 3u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.bytes = 0; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.bytes = 100; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.bytes = ~0u; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.payload_bytes = h.bytes; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.raw_bytes = kSegmentBytesLimit + 1; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.kind = 99; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.version = 2; }), 2u);
  EXPECT_EQ(with([](SegmentHeader& h) { h.flags = kSegmentDropped; }), 2u);
}

TEST(Reader, DoesNotAllocateWhatATinyCompressedPayloadClaims) {
  RecordingBuilder b;
  b.raw_segment(Kind::kEvents, {1, 2, 3, 4}, kSegmentZstd);
  std::vector<uint8_t> file = b.live();
  SegmentRef s = from(file)->segments().back();
  s.header.raw_bytes = kSegmentBytesLimit;
  memcpy(file.data() + s.file_offset, &s.header, sizeof s.header);
  const auto r = from(file);
  std::vector<uint8_t> out;
  std::string error;
  EXPECT_FALSE(r->payload(r->segments().back(), out, error));
  EXPECT_THAT(error, HasSubstr("damaged"));
  EXPECT_LT(out.capacity(), 1u << 20);
}

TEST(Reader, SkipsKindsFromNextYearAndSaysSo) {
  RecordingBuilder b;
  b.raw_segment(static_cast<Kind>(17), {1, 2, 3});
  fill(b);
  const auto r = from(b.live());
  EXPECT_EQ(r->segments().size(), 3u);
  EXPECT_THAT(r->notes(), ElementsAre(HasSubstr("does not know")));
}

TEST(Reader, NamesWhatIsWrongWithAFileThatIsNoRecording) {
  std::string error;
  EXPECT_EQ(Recording::open("/nonexistent/x.ulg", error), nullptr);
  EXPECT_THAT(error, HasSubstr("No such file"));
  EXPECT_EQ(Recording::open("/tmp", error), nullptr);
  EXPECT_THAT(error, HasSubstr("not a regular file"));
  EXPECT_EQ(Recording::from_bytes(std::vector<uint8_t>(9000, 'x'), "x.ulg", error), nullptr);
  EXPECT_THAT(error, HasSubstr("it begins with \"xxxx\""));
  RecordingBuilder b;
  b.header().version_major = 2;
  EXPECT_EQ(Recording::from_bytes(b.live(), "x.ulg", error), nullptr);
  EXPECT_THAT(error, HasSubstr("format version 2." + std::to_string(kVersionMinor)));
}

TEST(Reader, CrossesASparseFileOfManyTerabytesInNoTime) {
  RecordingBuilder b;
  fill(b);
  const std::string path = std::filesystem::temp_directory_path() /
                           ("ullage_sparse." + std::to_string(getpid()) + ".live");
  ASSERT_TRUE(b.write(path));
  if (truncate(path.c_str(), off_t{4} << 40) != 0) {
    unlink(path.c_str());
    GTEST_SKIP() << "the file system has no files of 4 TiB";
  }
  std::string error;
  const auto r = Recording::open(path, error);
  unlink(path.c_str());
  ASSERT_NE(r, nullptr) << error;
  EXPECT_EQ(decode(*r).events, 6u);
}

TEST(Reader, KnowsThePartOfALiveFile) {
  EXPECT_EQ(part_path("a/x.12.0.live"), "a/x.12.0.ulg.part");
  EXPECT_EQ(part_path("x.ulg"), "");
  EXPECT_EQ(part_path(".live"), "");
}

}  // namespace
}  // namespace ullage::record

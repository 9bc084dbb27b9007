// SPDX-License-Identifier: Apache-2.0
//
// What is said of a recording of which not all could be read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "record/archive.h"
#include "record/reader.h"
#include "record/recording_builder.h"
#include "trace/native/native.h"

namespace ullage::trace {
namespace {

namespace fs = std::filesystem;
using evidence::Understood;
using record::Kind;
using record::Recording;
using record::RecordingBuilder;
using record::SegmentRef;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using Bytes = std::vector<std::uint8_t>;

std::unique_ptr<Recording> open(Bytes bytes) {
  std::string error;
  auto r = Recording::from_bytes(std::move(bytes), "test.ulg", error);
  EXPECT_NE(r, nullptr) << error;
  return r;
}

Understood understood(Bytes bytes) {
  const auto r = open(std::move(bytes));
  auto e = read_recording(*r, {.symbolize = false, .debug_dirs = {}, .progress = {}});
  EXPECT_TRUE(e.ok());
  return std::move(e->understood);
}

// The bytes of an archive of what was built.
Bytes archive(const RecordingBuilder& b) {
  std::string folder = fs::temp_directory_path() / "ullage_understood.XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  std::string error;
  std::uint64_t lost = 0;
  const auto live = open(b.live());
  auto a = record::ArchiveWriter::create(folder + "/a.ulg.part", live->header(), {}, error);
  EXPECT_TRUE(a != nullptr && append_all(*live, *a, lost, error) &&
              a->finish(live->header(), folder + "/a.ulg", error))
      << error;
  std::ifstream in(folder + "/a.ulg", std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(in), {}};
  fs::remove_all(folder);
  return bytes;
}

// Several EVENTS segments that zstd finds something to keep of, and one of each other kind.
void fill(RecordingBuilder& b) {
  b.set_segment_bytes(4096);
  b.module("/usr/bin/example", 0x400000, 0x500000);
  const std::uint32_t stack = b.stack({0x401000, 0x402000});
  std::uint64_t random = 1;
  for (int i = 0; i < 4000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    b.stream(1).alloc(random >> 30 & ~15ull, random >> 58, stack);
  }
  b.mark(1 << 20, 1 << 20);
  b.end();
}

TEST(Understood, AWholeArchiveIsUnderstoodToTheLastByteWithoutANote) {
  RecordingBuilder b;
  fill(b);
  for (const Bytes& bytes : {b.live(), archive(b)}) {
    const Understood u = understood(bytes);
    EXPECT_EQ(u.bytes_used, u.bytes_total);
    EXPECT_EQ(u.bytes_total, bytes.size());
    EXPECT_THAT(u.notes, testing::IsEmpty());
  }
}

TEST(Understood, AFlippedBitCostsThePayloadThatItSpoilsAndNoByteMore) {
  RecordingBuilder b;
  fill(b);
  const Bytes whole = archive(b);
  const auto r = open(whole);
  ASSERT_GT(r->segments().size(), 5u);
  for (const SegmentRef& s : r->segments()) {
    SCOPED_TRACE("kind " + std::to_string(s.header.kind));
    ASSERT_NE(s.header.payload_bytes, s.header.raw_bytes)
        << "or it could not be told which is counted";
    Bytes flipped = whole;
    // The frame's checksum is its last four bytes; whatever else is hit, it tells.
    flipped[s.file_offset + sizeof s.header + s.header.payload_bytes - 5] ^= 0x10;
    const Understood u = understood(flipped);
    EXPECT_EQ(u.segments_damaged, 1u);
    EXPECT_EQ(u.bytes_total - u.bytes_used, s.header.payload_bytes);
    EXPECT_EQ(u.notes.size(), s.header.kind == static_cast<std::uint16_t>(Kind::kStacks) ? 2u : 1u)
        << "and without contexts, that growth can't be linked";
  }
}

TEST(Understood, TwoFlippedSegmentsCostBoth) {
  RecordingBuilder b;
  fill(b);
  Bytes bytes = archive(b);
  const auto r = open(bytes);
  std::uint64_t lost = 0;
  std::size_t hit = 0;
  for (const SegmentRef& s : r->segments()) {
    if (s.header.kind != static_cast<std::uint16_t>(Kind::kEvents) || hit == 2) continue;
    bytes[s.file_offset + sizeof s.header + s.header.payload_bytes / 2] ^= 1;
    lost += s.header.payload_bytes;
    ++hit;
  }
  const Understood u = understood(bytes);
  EXPECT_EQ(u.segments_damaged, 2u);
  EXPECT_EQ(u.bytes_total - u.bytes_used, lost);
}

TEST(Understood, EventsThatStopMakingSenseCostTheirShareOfTheCompressedPayload) {
  RecordingBuilder b;
  b.stream(1).alloc(0x1000, 8, b.stack({0x401000}));
  Bytes nonsense(30'000, 0xee);  // packs to a few bytes
  b.raw_segment(Kind::kEvents, nonsense, record::kSegmentFull);
  b.end();
  const Understood u = understood(archive(b));
  EXPECT_EQ(u.segments_damaged, 1u);
  EXPECT_GT(u.bytes_total - u.bytes_used, 0u);
  EXPECT_LT(u.bytes_total - u.bytes_used, 1000u);
}

TEST(Understood, SaysThatGrowthCannotBeLinkedWhereContextsAreMissing) {
  RecordingBuilder b;
  b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
  b.stream(1).alloc(0x2000, 64, 77);  // in a segment that is lost
  b.stream(1).alloc(0x3000, 64, 78);
  b.end();
  EXPECT_THAT(understood(b.live()).notes,
              Contains("Growth can't be linked: the calling contexts of 2 of 3 allocations are "
                       "missing."));
}

TEST(Understood, DoesNotMissTheContextsOfARecordingThatHasNoneByWish) {
  RecordingBuilder b;
  b.stream(1).alloc(0x1000, 64, 0);  // --depth=0
  b.end();
  EXPECT_THAT(understood(b.live()).notes, Not(Contains(HasSubstr("contexts"))));
}

TEST(Understood, SaysThatAFileEndsBehindItsHeader) {
  RecordingBuilder b;
  fill(b);
  Bytes bytes = b.live();
  bytes.resize(record::kFileHeaderBytes);
  EXPECT_THAT(understood(bytes).notes, Contains(HasSubstr("cut short behind its header")));
}

TEST(Understood, CountsStackNodesThatNobodyWrote) {
  RecordingBuilder b;
  const std::uint32_t never_written = b.child(0, 0);
  b.stream(1).alloc(0x1000, 64, b.child(never_written, 0x401000));
  b.end();
  EXPECT_THAT(understood(b.live()).notes, Contains(HasSubstr("1 stack nodes are missing")));
}

TEST(Understood, SaysHowManyEventsFoundNoRoom) {
  RecordingBuilder b;
  b.header().counters.skipped_no_writer = 12;
  b.stream(1).alloc(0x1000, 64, b.stack({0x401000}));
  b.end();
  EXPECT_THAT(understood(b.live()).notes, Contains(HasSubstr("12 events were lost")));
}

}  // namespace
}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#include "record/event.h"

#include <gtest/gtest.h>

#include "record/event_writer.h"
#include "record/recording_builder.h"

namespace ullage::record {
namespace {

struct Encoded {
  std::vector<uint8_t> bytes;
  EventWriter writer;
  SegmentHeader header{};
  explicit Encoded(uint64_t ticks0 = 1000, unsigned shift = 3) : bytes(4096, 0) {
    header.ticks0 = ticks0;
    header.tid = 5;
    writer.start(bytes.data(), bytes.size(), ticks0, shift);
  }
  EventDecoder decoder(size_t count = 4096) const {
    return EventDecoder(header, bytes.data(), count, 3);
  }
};

TEST(Event, EveryTagComesBackAsItWasWritten) {
  Encoded x;
  x.writer.thread_name(5, "worker", 6);
  x.writer.alloc(Tag::kAlloc, 1008, 0x7f0000001000, 100, 3);
  x.writer.alloc(Tag::kAllocZeroed, 1016, 0x7f0000000800, 1ull << 40, 4);
  x.writer.unused(77);
  x.writer.free(Tag::kFreeContent, 1024, 0x7f0000001000, 9);
  x.writer.free(1032, 0x7f0000000800);
  x.writer.thread(2000, 6);
  x.writer.realloc(Tag::kRealloc, 2008, 0x2000, 64, 8, 0, 16);
  x.writer.realloc(Tag::kReallocFull, 2016, 0x2000, 128, 8, 0x2000, 24);
  x.writer.remap(2024, 0x9000, 8192, 2, 0x5000, 4096, 32);
  x.writer.unmap(2032, 0x9000, 8192);
  EventDecoder d = x.decoder();
  Event e;

  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kThreadName);
  EXPECT_EQ(std::string(e.name, e.name_bytes), "worker");
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kAlloc);
  EXPECT_EQ(e.ticks, 1008u);
  EXPECT_EQ(e.address, 0x7f0000001000u);
  EXPECT_EQ(e.size, 100u);
  EXPECT_EQ(e.stack, 3u);
  EXPECT_EQ(e.tid, 5u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kAllocZeroed);
  EXPECT_EQ(e.address, 0x7f0000000800u);
  EXPECT_EQ(e.size, 1ull << 40);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kFreeContent);
  EXPECT_EQ(e.unused, 77u);
  EXPECT_EQ(e.stack, 9u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kFree);
  EXPECT_EQ(e.unused, 0u);  // belonged to the free before
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kRealloc);
  EXPECT_EQ(e.tid, 6u);
  EXPECT_EQ(e.ticks, 2008u);
  EXPECT_EQ(e.old_address, 0u);
  EXPECT_EQ(e.duration, 16u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.old_address, 0x2000u);  // in place is not NULL
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kRemap);
  EXPECT_EQ(e.old_address, 0x5000u);
  EXPECT_EQ(e.old_size, 4096u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kUnmap);
  EXPECT_EQ(e.size, 8192u);
  EXPECT_FALSE(d.next(e));
  EXPECT_FALSE(d.damaged());
}

TEST(Event, AClockThatStepsBackStandsStill) {
  Encoded x;
  x.writer.free(2000, 0x1000);
  x.writer.free(1500, 0x1008);
  x.writer.free(2008, 0x1010);
  EventDecoder d = x.decoder();
  Event e;
  std::vector<uint64_t> ticks;
  while (d.next(e)) ticks.push_back(e.ticks);
  EXPECT_EQ(ticks, (std::vector<uint64_t>{2000, 2000, 2008}));
}

TEST(Event, ATornTailEndsTheSegmentAndTheDecoderSaysWhere) {
  Encoded x;
  x.writer.alloc(Tag::kAlloc, 1008, 0x7f0000001000, 1ull << 50, 1u << 20);
  x.writer.alloc(Tag::kAlloc, 1016, 0x7f0000009000, 1ull << 50, 1u << 20);
  Event e;
  EventDecoder whole = x.decoder();
  ASSERT_TRUE(whole.next(e));
  const size_t first = whole.consumed();
  ASSERT_TRUE(whole.next(e));
  const size_t both = whole.consumed();
  for (size_t cut = 1; cut < both; ++cut) {
    EventDecoder d = x.decoder(cut);
    int events = 0;
    while (d.next(e)) ++events;
    EXPECT_EQ(events, cut < first ? 0 : 1) << cut;
    EXPECT_EQ(d.damaged(), cut != first) << cut;
    EXPECT_EQ(d.consumed(), cut < first ? 0 : first) << cut;
  }
}

TEST(Event, EncodingsThatNoWriterMakesAreDamage) {
  const auto damaged = [](std::vector<uint8_t> bytes) {
    SegmentHeader h{};
    EventDecoder d(h, bytes.data(), bytes.size(), 3);
    Event e;
    while (d.next(e)) {
    }
    return d.damaged();
  };
  EXPECT_FALSE(damaged({}));
  EXPECT_FALSE(damaged({0, 99}));
  EXPECT_FALSE(damaged({2, 1, 2}));
  EXPECT_TRUE(damaged({static_cast<uint8_t>(Tag::kLast) + 1}));
  EXPECT_TRUE(damaged({255}));
  // A number of more than 64 bits, a stack id of more than 32, a name longer than what follows.
  EXPECT_TRUE(damaged({2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 0}));
  EXPECT_TRUE(damaged({3, 0, 0, 255, 255, 255, 255, 127}));
  EXPECT_TRUE(damaged({13, 1, 5, 'a', 'b'}));
}

}  // namespace
}  // namespace ullage::record

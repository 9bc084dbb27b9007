// SPDX-License-Identifier: Apache-2.0
#include "record/event_writer.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "record/event.h"

namespace ullage::record {
namespace {

constexpr unsigned kShift = 3;

struct Stream {
  std::vector<uint8_t> payload = std::vector<uint8_t>(64 << 10);
  SegmentHeader header{};
  EventWriter writer;
  Stream() {
    header.ticks0 = 1'000'000;
    header.tid = 7;
    writer.start(payload.data(), payload.size(), header.ticks0, kShift);
  }
  EventDecoder decoder() const { return {header, payload.data(), payload.size(), kShift}; }
};

TEST(EventWriter, EveryEventIsReadBackAsItWasWritten) {
  Stream s;
  s.writer.alloc(Tag::kAlloc, 1'000'080, 0x7f0000001000, 4096, 12);
  s.writer.unused(192);
  s.writer.free(Tag::kFreeContent, 1'000'160, 0x560000000010, 13);
  s.writer.realloc(Tag::kRealloc, 1'000'320, 0x7f0000002000, 8192, 14, 0x7f0000001000, 80);
  s.writer.realloc(Tag::kRealloc, 1'000'400, 0x7f0000002000, 1, 14, 0, 8);
  s.writer.remap(1'000'480, 0x7e0000000000, 1 << 20, 15, 0x7f0000000000, 1 << 19, 16);
  s.writer.unmap(1'000'560, 0x7e0000000000, 1 << 20);
  s.writer.thread_name(7, "worker", 6);
  s.writer.thread(2'000'000, 8);
  s.writer.free(2'000'008, 0x7f0000002000);
  EventDecoder d = s.decoder();
  Event e;
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kAlloc);
  EXPECT_EQ(e.ticks, 1'000'080u);
  EXPECT_EQ(e.address, 0x7f0000001000u);
  EXPECT_EQ(e.size, 4096u);
  EXPECT_EQ(e.stack, 12u);
  EXPECT_EQ(e.tid, 7u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kFreeContent);
  EXPECT_EQ(e.unused, 192u);
  EXPECT_EQ(e.stack, 13u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.old_address, 0x7f0000001000u);
  EXPECT_EQ(e.duration, 80u);
  EXPECT_EQ(e.unused, 0u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.old_address, 0u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kRemap);
  EXPECT_EQ(e.old_size, 1u << 19);
  EXPECT_EQ(e.old_address, 0x7f0000000000u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kUnmap);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(std::string(e.name, e.name_bytes), "worker");
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tid, 8u);
  EXPECT_EQ(e.ticks, 2'000'008u);
  EXPECT_FALSE(d.next(e));
  EXPECT_FALSE(d.damaged());
}

TEST(EventWriter, TimesDoNotDriftHoweverManyEventsThereAre) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Stream s;
  uint64_t now = s.header.ticks0;
  std::vector<uint64_t> times;
  while (!s.writer.full()) {
    now += random() % 100;
    times.push_back(now);
    s.writer.free(now, random() << 4 >> 16);
  }
  EventDecoder d = s.decoder();
  Event e;
  for (const uint64_t t : times) {
    ASSERT_TRUE(d.next(e));
    ASSERT_LE(e.ticks, t);
    ASSERT_LT(t - e.ticks, 1u << kShift);
  }
}

TEST(EventWriter, AClockThatStepsBackNeverMakesTimeRunBackwards) {
  Stream s;
  s.writer.free(2'000'000, 16);
  s.writer.free(1'500'000, 32);
  EventDecoder d = s.decoder();
  Event a, b;
  ASSERT_TRUE(d.next(a));
  ASSERT_TRUE(d.next(b));
  EXPECT_EQ(a.ticks, b.ticks);
}

TEST(EventWriter, AnEventThatAKillCutShortIsNotSeen) {
  Stream s;
  s.writer.free(1'000'080, 16);
  Stream whole = s;
  // What is in memory just before the tag is stored: operands without their tag.
  std::vector<uint8_t> torn = s.payload;
  size_t end = 0;
  {
    EventDecoder d = s.decoder();
    Event e;
    while (d.next(e)) end = d.consumed();
  }
  torn[end + 1] = 0x55;
  torn[end + 2] = 0x05;
  EventDecoder d(s.header, torn.data(), torn.size(), kShift);
  Event e;
  EXPECT_TRUE(d.next(e));
  EXPECT_FALSE(d.next(e));
  EXPECT_FALSE(d.damaged());
}

}  // namespace
}  // namespace ullage::record

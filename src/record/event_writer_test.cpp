// SPDX-License-Identifier: Apache-2.0
#include "record/event_writer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
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

TEST(EventWriter, WhatLayThereBeforeIsNeverRead) {
  Stream s;
  std::fill(s.payload.begin(), s.payload.end(), static_cast<uint8_t>(Tag::kUnmap));
  s.writer.start(s.payload.data(), s.payload.size(), s.header.ticks0, kShift);
  Event e;
  EXPECT_FALSE(s.decoder().next(e));
  s.writer.free(1'000'080, 16);
  s.writer.thread_name(7, "worker", 6);
  EventDecoder d = s.decoder();
  EXPECT_TRUE(d.next(e));
  EXPECT_TRUE(d.next(e));
  EXPECT_FALSE(d.next(e));
  EXPECT_FALSE(d.damaged());
  EXPECT_EQ(d.consumed(), static_cast<size_t>(s.writer.at() - s.payload.data()));
}

ContainerGrowth some_growth() {
  ContainerGrowth g{};
  uint64_t n = UINT64_MAX;
  g.kind = 1, g.cause = 2, g.depth = 3, g.bytes_before = n, g.bytes_after = n, g.capacity = n;
  g.elements = n, g.moved = n, g.element_bytes = UINT32_MAX, g.duration_ns = n;
  return g;
}

TEST(EventWriter, AContainersGrowthIsReadBackWithItsNameAndMovesNeitherClockNorAddress) {
  Stream s;
  const std::string longest(500, 'n');
  s.writer.alloc(Tag::kAlloc, 1'000'080, 0x7f0000001000, 4096, 12);
  s.writer.container_growth(1'000'160, "orders", "vector", 0x7ffc00000001, 9, some_growth());
  s.writer.container_growth(1'000'168, longest.c_str(), "vector", 1, 9, some_growth());
  s.writer.container_growth(1'000'160, "orders", "vector", 2, 9, some_growth());
  s.writer.container_growth(1'000'160, nullptr, nullptr, 3, 9, some_growth());
  s.writer.container_end(1'000'240, "orders", 77);
  s.writer.free(1'000'320, 0x7f0000001000);
  EventDecoder d = s.decoder();
  Event e;
  ASSERT_TRUE(d.next(e));
  const auto text = [](const char* at, uint32_t bytes) { return std::string(at, at + bytes); };
  for (const uint64_t container : {0x7ffc00000001ull, 1ull, 2ull, 3ull}) {
    ASSERT_TRUE(d.next(e));
    EXPECT_EQ(e.tag, Tag::kExtension);
    EXPECT_EQ(e.extension, Extension::kContainerGrowth);
    EXPECT_EQ(e.address, container);
    EXPECT_EQ(e.ticks, container == 1 ? 1'000'168u : 1'000'160u);
    EXPECT_EQ(e.stack, 9u);
    EXPECT_EQ(e.tid, 7u);
    if (container != 3) {
      EXPECT_EQ(text(e.type, e.type_bytes), "vector");
      EXPECT_EQ(text(e.name, e.name_bytes),
                container == 1 ? longest.substr(0, kContainerNameBytesMax) : "orders");
    } else {
      EXPECT_EQ(e.name_bytes, 0u);
    }
    EXPECT_EQ(e.container.kind, 1u);
    EXPECT_EQ(e.container.moved, UINT64_MAX);
    EXPECT_EQ(e.container.duration_ns, UINT64_MAX);
  }
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.extension, Extension::kContainerEnd);
  EXPECT_EQ(e.size, 77u);
  EXPECT_EQ(text(e.name, e.name_bytes), "orders");
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kFree);
  EXPECT_EQ(e.ticks, 1'000'320u);
  EXPECT_EQ(e.address, 0x7f0000001000u);
  EXPECT_FALSE(d.next(e));
  EXPECT_FALSE(d.damaged());
}

TEST(EventWriter, TheLongestGrowthStaysWithinTheRoomThatAWriterKeeps) {
  Stream s;
  const std::string name(500, 'n'), type(500, 't');
  const uint8_t* const begin = s.payload.data();
  s.writer.container_growth(UINT64_MAX, name.c_str(), type.c_str(), UINT64_MAX, UINT32_MAX,
                            some_growth());
  size_t used = s.payload.size();
  while (used > 0 && begin[used - 1] == 0) --used;
  EXPECT_LE(used, kEventBytesMax);
  EXPECT_GT(used, 200u);
}

TEST(EventWriter, MoreNamesThanSlotsAreAllReadBack) {
  Stream s;
  for (int i = 0; i < 300; ++i) {
    s.writer.container_end(1'000'000, ("site " + std::to_string(i * 7 % 100)).c_str(), 1);
  }
  EventDecoder d = s.decoder();
  Event e;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(d.next(e));
    EXPECT_EQ(std::string(e.name, e.name_bytes), "site " + std::to_string(i * 7 % 100));
  }
}

TEST(EventDecoder, SkipsExtensionsOfLaterVersionsAndWhatTheyAppend) {
  const uint8_t payload[] = {17, 3, 99, 1, 2,            // an unknown kind
                             17, 5, 1,  1, 0, 'h', 'i',  // slot 1 is "hi"
                             17, 5, 3,  0, 1, 42,  7,    // an end with a number more
                             2,  1, 0,  0};
  SegmentHeader header{};
  EventDecoder d(header, payload, sizeof payload, kShift);
  Event e;
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.extension, Extension::kContainerEnd);
  EXPECT_EQ(std::string(e.name, e.name_bytes), "hi");
  EXPECT_EQ(e.size, 42u);
  ASSERT_TRUE(d.next(e));
  EXPECT_EQ(e.tag, Tag::kFree);
  EXPECT_FALSE(d.next(e));
  EXPECT_FALSE(d.damaged());
}

TEST(EventDecoder, StopsAtExtensionsThatNoWriterMakes) {
  const std::vector<std::vector<uint8_t>> kBroken = {
      {17, 200, 1, 3},            // longer than what is there
      {17, 3, 1, 0, 0},           // slot 0
      {17, 3, 1, 33, 0},          // no such slot
      {17, 3, 1, 1, 9},           // a type longer than the extension
      {17, 4, 3, 0, 5, 1},        // a slot that no name filled
      {17, 2, 3, 0, 0, 0, 0},     // cut: its numbers may not come from behind it
      {17, 5, 2, 0, 0, 1, 1, 0},  // a growth without numbers
  };
  for (const auto& payload : kBroken) {
    SegmentHeader header{};
    EventDecoder d(header, payload.data(), payload.size(), kShift);
    Event e;
    EXPECT_FALSE(d.next(e));
    EXPECT_TRUE(d.damaged());
    EXPECT_EQ(d.consumed(), 0u);
  }
}

}  // namespace
}  // namespace ullage::record

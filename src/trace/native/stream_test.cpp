// SPDX-License-Identifier: Apache-2.0
#include "trace/native/stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "record/recording_builder.h"

namespace ullage::trace {
namespace {

using record::Event;
using record::Kind;
using record::Recording;
using record::RecordingBuilder;
using record::Tag;

std::unique_ptr<Recording> open(const RecordingBuilder& b) {
  std::string error;
  auto r = Recording::from_bytes(b.live(), "test", error);
  EXPECT_NE(r, nullptr) << error;
  return r;
}

TEST(EventStream, OfAnEmptyRecordingEndsAtOnce) {
  RecordingBuilder b;
  const auto r = open(b);
  EventStream stream{*r};
  stream.for_each([](const Event&) { FAIL(); });
  EXPECT_EQ(stream.damage().segments, 0u);
}

TEST(EventStream, MergesThreadsByTimeWhateverTheOrderOfTheirSegments) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    RecordingBuilder b;
    b.set_segment_bytes(4096);
    std::vector<std::uint64_t> order;
    std::uint32_t tid = 1;
    for (std::uint64_t i = 1; i <= 5000; ++i) {
      if (random() % 4 == 0) tid = 1 + static_cast<std::uint32_t>(random() % 7);
      if (random() % 500 == 0) b.stream(tid).finish_segment();
      b.stream(tid).alloc(16 * i, i, 0);
      order.push_back(i);
    }
    const auto r = open(b);
    EventStream stream{*r};
    std::vector<std::uint64_t> seen;
    std::uint64_t ticks = 0;
    stream.for_each([&](const Event& e) {
      seen.push_back(e.size);
      EXPECT_GE(e.ticks, ticks);
      ticks = e.ticks;
    });
    EXPECT_EQ(stream.writers(), 7u);
    EXPECT_EQ(seen, order);
  }
}

TEST(EventStream, CarriesThreadNamesAndThreadsThatTakeAStreamOver) {
  RecordingBuilder b;
  auto& s = b.stream(1);
  s.thread_name(1, "worker");
  s.thread(77);
  s.alloc(0x1000, 8, 0);
  const auto r = open(b);
  EventStream stream{*r};
  std::string name;
  std::uint32_t tid = 0;
  stream.for_each([&](const Event& e) {
    if (e.tag == Tag::kThreadName) name.assign(e.name, e.name_bytes);
    if (e.tag == Tag::kAlloc) tid = e.tid;
  });
  EXPECT_EQ(name, "worker");
  EXPECT_EQ(tid, 77u);
}

TEST(EventStream, GoesOnWithTheOtherThreadsWhenOneSegmentIsDamaged) {
  RecordingBuilder b;
  b.stream(1).alloc(0x1000, 8, 0);
  b.raw_segment(Kind::kEvents, {0xee, 0xff, 0xff, 1, 2, 3});
  b.stream(2).alloc(0x2000, 8, 0);
  const auto r = open(b);
  EventStream stream{*r};
  std::size_t seen = 0;
  stream.for_each([&](const Event&) { ++seen; });
  EXPECT_EQ(seen, 2u);
  EXPECT_EQ(stream.damage().segments, 1u);
  EXPECT_GE(stream.damage().bytes, 6u);
  ASSERT_EQ(stream.damage().notes.size(), 1u);
}

TEST(EventStream, NamesTheFirstDamagedSegmentsAndCountsTheRest) {
  RecordingBuilder b;
  for (int i = 0; i < 20; ++i) b.raw_segment(Kind::kEvents, {0xee});
  const auto r = open(b);
  EventStream stream{*r};
  stream.for_each([](const Event&) {});
  EXPECT_EQ(stream.damage().segments, 20u);
  EXPECT_EQ(stream.damage().notes.size(), kDamageNotesMax);
}

TEST(EventStream, TellsHowFarItIs) {
  RecordingBuilder b;
  b.set_segment_bytes(4096);
  for (std::uint64_t i = 1; i <= 3000; ++i) b.stream(1).alloc(16 * i, 8, 0);
  const auto r = open(b);
  EventStream stream{*r};
  std::vector<double> shares;
  stream.on_progress([&](double share) { shares.push_back(share); });
  stream.for_each([](const Event&) {});
  ASSERT_GT(shares.size(), 3u);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_DOUBLE_EQ(shares.back(), 1.0);
}

TEST(LastTicks, IsFoundWithoutAnEnd) {
  RecordingBuilder b;
  b.stream(1).alloc(0x1000, 8, 0);
  b.stream(2).alloc(0x2000, 8, 0);
  b.stream(1).alloc(0x3000, 8, 0);
  const std::uint64_t last = b.now();
  EXPECT_NEAR(static_cast<double>(last_ticks(*open(b))), static_cast<double>(last), 16.0);
}

}  // namespace
}  // namespace ullage::trace

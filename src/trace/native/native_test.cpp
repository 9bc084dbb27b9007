// SPDX-License-Identifier: Apache-2.0
#include "trace/native/native.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "record/reader.h"
#include "record/recording_builder.h"
#include "trace/native/frames.h"

namespace ullage::trace {
namespace {

using evidence::Evidence;
using evidence::Verdict;
using record::Recording;
using record::RecordingBuilder;
using record::Tag;

constexpr std::uint64_t kMain = 0x401000, kGrow = 0x402000, kLow = 0x400000, kHigh = 0x500000;

// A vector that grows to 16 KiB, in a thread of its own.
void grow_a_vector(RecordingBuilder& b, std::uint32_t tid = 1, std::uint64_t base = 0x10000000) {
  const auto push = b.frames({{kMain + 0x10, kMain}, {kGrow + 0x10, kGrow}});
  const auto drop = b.frames({{kMain + 0x10, kMain}, {kGrow + 0x20, kGrow}});
  auto& s = b.stream(tid);
  std::uint64_t old = 0;
  for (std::uint64_t size = 64; size <= 16384; size *= 2) {
    s.alloc(base += 0x10000, size, push);
    if (old != 0) s.free(Tag::kFreeContent, old, drop);
    old = base;
  }
  s.free(old);
}

std::unique_ptr<RecordingBuilder> sample() {
  auto b = std::make_unique<RecordingBuilder>();
  b->module("/usr/bin/example", kLow, kHigh, kLow);
  grow_a_vector(*b);
  b->mark(50'000'000, 60'000'000, 0, 1250);
  b->end();
  return b;
}

Evidence evidence_of(const std::vector<std::uint8_t>& bytes) {
  std::string error;
  const auto r = Recording::from_bytes(bytes, "test.ulg", error);
  EXPECT_NE(r, nullptr) << error;
  auto e = read_recording(*r, {.symbolize = false, .debug_dirs = {}, .progress = {}});
  EXPECT_TRUE(e.ok());
  return std::move(e.value());
}

TEST(ReadRecording, TellsTheNamesOfThreadsThatGrew) {
  RecordingBuilder b;
  b.module("/usr/bin/example", kLow, kHigh, kLow);
  grow_a_vector(b, 1);
  grow_a_vector(b, 2, 0x20000000);
  grow_a_vector(b, 3, 0x30000000);
  b.stream(1).thread_name(3, "worker");  // by its number: whoever tells it
  b.stream(2).thread_name(2, "before");
  b.stream(2).thread_name(2, "reader");
  b.stream(1).thread_name(9, "idle");  // grew nothing
  b.stream(1).thread_name(1, "");
  b.end();
  const std::vector<std::pair<std::uint32_t, std::string>> names = {{2, "reader"}, {3, "worker"}};
  EXPECT_EQ(evidence_of(b.live()).thread_names, names);
}

TEST(ReadRecording, FindsTheGrowthWithoutAnySymbols) {
  const Evidence e = evidence_of(sample()->live());
  ASSERT_EQ(e.growth_sites.size(), 1u);
  const evidence::GrowthSite& g = e.growth_sites[0];
  EXPECT_EQ(g.links, 8u);
  EXPECT_EQ(g.chains, 1u);
  EXPECT_EQ(g.verdict, Verdict::kContent);
  EXPECT_EQ(g.law, evidence::GrowthLaw::kGeometric);
  EXPECT_DOUBLE_EQ(g.factor, 2.0);
  EXPECT_EQ(g.copied_bytes, 64u * 255);
  EXPECT_EQ(g.final.max, 16384u);
  EXPECT_EQ(g.first.max, 64u);
  EXPECT_EQ(g.element_bytes, 64u);
  EXPECT_EQ(g.element_source, "gcd");
  EXPECT_EQ(g.container_kind, "buffer");
  EXPECT_EQ(g.growth.module, "example");
  EXPECT_EQ(g.growth.label(), "example+0x200f");
  EXPECT_EQ(g.stall_ns_total, 8u * 400) << "800 ticks of a 2 GHz clock each";
  EXPECT_EQ(g.credible_stall_ns_total, g.stall_ns_total);
  EXPECT_EQ(g.threads, std::vector<std::uint32_t>{1});
  ASSERT_EQ(g.stack.size(), 2u);
  ASSERT_EQ(e.worst_links.size(), 8u);
  EXPECT_EQ(e.worst_links[0].site, 0u);
}

record::ContainerGrowth told(std::uint64_t kind, std::uint64_t from, std::uint64_t to,
                             std::uint64_t moved, std::uint64_t duration_ns) {
  record::ContainerGrowth g{};
  g.kind = kind;
  g.bytes_before = from;
  g.bytes_after = to;
  g.capacity = to / 16;
  g.elements = g.moved = moved;
  g.element_bytes = 16;
  g.duration_ns = duration_ns;
  return g;
}

TEST(ReadRecording, NamesGrowthByTheContainerThatToldOfIt) {
  RecordingBuilder b;
  b.module("/usr/bin/example", kLow, kHigh, kLow);
  const auto push = b.frames({{kMain + 0x10, kMain}, {kGrow + 0x10, kGrow}});
  const auto drop = b.frames({{kMain + 0x10, kMain}, {kGrow + 0x20, kGrow}});
  const auto tell = b.frames({{kMain + 0x10, kMain}, {kGrow + 0x30, kGrow}});
  auto& s = b.stream(1);
  std::uint64_t old = 0, base = 0x10000000;
  for (std::uint64_t size = 64; size <= 16384; size *= 2) {
    s.alloc(base += 0x10000, size, push);
    if (old != 0) s.free(Tag::kFreeContent, old, drop);
    s.container_growth(
        "orders", "vector", tell,
        told(old == 0 ? 0 : 1, old == 0 ? 0 : size / 2, size, old == 0 ? 0 : size / 32, 1000));
    old = base;
  }
  s.free(old);
  s.container_end("orders", 900);
  s.container_growth("sessions", "hash_map", tell, told(0, 0, 4096, 0, 100));
  s.finish_segment();  // names are told again
  for (std::uint64_t i = 1; i < 10; ++i) {
    s.container_growth("sessions", "hash_map", tell, told(3, i * 4096, (i + 1) * 4096, 128, 5000));
  }
  s.container_growth("sessions", "hash_map", tell, told(11, 40960, 40960, 0, 10));
  b.end();
  const Evidence e = evidence_of(b.live());
  EXPECT_TRUE(e.understood.notes.empty()) << e.understood.notes.front();
  ASSERT_EQ(e.container_sites.size(), 2u);
  const evidence::ContainerSite& sessions = e.container_sites[0];
  EXPECT_EQ(sessions.name, "sessions") << "it moved most";
  EXPECT_EQ(sessions.type, "hash_map");
  EXPECT_EQ(sessions.growths, 9u);
  EXPECT_EQ(sessions.moved_bytes, 9u * 128 * 16);
  EXPECT_EQ(sessions.denied, 1u);
  EXPECT_EQ(sessions.final.count, 0u) << "it is still alive";
  const evidence::ContainerSite& orders = e.container_sites[1];
  EXPECT_EQ(orders.growths, 8u);
  EXPECT_EQ(orders.final.max, 900u);
  EXPECT_EQ(orders.final_counts, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{900, 1}}));

  ASSERT_EQ(e.growth_sites.size(), 2u) << "one each: no growth is counted twice";
  const evidence::GrowthSite& arena = e.growth_sites[0];
  EXPECT_EQ(arena.container_site, "sessions");
  EXPECT_EQ(arena.verdict, Verdict::kReported);
  EXPECT_EQ(arena.links, 9u);
  EXPECT_EQ(arena.copied_bytes, 9u * 128 * 16);
  EXPECT_EQ(arena.stall_ns_total, 9u * 5000);
  EXPECT_EQ(arena.final.max, 40960u);
  const evidence::GrowthSite& vector = e.growth_sites[1];
  EXPECT_EQ(vector.container_site, "orders");
  EXPECT_EQ(vector.verdict, Verdict::kReported);
  EXPECT_EQ(vector.container_kind, "vector");
  EXPECT_EQ(vector.links, 8u);
  EXPECT_EQ(vector.element_bytes, 16u);
  EXPECT_EQ(vector.element_source, "container");
  ASSERT_EQ(e.worst_links.size(), 17u);
  EXPECT_EQ(e.worst_links[0].site, 0u) << "the longest, of the arena";
  EXPECT_EQ(e.worst_links[16].site, 1u);
}

TEST(ReadRecording, TellsWhatIsKnownOfTheProcess) {
  const Evidence e = evidence_of(sample()->live());
  EXPECT_EQ(e.process.program, "example");
  EXPECT_EQ(e.process.command, std::vector<std::string>{"example"});
  EXPECT_EQ(e.process.pid, 4242u);
  EXPECT_EQ(e.process.events, 18u);
  EXPECT_EQ(e.process.allocations, 9u);
  EXPECT_EQ(e.process.frees, 9u);
  EXPECT_EQ(e.process.allocated_bytes, 64u * 511);
  EXPECT_EQ(e.process.live_bytes_max, 8192u + 16384u);
  EXPECT_EQ(e.process.live_bytes_end, 0u);
  EXPECT_EQ(e.process.rss_peak_bytes, 60'000'000u);
  EXPECT_EQ(e.process.ended, "normally");
  EXPECT_EQ(e.process.threads, 1u);
  EXPECT_EQ(e.process.duration_ns, 18u * 400);
  ASSERT_EQ(e.marks.size(), 1u);
  EXPECT_DOUBLE_EQ(e.marks[0].psi_some_percent, 12.5);
  EXPECT_EQ(e.marks[0].at_ns, 18u * 400);
}

TEST(ReadRecording, MergesTheStacksThatReachTheSameCodeThroughOneHelper) {
  RecordingBuilder b;
  for (std::uint64_t caller = 0; caller < 40; ++caller) {
    const std::uint64_t f = 0x410000 + caller * 0x100;
    const auto push = b.frames({{f + 1, f}, {kMain + 0x10, kMain}, {kGrow + 0x10, kGrow}});
    const auto drop = b.frames({{f + 1, f}, {kMain + 0x10, kMain}, {kGrow + 0x20, kGrow}});
    auto& s = b.stream(1);
    s.alloc(0x10000, 64, push);
    s.alloc(0x20000, 128, push);
    s.free(Tag::kFreeContent, 0x10000, drop);
    s.free(0x20000);
  }
  b.end();
  const Evidence e = evidence_of(b.live());
  ASSERT_EQ(e.growth_sites.size(), 1u);
  EXPECT_EQ(e.growth_sites[0].links, 40u);
}

TEST(ReadRecording, RecursionIsShownOnce) {
  RecordingBuilder b;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> frames = {{kMain + 1, kMain}};
  for (int i = 0; i < 15; ++i) {
    frames.push_back({0x403001, 0x403000});
    frames.push_back({0x404001, 0x404000});
  }
  auto push = frames, drop = frames;
  push.push_back({kGrow + 0x10, kGrow});
  drop.push_back({kGrow + 0x20, kGrow});
  auto& s = b.stream(1);
  s.alloc(0x10000, 64, b.frames(push));
  s.alloc(0x20000, 128, b.frames(push));
  s.free(Tag::kFreeContent, 0x10000, b.frames(drop));
  const Evidence e = evidence_of(b.live());
  ASSERT_EQ(e.growth_sites.size(), 1u);
  EXPECT_EQ(e.growth_sites[0].stack.size(), 4u);
}

TEST(ReadRecording, AContextDeeperThanAnyAgentKeepsIsNotCopiedForEachPlace) {
  RecordingBuilder b;
  std::vector<std::uint64_t> pcs(kUnfoldLevelsMax + 1000);
  std::iota(pcs.begin(), pcs.end(), 0x400000);
  b.stream(1).alloc(0x10000, 64, b.stack(pcs));
  const Evidence e = evidence_of(b.live());
  ASSERT_EQ(e.allocation_sites.size(), 1u);
  EXPECT_EQ(e.allocation_sites[0].stack.size(), kUnfoldLevelsMax);
}

TEST(ReadRecording, OfAKilledProcessEndsWithItsLastEvent) {
  auto b = std::make_unique<RecordingBuilder>();
  grow_a_vector(*b);
  b->mark(1, 1);  // the recording parent lives on
  const Evidence e = evidence_of(b->live());
  EXPECT_EQ(e.process.ended, "killed or still running");
  EXPECT_EQ(e.growth_sites.at(0).links, 8u);
  EXPECT_NEAR(static_cast<double>(e.process.duration_ns), 18 * 400.0, 8.0);
}

TEST(ReadRecording, SaysWhenTimesCouldNotBeCalibrated) {
  RecordingBuilder b;
  b.stream(1).alloc(0x1000, 64, b.stack({kMain}));
  const Evidence e = evidence_of(b.live());
  ASSERT_EQ(e.understood.notes.size(), 1u);
  EXPECT_NE(e.understood.notes[0].find("calibrated"), std::string::npos);
}

TEST(ReadRecording, UnderSamplingScalesTotalsAndKeepsGrowthExact) {
  RecordingBuilder b;
  b.header().sample_bytes = 1 << 20;
  b.header().features |= record::kFeatureSampled;
  const auto make = b.frames({{kMain + 1, kMain}});
  b.stream(1).alloc(0x10000, 1024, make);
  b.stream(1).alloc(0x20000, 1024, make, Tag::kAllocFull);
  b.stream(1).free(0x990000);  // of a block that was passed over
  b.end();
  const Evidence e = evidence_of(b.live());
  ASSERT_EQ(e.allocation_sites.size(), 1u);
  EXPECT_NEAR(static_cast<double>(e.allocation_sites[0].allocations), 1025.5, 1.0);
  EXPECT_EQ(e.understood.events_unmatched, 0u);
}

TEST(ReadRecording, WhatRingModeDroppedIsInTheTotals) {
  RecordingBuilder b;
  b.header().features |= record::kFeatureRing;
  grow_a_vector(b);
  b.aggregate({1, 0, 1000, 64000, 100});
  b.end();
  const Evidence e = evidence_of(b.live());
  EXPECT_EQ(e.process.allocations, 9u + 900);
  EXPECT_EQ(e.process.reallocs, 100u);
  EXPECT_EQ(e.process.allocated_bytes, 64u * 511 + 64000);
  EXPECT_FALSE(e.understood.notes.empty());
}

TEST(ReadRecording, ACutFileGivesTheEventsBeforeTheCutAndSaysSo) {
  RecordingBuilder b;
  b.set_segment_bytes(4096);
  for (std::uint32_t tid = 1; tid <= 8; ++tid) {
    for (std::uint64_t i = 0; i < 30; ++i) grow_a_vector(b, tid, (tid * 1000 + i) << 24);
  }
  b.end();
  const std::vector<std::uint8_t> whole = b.live();
  std::uint64_t before = 0;
  for (std::size_t size = record::kFileHeaderBytes; size <= whole.size(); size += 1000) {
    const Evidence e =
        evidence_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_GE(e.process.events, before) << size;
    EXPECT_LE(e.understood.bytes_used, size);
    before = e.process.events;
  }
  EXPECT_GT(before, 3000u);
}

TEST(ReadRecording, DamageIsCountedAndNeverACrash) {
  const std::vector<std::uint8_t> whole = sample()->live();
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::vector<std::uint8_t> bytes = whole;
    for (unsigned i = 0; i < 1 + seed % 40; ++i) {
      const std::size_t at = 8 + random() % (bytes.size() - 8);
      bytes[at] = static_cast<std::uint8_t>(random());
    }
    std::string error;
    const auto r = Recording::from_bytes(bytes, "test", error);
    if (r == nullptr) continue;
    const auto e = read_recording(*r, {.symbolize = false, .debug_dirs = {}, .progress = {}});
    ASSERT_TRUE(e.ok());
    EXPECT_LE(e->understood.bytes_used, e->understood.bytes_total);
  }
}

TEST(ReadRecording, ProgressRisesToOne) {
  std::string error;
  const auto r = Recording::from_bytes(sample()->live(), "test", error);
  ASSERT_NE(r, nullptr);
  double last = 0;
  const auto e =
      read_recording(*r, {.symbolize = false, .debug_dirs = {}, .progress = [&](double share) {
                            EXPECT_GE(share, last);
                            last = share;
                          }});
  EXPECT_TRUE(e.ok());
  EXPECT_DOUBLE_EQ(last, 1.0);
}

}  // namespace
}  // namespace ullage::trace

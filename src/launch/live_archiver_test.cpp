// SPDX-License-Identifier: Apache-2.0
//
// A live file is written here as the agent writes it, and archived between the writes.
#include "launch/live_archiver.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <set>

#include "record/event.h"
#include "record/event_writer.h"
#include "record/live_file.h"
#include "record/reader.h"

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;
using record::Kind;
using record::LiveFile;
using record::Recording;
using record::SegmentHeader;
using record::SegmentRef;
using record::StackNode;

bool is(const SegmentRef& s, Kind kind) { return s.header.kind == static_cast<uint16_t>(kind); }

class LiveArchiverTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "ullage_archiver.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    record::FileHeader header{};
    std::memcpy(header.magic, record::kFileMagic, sizeof header.magic);
    header.version_major = record::kVersionMajor;
    header.header_bytes = record::kFileHeaderBytes;
    header.tick_shift = 3;
    ASSERT_TRUE(file_.create(live().c_str(), header));
  }
  void TearDown() override {
    file_.forget();
    fs::remove_all(folder_);
  }
  std::string live() const { return folder_ + "/a.live"; }
  std::string part() const { return folder_ + "/a.ulg.part"; }
  std::string final_path() const { return folder_ + "/a.ulg"; }

  SegmentHeader* claim(Kind kind, uint32_t bytes, uint32_t first_id = 0) {
    SegmentHeader h{};
    h.kind = static_cast<uint16_t>(kind);
    h.first_id = first_id;
    h.seq = seq_++;
    LiveFile::Claim why{};
    return file_.claim(bytes, h, false, &why);
  }
  // The node as the agent stores it: its segment is claimed on first use.
  void node(uint32_t id) {
    const uint32_t chunk = id / record::kStackNodesPerSegment;
    while (chunks_.size() <= chunk) {
      const auto first = static_cast<uint32_t>(chunks_.size()) * record::kStackNodesPerSegment;
      chunks_.push_back(claim(Kind::kStacks, 100 << 10, first));
    }
    auto* nodes = reinterpret_cast<StackNode*>(chunks_[chunk] + 1);
    nodes[id % record::kStackNodesPerSegment] = {id - 1, 0, 0x400000 + id, 0x400000};
  }
  void module(const char* path) {
    if (modules_ == nullptr) modules_ = claim(Kind::kModules, record::kSegmentBytesMin);
    record::ModuleRecord m{};
    m.bytes = static_cast<uint32_t>((sizeof m + strlen(path) + 1 + 7) / 8 * 8);
    auto* at = reinterpret_cast<uint8_t*>(modules_ + 1) + module_bytes_;
    std::memcpy(at, &m, sizeof m);
    std::memcpy(at + sizeof m, path, strlen(path));
    module_bytes_ += m.bytes;
  }
  // A segment of one allocation by each of these contexts.
  SegmentHeader* events(const std::vector<uint32_t>& stacks) {
    SegmentHeader* segment = claim(Kind::kEvents, record::kSegmentBytesMin);
    record::EventWriter w;
    w.start(reinterpret_cast<uint8_t*>(segment + 1), segment->payload_bytes, 0, 3);
    for (const uint32_t stack : stacks) w.alloc(record::Tag::kAlloc, 8, 0x1000, 64, stack);
    return segment;
  }
  void full_events(const std::vector<uint32_t>& stacks) { LiveFile::finish(events(stacks)); }

  std::unique_ptr<LiveArchiver> archiver(uint64_t ring_bytes = 0) {
    std::string error;
    auto a = LiveArchiver::open(live(), {.zstd_level = 1, .ring_bytes = ring_bytes}, error);
    EXPECT_NE(a, nullptr) << error;
    return a;
  }
  std::unique_ptr<Recording> open(const std::string& path) {
    std::string error;
    auto r = Recording::open(path, error);
    EXPECT_NE(r, nullptr) << error;
    return r;
  }

  // Contexts that an EVENTS segment names before the file told of them.
  static std::multiset<uint32_t> named_too_early(const Recording& r) {
    std::multiset<uint32_t> early;
    std::set<uint32_t> known{0};
    std::vector<uint8_t> bytes;
    std::string error;
    for (const SegmentRef& s : r.segments()) {
      EXPECT_TRUE(r.payload(s, bytes, error)) << error;
      if (is(s, Kind::kStacks)) {
        for (uint32_t i = 0; i < bytes.size() / sizeof(StackNode); ++i) {
          StackNode n;
          std::memcpy(&n, bytes.data() + i * sizeof n, sizeof n);
          if (n.pc == 0) continue;
          EXPECT_EQ(n.pc, 0x400000u + s.header.first_id + i) << "a node in another's place";
          known.insert(s.header.first_id + i);
        }
      } else if (is(s, Kind::kEvents)) {
        record::EventDecoder decoder(s.header, bytes.data(), bytes.size(), 3);
        record::Event e;
        while (decoder.next(e)) {
          if (known.count(e.stack) == 0) early.insert(e.stack);
        }
      }
    }
    return early;
  }
  static std::vector<uint32_t> sizes(const Recording& r, Kind kind) {
    std::vector<uint32_t> out;
    for (const SegmentRef& s : r.segments()) {
      if (is(s, kind)) out.push_back(s.header.raw_bytes);
    }
    return out;
  }
  std::unique_ptr<Recording> completed(LiveArchiver& a) {
    std::string problem;
    EXPECT_EQ(a.complete(final_path(), problem).outcome, Outcome::kComplete) << problem;
    return open(final_path());
  }

  std::string folder_;
  LiveFile file_;
  std::vector<SegmentHeader*> chunks_;
  SegmentHeader* modules_ = nullptr;
  uint32_t module_bytes_ = 0;
  uint32_t seq_ = 0;
};

TEST_F(LiveArchiverTest, PutsContextsAndModulesBeforeTheEventsThatNameThem) {
  module("/bin/first");
  const auto a = archiver();
  uint32_t last = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 1500; ++i) node(++last);  // 7500: they begin a second segment
    full_events({1, last - 700, last});
    module("/lib/later");
    a->poll();
    const auto alone = open(part());  // as if the live file were lost
    EXPECT_THAT(named_too_early(*alone), testing::IsEmpty()) << "round " << round;
    EXPECT_EQ(sizes(*alone, Kind::kModules).size(), static_cast<size_t>(round) + 1);
  }
  node(++last);
  events({last});
  const auto r = completed(*a);
  EXPECT_THAT(named_too_early(*r), testing::IsEmpty());
  uint32_t nodes = 0, modules = 0;
  for (const uint32_t bytes : sizes(*r, Kind::kStacks)) nodes += bytes / sizeof(StackNode);
  for (const uint32_t bytes : sizes(*r, Kind::kModules)) modules += bytes;
  EXPECT_EQ(nodes, last + 1) << "with the root, and none twice";
  EXPECT_EQ(modules, module_bytes_) << "none twice";
}

TEST_F(LiveArchiverTest, DoesNotLoseAContextWhoseThreadWasHeldUpWhileStoringIt) {
  const auto a = archiver();
  node(1);
  node(2);
  node(4);  // 3 was handed out to a thread that sleeps
  full_events({2, 4});
  a->poll();
  EXPECT_THAT(named_too_early(*open(part())), testing::IsEmpty());
  node(5);
  full_events({5});
  a->poll();
  node(3);
  full_events({3});
  a->poll();
  EXPECT_THAT(named_too_early(*open(part())), testing::IsEmpty());
  const auto r = completed(*a);
  EXPECT_THAT(named_too_early(*r), testing::IsEmpty());
  EXPECT_THAT(sizes(*r, Kind::kStacks), testing::ElementsAre(5 * 24, 24, 24));
}

TEST_F(LiveArchiverTest, AContextStoredAfterTheLastPollIsInTheArchive) {
  const auto a = archiver();
  node(1);
  node(3);
  full_events({1, 3});
  a->poll();
  node(2);
  events({2});
  EXPECT_THAT(named_too_early(*completed(*a)), testing::IsEmpty());
}

TEST_F(LiveArchiverTest, FindsContextsBehindASegmentThatIsJustBeingClaimed) {
  const auto a = archiver();
  SegmentHeader* first = events({1});
  a->poll();
  SegmentHeader* under_way = claim(Kind::kEvents, record::kSegmentBytesMin);
  const SegmentHeader header = *under_way;
  std::memset(static_cast<void*>(under_way), 0, sizeof header);
  node(1);
  LiveFile::finish(first);
  a->poll();
  EXPECT_THAT(named_too_early(*open(part())), testing::IsEmpty());
  std::memcpy(static_cast<void*>(under_way), &header, sizeof header);
  EXPECT_THAT(named_too_early(*completed(*a)), testing::IsEmpty());
}

TEST_F(LiveArchiverTest, LiveFileAndPartTogetherTellEachContextOnce) {
  const auto a = archiver();
  module("/bin/first");
  node(1);
  full_events({1});
  a->poll();
  node(2);
  full_events({2});
  a->poll();
  const auto both = open(live());
  EXPECT_EQ(sizes(*both, Kind::kStacks).size(), 1u);
  EXPECT_EQ(sizes(*both, Kind::kModules).size(), 1u);
  EXPECT_EQ(sizes(*both, Kind::kEvents).size(), 2u);
  EXPECT_THAT(both->notes(), testing::IsEmpty());
}

TEST_F(LiveArchiverTest, InARingTheContextsOfDroppedEventsStayBeforeThoseThatRemain) {
  const auto a = archiver(1);  // the newest segment only
  uint32_t last = 0;
  for (int round = 0; round < 4; ++round) {
    node(++last);
    full_events({1, last});
    a->poll();
  }
  const auto r = completed(*a);
  EXPECT_EQ(sizes(*r, Kind::kEvents).size(), 1u);
  EXPECT_THAT(named_too_early(*r), testing::IsEmpty());
}

TEST_F(LiveArchiverTest, AShortProgramsContextsComeFirstAndInOnePiece) {
  events({1});
  node(1);
  const auto r = completed(*archiver());
  EXPECT_THAT(named_too_early(*r), testing::IsEmpty());
  EXPECT_EQ(sizes(*r, Kind::kStacks).size(), 1u);
}

// One segment, used three times: each use is archived once, whoever reads.
class KeptSegment : public LiveArchiverTest {
 protected:
  SegmentHeader head(uint64_t ticks0) {
    SegmentHeader h{};
    h.kind = static_cast<uint16_t>(Kind::kEvents);
    h.seq = seq_++;
    h.ticks0 = ticks0;
    return h;
  }
  SegmentHeader* first() {
    LiveFile::Claim why{};
    return file_.claim(record::kSegmentBytesMax, head(100), false, &why);
  }
  // Fills `segment` with frees at these addresses.
  void fill(SegmentHeader* segment, const std::vector<uint64_t>& addresses) {
    writer_.start(reinterpret_cast<uint8_t*>(segment + 1), segment->payload_bytes, segment->ticks0,
                  3);
    for (const uint64_t address : addresses) writer_.free(segment->ticks0, address);
  }
  void fill_whole(SegmentHeader* segment, const std::vector<uint64_t>& addresses) {
    fill(segment, addresses);
    file_.finish_events(segment, writer_.at());
  }
  static std::multiset<uint64_t> addresses(const Recording& r) {
    std::multiset<uint64_t> out;
    std::vector<uint8_t> bytes;
    std::string error;
    for (const SegmentRef& s : r.segments()) {
      EXPECT_TRUE(r.payload(s, bytes, error)) << error;
      record::EventDecoder decoder(s.header, bytes.data(), bytes.size(), 3);
      for (record::Event e; decoder.next(e);) out.insert(e.address);
      EXPECT_FALSE(decoder.damaged());
    }
    return out;
  }

  record::EventWriter writer_;
};

TEST_F(KeptSegment, IsArchivedEachTimeItIsFullAndKeepsItsPages) {
  const auto a = archiver();
  SegmentHeader* s = first();
  fill_whole(s, {0x10, 0x20, 0x30});
  EXPECT_EQ(file_.take_kept(head(200)), nullptr);
  a->poll();
  EXPECT_NE(*reinterpret_cast<uint8_t*>(s + 1), 0) << "a hole was punched";
  ASSERT_EQ(file_.take_kept(head(200)), s);
  fill_whole(s, {0x40});
  a->poll();
  a->poll();
  ASSERT_EQ(file_.take_kept(head(300)), s);
  fill(s, {0x50, 0x60});  // the process ends before it is full
  const auto whole = completed(*a);
  EXPECT_EQ(addresses(*whole), (std::multiset<uint64_t>{0x10, 0x20, 0x30, 0x40, 0x50, 0x60}));
  EXPECT_THAT(whole->notes(), testing::IsEmpty());
  for (const SegmentRef& segment : whole->segments()) {
    EXPECT_LT(segment.header.raw_bytes, 400u) << "what an earlier use left behind was archived";
  }
}

TEST_F(KeptSegment, IsTakenOnceHoweverTheParentEnds) {
  SegmentHeader* s = first();
  {
    const auto a = archiver();
    fill_whole(s, {0x10, 0x20});
    a->poll();
    ASSERT_EQ(file_.take_kept(head(200)), s);
    fill_whole(s, {0x30});
    a->poll();
  }  // the parent is gone; the segment waits, archived
  const std::multiset<uint64_t> two{0x10, 0x20, 0x30};
  EXPECT_EQ(addresses(*open(live())), two);
  EXPECT_EQ(open(live())->segments_dropped(), 0u);
  ASSERT_EQ(file_.take_kept(head(300)), s);
  EXPECT_EQ(addresses(*open(live())), two);
  fill(s, {0x40});
  const std::multiset<uint64_t> three{0x10, 0x20, 0x30, 0x40};
  EXPECT_EQ(addresses(*open(live())), three);
  file_.finish_events(s, writer_.at());
  EXPECT_EQ(addresses(*open(live())), three);
  fs::remove(part());
  const auto alone = open(live());
  EXPECT_EQ(addresses(*alone), (std::multiset<uint64_t>{0x40}));
}

TEST_F(KeptSegment, IsFollowedByAReaderThatOpenedTheFileBefore) {
  const auto a = archiver();
  SegmentHeader* s = first();
  fill_whole(s, {0x10, 0x20});
  const auto reading = open(live());
  a->poll();
  EXPECT_EQ(addresses(*reading), (std::multiset<uint64_t>{0x10, 0x20}));
  ASSERT_EQ(file_.take_kept(head(200)), s);
  fill(s, {0x30});
  EXPECT_EQ(addresses(*reading), (std::multiset<uint64_t>{0x10, 0x20}));
}

}  // namespace
}  // namespace ullage::launch

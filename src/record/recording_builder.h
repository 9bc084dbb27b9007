// SPDX-License-Identifier: Apache-2.0
#pragma once

// RecordingBuilder: ULG1 recordings written by hand, for tests and fuzz seeds. Not part of the
// product.
//
//   RecordingBuilder b;
//   const uint32_t grow = b.stack({0x401000, 0x402000});  // pcs, outermost first
//   auto& t = b.stream(1);                                // thread 1
//   t.alloc(0x1000, 64, grow);
//   t.alloc(0x2000, 128, grow);
//   t.free(Tag::kFreeContent, 0x1000, grow);
//   b.write("x.live");                                    // or b.live(): the same bytes in memory
//
// Time is one clock for all streams: each event advances it by `step` ticks, and at(ticks) sets it.
// Streams change segments when one is full, as the agent does. Small and slow: everything is kept.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "record/event_writer.h"
#include "record/layout.h"

namespace ullage::record {

class RecordingBuilder {
 public:
  struct Segment {
    SegmentHeader header{};
    std::vector<uint8_t> payload;  // without the zero tail
  };

  class Stream {
   public:
    void alloc(uint64_t address, uint64_t size, uint32_t stack, Tag tag = Tag::kAlloc) {
      next().alloc(tag, owner_->tick(), address, size, stack);
    }
    void free(uint64_t address) { next().free(owner_->tick(), address); }
    void free(Tag tag, uint64_t address, uint32_t stack) {
      next().free(tag, owner_->tick(), address, stack);
    }
    // `duration` ticks before now to now; old_address 0 is NULL.
    void realloc(uint64_t old_address, uint64_t address, uint64_t size, uint32_t stack,
                 uint64_t duration = 0, Tag tag = Tag::kRealloc) {
      next().realloc(tag, owner_->tick(), address, size, stack, old_address, duration);
    }
    void map(uint64_t address, uint64_t size, uint32_t stack) {
      alloc(address, size, stack, Tag::kMap);
    }
    void unmap(uint64_t address, uint64_t size) { next().unmap(owner_->tick(), address, size); }
    void remap(uint64_t old_address, uint64_t old_size, uint64_t address, uint64_t size,
               uint32_t stack, uint64_t duration = 0) {
      next().remap(owner_->tick(), address, size, stack, old_address, old_size, duration);
    }
    void unused(uint64_t bytes) { next().unused(bytes); }  // belongs to the free that follows
    void thread(uint32_t tid) { next().thread(owner_->tick(), tid), tid_ = tid; }
    void thread_name(uint32_t tid, const std::string& name) {
      next().thread_name(tid, name.data(), static_cast<unsigned>(name.size()));
    }
    void container_growth(const char* site, const char* type, uint32_t stack,
                          const ContainerGrowth& growth) {
      next().container_growth(owner_->tick(), site, type, 0x7ffc0000, stack, growth);
    }
    void container_end(const char* site, uint64_t elements) {
      next().container_end(owner_->tick(), site, elements);
    }
    // Ends the segment here; the next event begins a new one.
    void finish_segment() { finish(); }

   private:
    friend class RecordingBuilder;
    Stream(RecordingBuilder* owner, uint32_t id, uint32_t tid)
        : owner_(owner), id_(id), tid_(tid) {}

    EventWriter& next() {
      if (writer_.attached() && writer_.full()) finish();
      if (!writer_.attached()) {
        open_.header = owner_->segment_header(Kind::kEvents);
        open_.header.writer = id_;
        open_.header.tid = tid_;
        open_.header.seq = seq_++;
        open_.header.ticks0 = owner_->ticks_;
        open_.header.monotonic0_ns = owner_->ns(owner_->ticks_);
        open_.payload.assign(owner_->segment_bytes_ - sizeof(SegmentHeader), 0);
        writer_.start(open_.payload.data(), open_.payload.size(), owner_->ticks_,
                      owner_->header_.tick_shift);
      }
      return writer_;
    }
    Segment cut() const {  // what was written, without the zeros
      Segment s = open_;
      while (!s.payload.empty() && s.payload.back() == 0) s.payload.pop_back();
      s.payload.resize(s.payload.size() + 16);  // operands may end in zero bytes
      return s;
    }
    void finish() {
      if (!writer_.attached()) return;
      Segment s = cut();
      s.header.flags |= kSegmentFull;
      owner_->segments_.push_back(std::move(s));
      writer_.detach();
    }

    RecordingBuilder* owner_;
    EventWriter writer_;
    Segment open_;
    uint32_t id_, tid_, seq_ = 0;
  };

  RecordingBuilder() {
    memcpy(header_.magic, kFileMagic, sizeof kFileMagic);
    header_.version_major = kVersionMajor;
    header_.version_minor = kVersionMinor;
    header_.header_bytes = kFileHeaderBytes;
    header_.features = kFeatureClockTsc;
    header_.machine = 62;
    header_.tick_shift = 3;
    header_.page_bytes = kPageBytes;
    header_.pid = 4242;
    header_.ppid = 4241;
    header_.run_id = 0x1234;
    header_.start_realtime_ns = 1'700'000'000'000'000'000u;
    header_.start_monotonic_ns = 5'000'000'000u;
    header_.start_ticks = kStartTicks;
    header_.max_depth = 48;
    strcpy(header_.exe, "/usr/bin/example");
    strcpy(header_.cmdline, "example");
    nodes_.push_back({});  // id 0, the root
  }
  RecordingBuilder(const RecordingBuilder&) = delete;
  RecordingBuilder& operator=(const RecordingBuilder&) = delete;

  static constexpr uint64_t kStartTicks = 1'000'000'000;
  static constexpr uint64_t kTicksPerUs = 2000;  // a 2 GHz clock

  FileHeader& header() { return header_; }
  void at(uint64_t ticks) { ticks_ = ticks; }
  uint64_t now() const { return ticks_; }
  void set_step(uint64_t ticks) { step_ = ticks; }
  void advance_us(uint64_t us) { ticks_ += us * kTicksPerUs; }
  void set_segment_bytes(uint32_t bytes) { segment_bytes_ = bytes; }

  // A new node. `function` 0: the pc itself (unknown). Equal (parent, pc) share an id.
  uint32_t child(uint32_t parent, uint64_t pc, uint64_t function = 0) {
    for (uint32_t i = 1; i < nodes_.size(); ++i) {
      if (nodes_[i].parent == parent && nodes_[i].pc == pc) return i;
    }
    nodes_.push_back({parent, nodes_[parent].depth + 1, pc, function == 0 ? pc : function});
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  // Pcs, or {pc, function start} pairs, outermost first.
  uint32_t stack(const std::vector<uint64_t>& pcs) {
    uint32_t id = 0;
    for (uint64_t pc : pcs) id = child(id, pc);
    return id;
  }
  uint32_t frames(const std::vector<std::pair<uint64_t, uint64_t>>& pc_and_function) {
    uint32_t id = 0;
    for (const auto& f : pc_and_function) id = child(id, f.first, f.second);
    return id;
  }

  void module(const std::string& path, uint64_t low, uint64_t high, uint64_t bias = 0,
              const std::vector<uint8_t>& build_id = {}, uint16_t event = 1,
              uint16_t occupant = 0) {
    ModuleRecord m{};
    m.bytes = static_cast<uint32_t>((sizeof m + path.size() + 1 + 7) / 8 * 8);
    m.event = event;
    m.occupant = occupant;
    m.ticks = ticks_;
    m.bias = bias;
    m.low = low;
    m.high = high;
    m.build_id_bytes = static_cast<uint8_t>(std::min(build_id.size(), sizeof m.build_id));
    for (size_t i = 0; i < m.build_id_bytes; ++i) m.build_id[i] = build_id[i];
    const size_t before = modules_.size();
    modules_.resize(before + m.bytes);
    memcpy(modules_.data() + before, &m, sizeof m);
    memcpy(modules_.data() + before + sizeof m, path.data(), path.size());
  }

  void mark(uint64_t rss_bytes, uint64_t peak_bytes, uint64_t swap_bytes = 0,
            uint32_t psi_x100 = ~0u) {
    marks_.push_back({ns(ticks_), ticks_, rss_bytes, peak_bytes, swap_bytes, psi_x100, 0});
  }
  void aggregate(const AggregateRecord& record) { aggregates_.push_back(record); }

  // The stream of a thread, made on first use.
  Stream& stream(uint32_t tid) {
    for (Stream& s : streams_) {
      if (s.tid_ == tid) return s;
    }
    streams_.push_back(Stream(this, static_cast<uint32_t>(streams_.size() + 1), tid));
    return streams_.back();
  }
  // Bytes of a segment as they are, for hostile files.
  void raw_segment(Kind kind, std::vector<uint8_t> payload, uint32_t flags = 0) {
    Segment s;
    s.header = segment_header(kind);
    s.header.flags = flags;
    s.payload = std::move(payload);
    segments_.push_back(std::move(s));
  }
  // Says that the process ended now.
  void end() {
    header_.state = static_cast<uint32_t>(State::kEnded);
    header_.end_ticks = ticks_;
    header_.end_monotonic_ns = ns(ticks_);
  }

  // All segments in file order: modules, stacks, events, marks, aggregates.
  std::vector<Segment> segments() const {
    std::vector<Segment> all;
    const auto add = [&](Kind kind, const void* bytes, size_t count, uint32_t first_id = 0) {
      if (count == 0) return;
      Segment s;
      s.header = segment_header(kind);
      s.header.first_id = first_id;
      s.payload.resize(count);
      memcpy(s.payload.data(), bytes, count);
      all.push_back(std::move(s));
    };
    add(Kind::kModules, modules_.data(), modules_.size());
    for (size_t i = 0; i < nodes_.size(); i += kStackNodesPerSegment) {
      const size_t n = std::min<size_t>(kStackNodesPerSegment, nodes_.size() - i);
      add(Kind::kStacks, nodes_.data() + i, n * sizeof(StackNode), static_cast<uint32_t>(i));
    }
    all.insert(all.end(), segments_.begin(), segments_.end());
    for (const Stream& s : streams_) {
      if (s.writer_.attached()) all.push_back(s.cut());
    }
    add(Kind::kMarks, marks_.data(), marks_.size() * sizeof(Mark));
    add(Kind::kAggregate, aggregates_.data(), aggregates_.size() * sizeof(AggregateRecord));
    return all;
  }

  // The bytes of a live file.
  std::vector<uint8_t> live() const {
    std::vector<uint8_t> file(kFileHeaderBytes);
    for (Segment& s : segments()) {
      s.header.offset = file.size();
      s.header.payload_bytes = s.header.raw_bytes = static_cast<uint32_t>(s.payload.size());
      const size_t whole = sizeof s.header + s.payload.size();
      s.header.bytes = static_cast<uint32_t>((whole + kPageBytes - 1) / kPageBytes * kPageBytes);
      file.resize(s.header.offset + s.header.bytes);
      memcpy(file.data() + s.header.offset, &s.header, sizeof s.header);
      if (!s.payload.empty()) {
        memcpy(file.data() + s.header.offset + sizeof s.header, s.payload.data(), s.payload.size());
      }
    }
    FileHeader h = header_;
    h.stack_nodes = static_cast<uint32_t>(nodes_.size());
    h.file_bytes = file.size();
    memcpy(file.data(), &h, sizeof h);
    return file;
  }
  bool write(const std::string& path) const {
    const std::vector<uint8_t> bytes = live();
    FILE* f = fopen(path.c_str(), "wb");
    if (f == nullptr) return false;
    const bool ok = fwrite(bytes.data(), 1, bytes.size(), f) == bytes.size();
    return fclose(f) == 0 && ok;
  }

 private:
  uint64_t tick() { return ticks_ += step_; }
  uint64_t ns(uint64_t ticks) const {
    return header_.start_monotonic_ns + (ticks - kStartTicks) * 1000 / kTicksPerUs;
  }
  static SegmentHeader segment_header(Kind kind) {
    SegmentHeader h{};
    h.magic = kSegmentMagic;
    h.kind = static_cast<uint16_t>(kind);
    h.version = 1;
    return h;
  }

  FileHeader header_{};
  uint64_t ticks_ = kStartTicks;
  uint64_t step_ = 800;
  uint32_t segment_bytes_ = kSegmentBytesMin;
  std::vector<StackNode> nodes_;
  std::vector<uint8_t> modules_;
  std::vector<Segment> segments_;
  std::deque<Stream> streams_;
  std::vector<Mark> marks_;
  std::vector<AggregateRecord> aggregates_;
};

}  // namespace ullage::record

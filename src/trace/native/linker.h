// SPDX-License-Identifier: Apache-2.0
#pragma once

// Linker: events in the order of time -> growth chains, allocation statistics, live bytes.
//
//   Linker linker{stacks, {.clock = clock}};
//   for (const record::Event& e : events) linker.add(e);
//   linker.finish();
//   linker.growth().places();
//
// The rules (docs/growth-chains.md tells them to users; design: profiler.md section 4):
//   ring     a freed block, of which the agent saw that a recent larger block might replace it, is
//            linked to the newest of its thread's last 8 allocations that fits by size and whose
//            context parts from that of the free in one and the same function.
//   elders   what left those eight alive stays as the newest of its power of two: elements that
//            allocate when they are copied are more than eight, and push the container's block out.
//   gaps     elements' own blocks may push that one out, too: then the growth shows by what its
//            stack allocated before and after in that thread, if the container grew by the same
//            factor before. Not under sampling: what was passed over may lie in between.
//   realloc  links by itself; in place, and by moved pages, copies nothing.
//   series   incremental rehash: series.h.
//
// Promises     Any events are accepted. Times that run backwards count as standing still.
// Memory       live blocks (live_table.h), chains of live blocks, and places in the program.
// Threads      One at a time.
// Limits       kRingBlocks, kThreadsMax, kLimboBlocks, kGapCalls below.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "record/event.h"
#include "trace/native/allocations.h"
#include "trace/native/clock.h"
#include "trace/native/containers.h"
#include "trace/native/growth.h"
#include "trace/native/live_table.h"
#include "trace/native/series.h"
#include "trace/native/stacks.h"

namespace ullage::trace {

// Allocations of a thread that a free may be linked to: as many as the agent looks at.
inline constexpr std::size_t kRingBlocks = 8;
// Those that leave them alive are kept as elders: of each power of two from 2^7 on, the newest.
inline constexpr std::size_t kElders = 16;
inline constexpr std::uint32_t kElderPowerMin = 7;
inline constexpr std::uint64_t kElderBytesMin = std::uint64_t{1} << kElderPowerMin;
// Calls between a growth function and the allocator that are looked through for it.
inline constexpr int kGapCalls = 8;
// Blocks that may lie before a gap: the next is an elder at least, or pushed out by one.
inline constexpr std::uint64_t kGapBytesMin = kElderBytesMin / 2;
// Smaller allocations do not enter the ring: below it nothing grows that is worth a word.
inline constexpr std::uint64_t kRingBytesMin = 16;
// Threads remembered at a time; at the limit all rings are forgotten, and the links that were just
// under way with them.
inline constexpr std::size_t kThreadsMax = 65536;
// Blocks whose address came back before their own end was seen (realloc in flight on another
// thread). The oldest is given up beyond this many.
inline constexpr std::size_t kLimboBlocks = 64;

struct LinkerOptions {
  Clock clock;
  std::uint64_t sample_bytes = 0;  // 0 = everything was recorded
};

struct LinkerCounts {
  std::uint64_t events = 0, allocations = 0, frees = 0, reallocs = 0;
  std::uint64_t unmatched = 0;   // frees and the like of blocks never seen allocated
  std::uint64_t stackless = 0;   // allocations whose calling context is not in the recording
  std::uint64_t lost_frees = 0;  // addresses handed out again whose free was never seen
  std::uint64_t candidates = 0, ring_links = 0, tail_call_links = 0, gap_links = 0;
  std::uint64_t threads = 0;  // different thread ids seen, up to kThreadsMax
  std::uint64_t last_step = 0;
};

class Linker {
 public:
  Linker(const StackTable& stacks, const LinkerOptions& options);
  Linker(const Linker&) = delete;
  Linker& operator=(const Linker&) = delete;

  void add(const record::Event& event);
  // The event will be added soon.
  void prefetch(const record::Event& event) const {
    live_.prefetch(event.address);
    if (event.old_address != 0) live_.prefetch(event.old_address);
  }
  void finish();

  const Growth& growth() const { return growth_; }
  const Containers& containers() const { return containers_; }
  const Allocations& allocations() const { return allocations_; }
  const LinkerCounts& counts() const { return counts_; }
  const LiveTable& live() const { return live_; }
  const StackTable& stacks() const { return stacks_; }
  const Clock& clock() const { return options_.clock; }
  // Names that threads gave themselves.
  const std::unordered_map<std::uint32_t, std::string>& thread_names() const {
    return thread_names_;
  }

 private:
  struct RingBlock {
    std::uint64_t address = 0, size = 0, time = 0;
    std::uint32_t stack = 0;
    bool replaced = false;  // an older block went for it: it can't stand for another
  };
  struct Ring {
    std::array<RingBlock, kRingBlocks> blocks;
    std::array<RingBlock, kElders> elders;
    std::uint32_t next = 0;
    LastLink last;
  };
  // The last two blocks of kGapBytesMin and more that one stack made, since it was seen to grow.
  struct Made {
    RingBlock newest, before;
    std::uint32_t newest_tid = 0, before_tid = 0;
  };
  struct Limbo {
    Block block;
    std::uint64_t displaced = 0;
  };

  Ring& ring(std::uint32_t tid);
  double weight(std::uint64_t size, bool full) const;
  void allocate(const record::Event& e, Block block);
  void free(const record::Event& e);
  void reallocate(const record::Event& e);
  void unmap(const record::Event& e);
  void unmap_part(const Block& old, std::uint64_t from, std::uint64_t to);
  void container(const record::Event& e);
  bool take_old(std::uint64_t address, std::uint64_t start, Block& old);
  void displace(std::uint64_t address);
  std::uint32_t link_by_ring(const record::Event& e, const Block& old);
  void grow_old(Ring& r, const RingBlock& b);
  std::uint32_t link_over_gap(const record::Event& e, const Block& old);
  std::uint32_t joined(Link link, const RingBlock& b, LiveTable::Slot& slot, const record::Event& e,
                       const Block& old);
  void note_made(const Block& made, std::uint32_t tid, bool grows);
  const Made* made_by(std::uint32_t stack) const {
    const bool known = stack < made_index_.size() && made_index_[stack] != 0;
    return known ? &made_[made_index_[stack] - 1] : nullptr;
  }
  bool owed_to_another(std::uint32_t tid, const RingBlock& b, const Block& old);
  std::uint32_t link_to(const RingBlock& b, bool elder, const record::Event& e, const Block& old);
  void note_down(const record::Event& e, const Block& old);
  void gone(const Block& old);

  const StackTable& stacks_;
  LinkerOptions options_;
  LiveTable live_;
  // Where mapped blocks began and ended when they were made; those that ended otherwise than by
  // munmap stay until another one lies there.
  std::map<std::uint64_t, std::uint64_t> mappings_;
  Growth growth_;
  Containers containers_;
  SeriesRule series_;
  Allocations allocations_;
  LinkerCounts counts_;
  std::uint64_t now_ = 0;
  std::unordered_map<std::uint32_t, Ring> rings_;
  Ring* last_ring_ = nullptr;
  std::uint32_t last_tid_ = 0;
  std::vector<std::uint32_t> made_index_;  // by stack: into made_, plus one
  std::vector<Made> made_;
  std::vector<Limbo> limbo_;
  std::unordered_map<std::uint32_t, std::string> thread_names_;
};

}  // namespace ullage::trace

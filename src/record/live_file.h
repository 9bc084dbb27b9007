// SPDX-License-Identifier: Apache-2.0
#pragma once

// LiveFile: the file that the agent writes, by plain stores into MAP_SHARED segments.
//
// What is stored survives the process, however it ends; nothing is flushed. Space is allocated
// before it is mapped, so a full disk is an answer here (kDiskFull) and never a SIGBUS there.
//
// claim() may be called from any thread at any time, signal handlers included: no lock, no
// allocation, no stdio. errno is left as it was. Freestanding: libc only, no C++ runtime.

#include <atomic>

#include "record/layout.h"

namespace ullage::record {

class LiveFile {
 public:
  enum class Claim { kOk, kDiskFull, kSizeLimit, kError };

  // Creates `path` (0600, exclusive) with a copy of `initial`. False with errno set.
  bool create(const char* path, const FileHeader& initial);

  // The mapped header; null before create(). Counters are updated in place.
  FileHeader* header() const { return header_; }

  // Maps a fresh zeroed segment of `bytes` (multiple of 4 KiB) and writes its header. The caller
  // gives kind, writer, tid, seq, first_id and clocks in `initial`. One of kSegmentBytesMax lies on
  // a step of that size, with a filler before it. Null: *why says what stopped it; a smaller one
  // may still fit.
  SegmentHeader* claim(uint32_t bytes, const SegmentHeader& initial, bool populate, Claim* why);

  // The writer has moved on: the recording parent may take the segment. Unmaps it.
  static void finish(SegmentHeader* segment);
  // The same for an EVENTS segment whose events end at `end`. One of kSegmentBytesMax may stay
  // mapped, for take_kept().
  void finish_events(SegmentHeader* segment, const uint8_t* end);

  // A kept segment that the parent has taken since, with a header as claim() would write it; null:
  // there is none. No system call, and no new page: zeroing pages costs the program more than
  // anything else about a segment. Its payload holds what it held.
  SegmentHeader* take_kept(const SegmentHeader& initial);

  // After fork, in the child: the parent's header, which is the caller's to unmap.
  FileHeader* take_header();

  // After fork, in the child: forgets the parent's file without touching it.
  void forget();

 private:
  // Segments kept at most: what the parent takes at one of its polls comes back, up to 160 MB/s.
  static constexpr int kKeptMax = 8;

  struct Place {
    uint64_t before, offset;  // where the file ended, and where the segment begins
  };

  bool own_descriptor();
  bool take(uint32_t bytes, Place* place, Claim* why);
  void give_back(uint32_t bytes, const Place& place);
  void fill(uint64_t from, uint64_t to);

  FileHeader* header_ = nullptr;
  std::atomic<uint64_t> next_{0};
  std::atomic<int> fd_{-1};
  uint64_t device_ = 0, inode_ = 0;
  std::atomic<SegmentHeader*> kept_[kKeptMax] = {};
  char path_[4096] = {};
};

}  // namespace ullage::record

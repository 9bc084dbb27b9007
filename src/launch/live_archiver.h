// SPDX-License-Identifier: Apache-2.0
#pragma once

// LiveArchiver: follows one live file while its process runs, and archives it when it has ended.
//
//   X.live --(full EVENTS segments, every poll; before them what they name)--> X.ulg.part
//          --(at the end, the rest)--> final name
//
// Promises     A segment's pages are given back only after it is in the part, so that at any moment
//              X.live and X.ulg.part together hold everything, whoever is killed. X.live is removed
//              only when the archive is complete under its final name. Stacks and modules stay in
//              the live file until the end, as the agent reads its own; copies go before the events
//              that name them, so that the archive can be read however early it is cut short.
// Cost         poll(): one read per open segment of the file, and the compression of the full ones.
//              A lock on X.live (live_hold.h) tells finish() that somebody follows it.
// Threads      One at a time.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "launch/context_archiver.h"
#include "launch/launch.h"
#include "launch/memory_probe.h"
#include "record/archive.h"
#include "record/layout.h"

namespace ullage::launch {

// Polls for which a gap (space claimed, header not written) is waited at before it is stepped over.
inline constexpr int kGapPollsMax = 10;
// Marks collected before they are written as a segment: what the parent's own death may lose.
inline constexpr size_t kMarksPerSegment = 64;

class LiveArchiver {
 public:
  // nullptr: the file is not (yet) a live file, or somebody else has it; try again later. `error`
  // says why.
  static std::unique_ptr<LiveArchiver> open(const std::string& live_path,
                                            const record::ArchiveOptions& options,
                                            std::string& error);
  LiveArchiver(const LiveArchiver&) = delete;
  LiveArchiver& operator=(const LiveArchiver&) = delete;
  ~LiveArchiver();

  void poll();  // moves full segments to the part
  void mark(const MemorySample& sample);

  // The process has ended: archives what is left as `final_path` and removes the live file. On
  // failure everything stays, outcome is kKeptLive and `problem` says why.
  RecordedProcess complete(const std::string& final_path, std::string& problem);
  // The process goes on without us.
  RecordedProcess leave();

  // Its process left by itself: where the agent could not say so, the archive does.
  void left_by_itself() { left_by_itself_ = true; }
  const std::string& live_path() const { return live_path_; }
  record::FileHeader read_header() const;  // as it is now
  uint32_t pid() const { return pid_; }
  uint32_t image() const { return image_; }
  bool use_tsc() const { return use_tsc_; }
  uint64_t raw_bytes() const;
  uint64_t archive_bytes() const;
  uint64_t anonymous_peak_bytes() const { return anonymous_peak_bytes_; }  // of all marks

 private:
  struct OpenSegment {
    uint64_t at;
    uint32_t bytes;
  };

  LiveArchiver() = default;
  bool read_full(const OpenSegment& segment, record::SegmentHeader& header) const;
  bool archive_segment(const record::SegmentHeader& header);
  bool need_archive(std::string& error);
  bool flush_marks(std::string& error);
  void walk();
  RecordedProcess describe(const record::FileHeader& header) const;

  std::string live_path_;
  int fd_ = -1;
  bool left_by_itself_ = false;
  record::ArchiveOptions options_;
  uint32_t pid_ = 0, image_ = 0;
  bool use_tsc_ = false;
  std::unique_ptr<record::ArchiveWriter> archive_;
  ContextArchiver contexts_;
  std::vector<OpenSegment> open_;
  uint64_t at_ = record::kFileHeaderBytes;  // segments before it are known
  int gap_polls_ = 0;                       // polls that found the same gap at at_
  bool gap_at_end_ = false;                 // of the last walk
  bool stopped_ = false;                    // archiving failed; what is left waits for complete()
  std::vector<record::Mark> marks_;
  std::vector<uint8_t> buffer_;
  uint64_t rss_peak_bytes_ = 0, anonymous_peak_bytes_ = 0;
};

// Events of a killed or running process that its header does not count yet: those of the segments
// under way.
uint64_t uncounted_events(const record::Recording& recording);

}  // namespace ullage::launch

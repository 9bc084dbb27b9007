// SPDX-License-Identifier: Apache-2.0
#pragma once

// ArchiveWriter: writes ULG1 archives (.ulg), one segment after another.
//
//   auto a = ArchiveWriter::create("x.ulg.part", live_header, {}, error);
//   a->append(segment_header, payload, bytes, error);   // as it lies in the live file
//   a->finish(final_header, "x.ulg", error);            // header, then rename
//
// Promises     What append() has returned true for is in the file and decodes by itself, also when
//              this process is killed right after. A failed append() (disk full) leaves the file as
//              it was before. finish() replaces its target only by something complete.
// Ring mode    With ring_bytes set, the archive keeps that many bytes of EVENTS segments, the
//              newest by ticks0 over all writers. Older ones are summed per stack into
//              AggregateRecords, which finish() writes; their space is given back at once, and the
//              file is compacted at the end.
// Cost         One compression and one write per segment. Memory: one segment, plus 64 B per kept
//              EVENTS segment and 40 B per aggregated stack.
// Threads      One at a time.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "record/layout.h"
#include "record/reader.h"

namespace ullage::record {

struct ArchiveOptions {
  int zstd_level = 1;
  uint64_t ring_bytes = 0;  // 0: keep everything
};

class ArchiveWriter {
 public:
  // Creates `path` (0600), which must not exist. nullptr: `error` says why.
  static std::unique_ptr<ArchiveWriter> create(const std::string& path, const FileHeader& header,
                                               const ArchiveOptions& options, std::string& error);
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;
  ~ArchiveWriter();  // closes; the file stays

  // Compresses and writes one segment. `header` as in the live file (its offset is kept; sizes and
  // flags are set here). Zero tails are cut off.
  bool append(const SegmentHeader& header, const uint8_t* payload, size_t bytes,
              std::string& error);
  // Writes a segment that is already compressed.
  bool append_stored(const SegmentHeader& header, const uint8_t* frame, size_t bytes,
                     std::string& error);
  bool append_marks(const Mark* marks, size_t count, std::string& error);

  // Writes aggregates and the final header, closes, and renames to `path`. On failure the file
  // stays where it is. In ring mode the kept segments are first moved together.
  bool finish(const FileHeader& header, const std::string& path, std::string& error);

  const std::string& path() const { return path_; }
  uint64_t bytes() const { return end_ - punched_; }
  uint64_t raw_bytes() const { return raw_bytes_; }  // of what was appended
  uint64_t segments_dropped() const { return segments_dropped_; }
  // This segment of the live file needs no copy: its pieces were appended.
  void hold(const SegmentHeader& live) { held_.insert(SegmentKey(live)); }
  bool holds(const SegmentHeader& live) const { return held_.count(SegmentKey(live)) != 0; }

 private:
  ArchiveWriter() = default;
  bool write(uint64_t at, const void* bytes, size_t count, std::string& error);
  bool enforce_ring(std::string& error);
  void aggregate(const SegmentHeader& header, const std::vector<uint8_t>& payload);
  bool append_aggregates(std::string& error);
  bool compact(std::string& error);

  struct Kept {
    uint64_t at;
    SegmentHeader header;
  };

  std::string path_;
  int fd_ = -1;
  ArchiveOptions options_;
  FileHeader header_{};
  uint64_t end_ = 0;
  uint64_t punched_ = 0;
  uint64_t raw_bytes_ = 0;
  uint64_t segments_dropped_ = 0;
  uint64_t event_bytes_ = 0;
  std::multimap<uint64_t, Kept> events_;  // ring mode only: by ticks0
  std::unordered_map<uint32_t, AggregateRecord> aggregates_;
  std::set<SegmentKey> held_;  // what was appended (also when dropped since)
  std::vector<uint8_t> buffer_;
};

// Bytes of a live payload that matter: without the zero tail, but with all of the last record.
size_t used_bytes(const SegmentHeader& header, const uint8_t* payload, size_t bytes);

// Appends every segment of `recording` that the archive does not hold yet, EVENTS last: a file that
// is cut short keeps the contexts that the rest of it names. Segments that can't be read are
// skipped and counted in `lost`.
bool append_all(const Recording& recording, ArchiveWriter& archive, uint64_t& lost,
                std::string& error);

}  // namespace ullage::record

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recording: a ULG1 file opened for reading, whatever state it is in.
//
//   std::string error;
//   auto r = Recording::open("app.ulg", error);
//   if (!r) return fail(error);
//   std::vector<uint8_t> bytes;
//   for (const SegmentRef& s : r->segments())
//     if (s.header.kind == uint16_t(Kind::kEvents) && r->payload(s, bytes, error)) decode(bytes);
//   for (const std::string& note : r->notes()) tell(note);
//
// Promises     Any bytes are accepted: what can't be understood is counted and noted, never
//              trusted. Fields of header() are clamped to what the code may rely on (strings end,
//              tick_shift is a shift, counts are below their limits).
// Live files   A file that is still being written (X.live) can be opened at any time, also after
//              its process or the recording parent was killed. Segments that the parent already
//              moved to X.ulg.part are found there. What arrives after open() is not seen.
// Cost         open() reads one header per segment. payload() reads and decompresses one segment.
// Threads      const members may be called from any thread.
// Limits       kSegmentsMax, kNotesMax below; kSegmentBytesLimit of layout.h.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "record/layout.h"

namespace ullage::record {

// Segments that one recording may hold: 64 GiB of full-sized ones. Further ones are not read, and a
// note says so.
inline constexpr size_t kSegmentsMax = 1u << 20;
// Notes kept per recording; beyond it only counters go up.
inline constexpr size_t kNotesMax = 16;
// Largest tick_shift a reader accepts; writers use 3.
inline constexpr uint16_t kTickShiftMax = 16;

struct SegmentRef {
  SegmentHeader header;  // bytes, payload_bytes and raw_bytes are within kSegmentBytesLimit
  uint64_t file_offset;  // of the header in its file
  uint32_t source = 0;   // 0: the opened file; 1: its sibling .ulg.part
};

class ByteSource;

class Recording {
 public:
  // nullptr: `error` says what, where and what to do next.
  static std::unique_ptr<Recording> open(const std::string& path, std::string& error);
  // The same for bytes in memory; `name` stands in for the path in messages.
  static std::unique_ptr<Recording> from_bytes(std::vector<uint8_t> bytes, const std::string& name,
                                               std::string& error);

  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();

  const FileHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  // Size of the file (and of its .ulg.part) on opening.
  uint64_t file_bytes() const { return file_bytes_; }
  bool archived() const { return (header_.features & kFeatureArchive) != 0; }

  // Valid segments of known kinds whose payload is still there, in file order.
  const std::vector<SegmentRef>& segments() const { return segments_; }
  uint64_t segments_damaged() const { return segments_damaged_; }
  uint64_t segments_dropped() const { return segments_dropped_; }  // by ring mode
  // Of file_bytes(): the headers, and segments that were whole.
  uint64_t bytes_understood() const { return bytes_understood_; }
  // Sentences on what was not understood. Empty: everything was.
  const std::vector<std::string>& notes() const { return notes_; }

  // The payload, decompressed. False: nothing of it could be had. A payload cut short by the end of
  // the file is true with what there is. For EVENTS of a live file the zero tail is cut off only
  // where the file ends; decoders stop at the first zero tag.
  bool payload(const SegmentRef& segment, std::vector<uint8_t>& out, std::string& error) const;
  // The payload as it is stored, compressed or not. False also when it was moved since open().
  bool stored(const SegmentRef& segment, std::vector<uint8_t>& out, std::string& error) const;

 private:
  Recording();
  static std::unique_ptr<Recording> read(std::unique_ptr<ByteSource> file,
                                         std::unique_ptr<ByteSource> part, const std::string& path,
                                         std::string& error);
  bool read_header(std::string& error);
  void clamp_header();
  void walk_live();
  void walk_archive(uint32_t source);
  void merge_part();
  bool keep(const SegmentRef& segment, uint64_t available);
  void damaged(uint64_t from, uint64_t to, uint32_t source);
  void note(std::string sentence);
  bool read_stored(const ByteSource& source, uint64_t at, uint32_t count,
                   std::vector<uint8_t>& out) const;
  bool moved_payload(const SegmentRef& segment, std::vector<uint8_t>& out,
                     std::string& error) const;
  bool segment_error(const SegmentRef& segment, const std::string& what, std::string& error) const;

  std::string path_;
  FileHeader header_{};
  std::unique_ptr<ByteSource> sources_[2];
  uint64_t file_bytes_ = 0;
  std::vector<SegmentRef> segments_;
  std::vector<SegmentKey> dropped_;  // segments that were taken away
  uint64_t segments_damaged_ = 0;
  uint64_t segments_dropped_ = 0;
  uint64_t segments_unknown_ = 0;
  uint64_t segments_cut_ = 0;
  uint64_t bytes_understood_ = 0;
  std::vector<std::string> notes_;
};

// Where the parent collects the archive of a live file while it is still being written:
// "X.live" -> "X.ulg.part". Empty when `live_path` does not end in ".live".
std::string part_path(const std::string& live_path);

}  // namespace ullage::record

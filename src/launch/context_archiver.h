// SPDX-License-Identifier: Apache-2.0
#pragma once

// ContextArchiver: takes the calling contexts and modules of one live file into its archive, piece
// by piece, ahead of the events that name them. So an archive that is cut short, or a part whose
// live file is lost, still tells where the events that remain come from.
//
//   contexts.found(header);                        // each segment of the live file
//   contexts.append_new(fd, archive, error);       // before the EVENTS segments that are full now
//   contexts.finish(fd, archive, error);           // when the process has ended
//
// Promises     After append_new() the archive holds every context that was complete when it was
//              called, hence every one that a segment names which was full before. A context that
//              was being written just then has its turn in a later call. Nothing is taken twice.
// Cost         append_new(): two reads of what is new, at most 96 KiB each for a STACKS segment. In
//              the archive: at most 64 B and a zstd frame's head more per call, 24 B per hole.
// Threads      One at a time; the agent may write meanwhile.

#include <cstdint>
#include <string>
#include <vector>

#include "record/archive.h"
#include "record/layout.h"

namespace ullage::launch {

class ContextArchiver {
 public:
  // A segment of the live file; kinds that are neither STACKS nor MODULES are passed over, and so
  // is one that is known.
  void found(const record::SegmentHeader& header);

  // False: the archive could not be written, `error` says why; call again to go on.
  bool append_new(int fd, record::ArchiveWriter& archive, std::string& error);

  // append_new() for the segments that pieces were taken of; the archive then counts them as held.
  // Segments that nothing was taken of are left to append_all().
  bool finish(int fd, record::ArchiveWriter& archive, std::string& error);

 private:
  struct Source {
    record::SegmentHeader header;
    uint32_t taken = 0;           // bytes of the payload that were looked at
    std::vector<uint32_t> holes;  // nodes before `taken` that nobody had written yet
  };

  bool read(int fd, const Source& source, uint32_t from);
  bool append_stacks(int fd, Source& source, record::ArchiveWriter& archive, std::string& error);
  bool append_modules(int fd, Source& source, record::ArchiveWriter& archive, std::string& error);
  bool append_piece(const Source& source, uint32_t first_id, const uint8_t* bytes, size_t count,
                    record::ArchiveWriter& archive, std::string& error);

  std::vector<Source> sources_;  // in the order of the file
  uint32_t pieces_ = 0;
  std::vector<uint8_t> before_, payload_;  // the same bytes, read one after the other
};

}  // namespace ullage::launch

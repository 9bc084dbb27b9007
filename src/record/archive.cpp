// SPDX-License-Identifier: Apache-2.0
#include "record/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "record/event.h"
#include "record/zstd_frame.h"

namespace ullage::record {
namespace {

constexpr uint32_t kAlignment = 8;

bool is(const SegmentHeader& h, Kind kind) { return h.kind == static_cast<uint16_t>(kind); }

SegmentHeader parents_header(Kind kind) {
  SegmentHeader h{};
  h.magic = kSegmentMagic;
  h.kind = static_cast<uint16_t>(kind);
  h.version = 1;
  return h;
}

FileHeader archive_header(FileHeader h, const ArchiveOptions& options) {
  h.features |= kFeatureArchive;
  if (options.ring_bytes != 0) h.features |= kFeatureRing;
  return h;
}

}  // namespace

size_t used_bytes(const SegmentHeader& header, const uint8_t* payload, size_t bytes) {
  // A writer that has moved on said where its events end.
  if (is(header, Kind::kEvents) && (header.flags & kSegmentReused) != 0 &&
      header.payload_bytes == header.bytes - sizeof header) {
    EventDecoder decoder(header, payload, bytes, 0);
    for (Event e; decoder.next(e);) {
    }
    if (!decoder.damaged()) return decoder.consumed();
  }
  size_t used = bytes;
  while (used > 0 && payload[used - 1] == 0) --used;
  if (is(header, Kind::kStacks)) {  // no node but the root is zero, and the root comes first
    const size_t nodes = (used + sizeof(StackNode) - 1) / sizeof(StackNode);
    const size_t least = header.first_id == 0 ? 1 : 0;
    return std::min(std::max(nodes, least) * sizeof(StackNode), bytes);
  }
  // Operands may end in zero bytes, and paths in padding.
  return used == 0 ? 0 : std::min(used + kEventBytesMax, bytes);
}

std::unique_ptr<ArchiveWriter> ArchiveWriter::create(const std::string& path,
                                                     const FileHeader& header,
                                                     const ArchiveOptions& options,
                                                     std::string& error) {
  std::unique_ptr<ArchiveWriter> a(new ArchiveWriter);
  a->path_ = path;
  a->options_ = options;
  a->header_ = archive_header(header, options);
  a->fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (a->fd_ < 0) {
    error = path + ": can't be created: " + strerror(errno) + ".";
    return nullptr;
  }
  std::vector<uint8_t> page(kFileHeaderBytes);
  memcpy(page.data(), &a->header_, sizeof a->header_);
  if (!a->write(0, page.data(), page.size(), error)) {
    ::unlink(path.c_str());
    return nullptr;
  }
  a->end_ = kFileHeaderBytes;
  return a;
}

ArchiveWriter::~ArchiveWriter() {
  if (fd_ >= 0) ::close(fd_);
}

bool ArchiveWriter::write(uint64_t at, const void* bytes, size_t count, std::string& error) {
  size_t done = 0;
  while (done < count) {
    const ssize_t n = ::pwrite(fd_, static_cast<const char*>(bytes) + done, count - done,
                               static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      error = path_ + ": can't be written: " + strerror(n < 0 ? errno : ENOSPC) + ".";
      return false;
    }
    done += static_cast<size_t>(n);
  }
  return true;
}

bool ArchiveWriter::append(const SegmentHeader& header, const uint8_t* payload, size_t bytes,
                           std::string& error) {
  const size_t used = used_bytes(header, payload, bytes);
  SegmentHeader h = header;
  h.flags = kSegmentFull | kSegmentZstd;
  h.raw_bytes = static_cast<uint32_t>(used);
  std::vector<uint8_t> frame;
  frame.swap(buffer_);  // keeps its capacity from segment to segment
  frame.clear();
  const bool ok = pack_frame(payload, used, options_.zstd_level, frame);
  if (!ok) error = path_ + ": zstd has no memory.";
  const bool written = ok && append_stored(h, frame.data(), frame.size(), error);
  frame.swap(buffer_);
  return written;
}

bool ArchiveWriter::append_stored(const SegmentHeader& header, const uint8_t* frame, size_t bytes,
                                  std::string& error) {
  SegmentHeader h = header;
  h.magic = kSegmentMagic;
  h.payload_bytes = static_cast<uint32_t>(bytes);
  h.bytes = static_cast<uint32_t>((sizeof h + bytes + kAlignment - 1) / kAlignment * kAlignment);
  static constexpr uint8_t kPadding[kAlignment] = {};
  const size_t padding = h.bytes - sizeof h - bytes;
  // The header comes last: a segment that a kill cuts short is not taken for one.
  if (!write(end_ + sizeof h, frame, bytes, error) ||
      !write(end_ + sizeof h + bytes, kPadding, padding, error) ||
      !write(end_, &h, sizeof h, error)) {
    if (::ftruncate(fd_, static_cast<off_t>(end_)) != 0) error += " Its last segment is torn.";
    return false;
  }
  if (h.offset != 0) hold(h);
  raw_bytes_ += h.raw_bytes;
  if (options_.ring_bytes != 0 && is(h, Kind::kEvents)) {
    events_.emplace(h.ticks0, Kept{end_, h});
    event_bytes_ += h.bytes;
  }
  end_ += h.bytes;
  return options_.ring_bytes == 0 || enforce_ring(error);
}

bool ArchiveWriter::append_marks(const Mark* marks, size_t count, std::string& error) {
  if (count == 0) return true;
  return append(parents_header(Kind::kMarks), reinterpret_cast<const uint8_t*>(marks),
                count * sizeof *marks, error);
}

// Drops the oldest EVENTS segments until the rest fits. The newest is kept whatever its size.
bool ArchiveWriter::enforce_ring(std::string& error) {
  while (event_bytes_ > options_.ring_bytes && events_.size() > 1) {
    Kept oldest = events_.begin()->second;
    std::vector<uint8_t> frame(oldest.header.payload_bytes), payload;
    const ssize_t got = ::pread(fd_, frame.data(), frame.size(),
                                static_cast<off_t>(oldest.at + sizeof oldest.header));
    if (got == static_cast<ssize_t>(frame.size()) &&
        unpack_frame(frame.data(), frame.size(), oldest.header.raw_bytes, payload) ==
            Unpacked::kWhole) {
      aggregate(oldest.header, payload);
    }
    oldest.header.flags |= kSegmentDropped;
    if (!write(oldest.at, &oldest.header, sizeof oldest.header, error)) return false;
    // Give the pages back. Where the file system can't, compact() still does in the end.
    const uint64_t from = (oldest.at + sizeof oldest.header + kPageBytes - 1) / kPageBytes;
    const uint64_t to = (oldest.at + oldest.header.bytes) / kPageBytes;
    if (to > from && ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 static_cast<off_t>(from * kPageBytes),
                                 static_cast<off_t>((to - from) * kPageBytes)) == 0) {
      punched_ += (to - from) * kPageBytes;
    }
    event_bytes_ -= oldest.header.bytes;
    events_.erase(events_.begin());
    ++segments_dropped_;
  }
  return true;
}

void ArchiveWriter::aggregate(const SegmentHeader& header, const std::vector<uint8_t>& payload) {
  EventDecoder decoder(header, payload.data(), payload.size(),
                       std::min(header_.tick_shift, kTickShiftMax));
  Event e;
  while (decoder.next(e)) {
    switch (e.tag) {
      case Tag::kAlloc:
      case Tag::kAllocZeroed:
      case Tag::kAllocPainted:
      case Tag::kAllocFull:
      case Tag::kMap:
      case Tag::kRealloc:
      case Tag::kReallocFull:
      case Tag::kRemap: {
        AggregateRecord& a = aggregates_[e.stack];
        a.stack = e.stack;
        const bool again =
            e.tag == Tag::kRealloc || e.tag == Tag::kReallocFull || e.tag == Tag::kRemap;
        ++(again ? a.reallocs : a.allocations);
        a.bytes += e.size;
        break;
      }
      default:
        break;
    }
  }
}

bool ArchiveWriter::append_aggregates(std::string& error) {
  std::vector<AggregateRecord> records;
  for (const auto& entry : aggregates_) records.push_back(entry.second);
  std::sort(records.begin(), records.end(),
            [](const AggregateRecord& a, const AggregateRecord& b) { return a.stack < b.stack; });
  constexpr size_t kRecordsPerSegment = kSegmentBytesMax / sizeof(AggregateRecord);
  for (size_t i = 0; i < records.size(); i += kRecordsPerSegment) {
    const size_t n = std::min(kRecordsPerSegment, records.size() - i);
    if (!append(parents_header(Kind::kAggregate), reinterpret_cast<const uint8_t*>(&records[i]),
                n * sizeof(AggregateRecord), error)) {
      return false;
    }
  }
  return true;
}

// Moves the segments that are left to the front, in order: no segment is overwritten before it was
// moved. A kill in the middle loses what ring mode may lose; the reader resynchronises.
bool ArchiveWriter::compact(std::string& error) {
  uint64_t to = kFileHeaderBytes;
  std::vector<uint8_t> whole;
  for (uint64_t at = kFileHeaderBytes; at < end_;) {
    SegmentHeader h;
    if (::pread(fd_, &h, sizeof h, static_cast<off_t>(at)) != sizeof h || h.bytes < sizeof h) {
      error = path_ + ": can't be read back.";
      return false;
    }
    if ((h.flags & kSegmentDropped) == 0) {
      if (to != at) {
        whole.resize(h.bytes);
        if (::pread(fd_, whole.data(), whole.size(), static_cast<off_t>(at)) !=
            static_cast<ssize_t>(whole.size())) {
          error = path_ + ": can't be read back.";
          return false;
        }
        if (!write(to, whole.data(), whole.size(), error)) return false;
      }
      to += h.bytes;
    }
    at += h.bytes;
  }
  if (::ftruncate(fd_, static_cast<off_t>(to)) != 0) {
    error = path_ + ": can't be shortened: " + strerror(errno) + ".";
    return false;
  }
  end_ = to;
  punched_ = 0;
  return true;
}

bool ArchiveWriter::finish(const FileHeader& header, const std::string& path, std::string& error) {
  if (!append_aggregates(error)) return false;
  if (segments_dropped_ != 0 && !compact(error)) return false;
  FileHeader h = archive_header(header, options_);
  h.file_bytes = end_;
  if (!write(0, &h, sizeof h, error)) return false;
  // No fsync: a crash of the machine may lose a recording, a crash of a process may not.
  if (::rename(path_.c_str(), path.c_str()) != 0) {
    error = path + ": can't be put in place: " + strerror(errno) +
            ". The recording is complete in " + path_ + ".";
    return false;
  }
  path_ = path;
  return true;
}

bool append_all(const Recording& recording, ArchiveWriter& archive, uint64_t& lost,
                std::string& error) {
  std::vector<uint8_t> bytes;
  std::string why;
  std::vector<const SegmentRef*> order;
  for (const SegmentRef& s : recording.segments()) order.push_back(&s);
  std::stable_partition(order.begin(), order.end(),
                        [](const SegmentRef* s) { return !is(s->header, Kind::kEvents); });
  for (const SegmentRef* ordered : order) {
    const SegmentRef& s = *ordered;
    if (s.header.offset != 0 && archive.holds(s.header)) continue;
    if (!recording.stored(s, bytes, why)) {
      ++lost;
      continue;
    }
    const bool ok = (s.header.flags & kSegmentZstd) != 0
                        ? archive.append_stored(s.header, bytes.data(), bytes.size(), error)
                        : archive.append(s.header, bytes.data(), bytes.size(), error);
    if (!ok) return false;
  }
  return true;
}

}  // namespace ullage::record

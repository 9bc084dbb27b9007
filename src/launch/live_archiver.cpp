// SPDX-License-Identifier: Apache-2.0
#include "launch/live_archiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "launch/live_hold.h"
#include "record/event.h"
#include "record/reader.h"

namespace ullage::launch {

using namespace record;

std::unique_ptr<LiveArchiver> LiveArchiver::open(const std::string& live_path,
                                                 const ArchiveOptions& options,
                                                 std::string& error) {
  LiveHold hold(live_path);
  if (hold.got() == LiveHold::Got::kOthers) {
    error = live_path + ": left to the other `ullage record` that has it.";
    return nullptr;
  }
  if (hold.got() != LiveHold::Got::kMine) {
    error = live_path + ": " + strerror(hold.error()) + ".";
    return nullptr;
  }
  const FileHeader header = hold.read_header();
  if (memcmp(header.magic, kFileMagic, sizeof kFileMagic) != 0 ||
      header.version_major != kVersionMajor) {
    error = live_path + ": holds no recording (its process did not get to write its header).";
    return nullptr;
  }
  std::unique_ptr<LiveArchiver> a(new LiveArchiver);
  a->live_path_ = live_path;
  a->options_ = options;
  a->fd_ = hold.release();
  a->pid_ = header.pid;
  a->image_ = header.image;
  a->use_tsc_ = (header.features & kFeatureClockTsc) != 0;
  return a;
}

LiveArchiver::~LiveArchiver() {
  if (fd_ >= 0) ::close(fd_);
}

FileHeader LiveArchiver::read_header() const {
  FileHeader header{};
  if (::pread(fd_, &header, sizeof header, 0) != sizeof header) header = {};
  header.exe[sizeof header.exe - 1] = 0;
  return header;
}

uint64_t LiveArchiver::raw_bytes() const { return archive_ ? archive_->raw_bytes() : 0; }
uint64_t LiveArchiver::archive_bytes() const { return archive_ ? archive_->bytes() : 0; }

bool LiveArchiver::need_archive(std::string& error) {
  if (archive_ == nullptr) {
    archive_ = ArchiveWriter::create(part_path(live_path_), read_header(), options_, error);
  }
  return archive_ != nullptr;
}

bool LiveArchiver::flush_marks(std::string& error) {
  if (marks_.empty()) return true;
  if (!need_archive(error) || !archive_->append_marks(marks_.data(), marks_.size(), error)) {
    return false;
  }
  marks_.clear();
  return true;
}

void LiveArchiver::mark(const MemorySample& sample) {
  const Mark& mark = sample.mark;
  rss_peak_bytes_ = std::max({rss_peak_bytes_, mark.rss_bytes, mark.rss_peak_bytes});
  anonymous_peak_bytes_ = std::max(anonymous_peak_bytes_, sample.anonymous_bytes);
  marks_.push_back(mark);
  std::string error;
  // Only beside segments: a part for a few marks alone would not be worth its file.
  if (marks_.size() >= kMarksPerSegment && !stopped_) flush_marks(error);
}

// Moves one full segment: first into the part, then out of the live file.
bool LiveArchiver::archive_segment(const SegmentHeader& header) {
  std::string error;
  if (!need_archive(error)) return false;
  buffer_.resize(header.payload_bytes);
  const ssize_t got = ::pread(fd_, buffer_.data(), buffer_.size(),
                              static_cast<off_t>(header.offset + sizeof header));
  if (got < 0) return false;
  if (!archive_->append(header, buffer_.data(), static_cast<size_t>(got), error)) return false;
  const uint32_t flags = header.flags | kSegmentDropped;
  if (::pwrite(fd_, &flags, sizeof flags,
               static_cast<off_t>(header.offset + offsetof(SegmentHeader, flags))) !=
      sizeof flags) {
    return false;
  }
  // Where the file system has no holes, the live file keeps its size until the end.
  if (header.bytes > kPageBytes && (header.flags & kSegmentKept) == 0) {
    (void)::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(header.offset + kPageBytes),
                      static_cast<off_t>(header.bytes - kPageBytes));
  }
  return true;
}

// Finds the segments that were claimed since the last time. A gap: a thread is between claiming and
// writing the header, or was killed there. EVENTS behind it are taken after a second; contexts are
// looked for at once, as EVENTS before it may name them. If the gap comes to life after that,
// complete() finds it.
void LiveArchiver::walk() {
  struct stat st {};
  if (::fstat(fd_, &st) != 0) return;
  const uint64_t end = static_cast<uint64_t>(st.st_size);
  bool waiting = false;
  for (uint64_t at = at_; at < end && end - at >= sizeof(SegmentHeader);) {
    SegmentHeader h;
    if (::pread(fd_, &h, sizeof h, static_cast<off_t>(at)) != sizeof h) return;
    const bool valid = h.magic == kSegmentMagic && h.offset == at && h.bytes >= sizeof h &&
                       h.bytes <= kSegmentBytesLimit && h.bytes % kPageBytes == 0 &&
                       h.payload_bytes <= h.bytes - sizeof h;
    if (!valid) {
      waiting = waiting || (at == at_ && gap_polls_ < kGapPollsMax);
      gap_at_end_ = true;
      at += kPageBytes;
      continue;
    }
    contexts_.found(h);
    at += h.bytes;
    if (waiting) continue;
    if (h.kind == static_cast<uint16_t>(Kind::kEvents) && (h.flags & kSegmentDropped) == 0) {
      open_.push_back({h.offset, h.bytes});
    }
    at_ = at;
    gap_polls_ = 0;
    gap_at_end_ = false;
  }
}

// Whether the segment is full and was not taken yet. One that is kept may be used again while its
// header is read: what can be taken reads the same twice, as only we change it then.
bool LiveArchiver::read_full(const OpenSegment& segment, SegmentHeader& h) const {
  const auto read = [&](SegmentHeader& to) {
    return ::pread(fd_, &to, sizeof to, static_cast<off_t>(segment.at)) == sizeof to;
  };
  if (!read(h) || h.magic != kSegmentMagic || h.offset != segment.at || h.bytes != segment.bytes ||
      h.payload_bytes > h.bytes - sizeof h ||
      (h.flags & (kSegmentFull | kSegmentDropped)) != kSegmentFull) {
    return false;
  }
  SegmentHeader again;
  return (h.flags & kSegmentKept) == 0 || (read(again) && memcmp(&h, &again, sizeof h) == 0);
}

void LiveArchiver::poll() {
  if (stopped_) return;
  gap_at_end_ = false;
  walk();
  if (gap_at_end_) ++gap_polls_;
  std::vector<SegmentHeader> full;
  size_t stay = 0;
  for (size_t i = 0; i < open_.size(); ++i) {
    SegmentHeader h;
    const bool is_full = read_full(open_[i], h);
    if (is_full) full.push_back(h);
    if (!is_full || (h.flags & kSegmentKept) != 0) open_[stay++] = open_[i];
  }
  open_.resize(stay);
  if (full.empty()) return;
  walk();  // what the full segments name was stored before they were full: it can be found by now
  std::string error;
  bool ok = need_archive(error) && contexts_.append_new(fd_, *archive_, error);
  for (size_t i = 0; ok && i < full.size(); ++i) ok = archive_segment(full[i]);
  stopped_ = !ok;  // disk full, most likely; complete() tries again
}

RecordedProcess LiveArchiver::describe(const FileHeader& header) const {
  RecordedProcess p;
  p.path = live_path_;
  p.pid = pid_;
  p.image = image_;
  p.program = header.exe;
  p.called.assign(header.cmdline, strnlen(header.cmdline, sizeof header.cmdline));
  p.malloc_owner.assign(header.malloc_owner,
                        strnlen(header.malloc_owner, sizeof header.malloc_owner));
  p.children_lost = header.counters.children_lost;
  p.forks = header.counters.forks;
  p.state = header.state;
  p.events = header.counters.events;
  p.rss_peak_bytes = rss_peak_bytes_;
  p.raw_bytes = raw_bytes();
  p.archive_bytes = archive_bytes();
  p.segments_dropped = archive_ ? archive_->segments_dropped() : 0;
  return p;
}

RecordedProcess LiveArchiver::leave() {
  std::string error;
  if (archive_ != nullptr) flush_marks(error);
  RecordedProcess p = describe(read_header());
  p.outcome = Outcome::kStillRunning;
  return p;
}

uint64_t uncounted_events(const Recording& recording) {
  uint64_t events = 0;
  std::vector<uint8_t> payload;
  std::string error;
  for (const SegmentRef& segment : recording.segments()) {
    const bool open = (segment.header.flags & kSegmentFull) == 0;
    if (!open || segment.header.kind != static_cast<uint16_t>(Kind::kEvents)) continue;
    if (!recording.payload(segment, payload, error)) continue;
    EventDecoder decoder(segment.header, payload.data(), payload.size(),
                         recording.header().tick_shift);
    Event event;
    while (decoder.next(event)) events += event.tag != Tag::kThreadName;
  }
  return events;
}

RecordedProcess LiveArchiver::complete(const std::string& final_path, std::string& problem) {
  const auto recording = Recording::open(live_path_, problem);
  uint64_t lost = 0;
  const bool ok = recording != nullptr && need_archive(problem) && flush_marks(problem) &&
                  contexts_.finish(fd_, *archive_, problem) &&
                  append_all(*recording, *archive_, lost, problem);
  FileHeader header = recording ? recording->header() : read_header();
  if (recording != nullptr && header.state == static_cast<uint32_t>(State::kRecording)) {
    header.counters.events += uncounted_events(*recording);
  }
  const RecordedProcess said = describe(header);
  if (left_by_itself_ && header.state == static_cast<uint32_t>(State::kRecording)) {
    header.state = static_cast<uint32_t>(State::kEnded);
  }
  if (!ok || !archive_->finish(header, final_path, problem)) {
    problem += "\n  Nothing is lost. Make room, then: ullage record --finish " + live_path_;
    RecordedProcess p = said;
    p.outcome = Outcome::kKeptLive;
    return p;
  }
  RecordedProcess p = describe(header);
  p.state = said.state;
  p.path = final_path;
  if (lost == 0) {
    ::unlink(live_path_.c_str());
  } else {
    problem = live_path_ + ": " + std::to_string(lost) +
              " segments could not be read; the file is kept beside " + final_path + ".";
  }
  return p;
}

}  // namespace ullage::launch

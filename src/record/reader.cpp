// SPDX-License-Identifier: Apache-2.0
#include "record/reader.h"

#include <string.h>

#include <algorithm>
#include <map>
#include <utility>

#include "record/byte_source.h"
#include "record/zstd_frame.h"

namespace ullage::record {
namespace {

// Bytes read at once while looking for the next header behind damage.
constexpr size_t kScanBytes = 64u << 10;

bool known_kind(uint16_t kind) {
  return kind >= static_cast<uint16_t>(Kind::kEvents) &&
         kind <= static_cast<uint16_t>(Kind::kAggregate);
}

bool from_agent(const SegmentHeader& h) {
  return h.kind == static_cast<uint16_t>(Kind::kEvents) ||
         h.kind == static_cast<uint16_t>(Kind::kStacks) ||
         h.kind == static_cast<uint16_t>(Kind::kModules);
}

// What the parent copied ahead of the events that name it.
bool piece_of_contexts(const SegmentHeader& h) {
  return h.offset == 0 && (h.kind == static_cast<uint16_t>(Kind::kStacks) ||
                           h.kind == static_cast<uint16_t>(Kind::kModules));
}

// Whether the sizes of a header can be those of a segment at a multiple of `alignment`.
bool plausible(const SegmentHeader& h, uint32_t alignment) {
  return h.magic == kSegmentMagic && h.bytes >= sizeof(SegmentHeader) &&
         h.bytes <= kSegmentBytesLimit && h.bytes % alignment == 0 && h.kind != 0 &&
         h.version != 0 && h.payload_bytes <= h.bytes - sizeof(SegmentHeader) &&
         h.raw_bytes <= kSegmentBytesLimit;
}

bool all_zero(const SegmentHeader& h) {
  static constexpr char kZeros[sizeof(SegmentHeader)] = {};
  return memcmp(&h, kZeros, sizeof h) == 0;
}

std::string printable(const char* bytes, size_t count) {
  std::string s;
  for (size_t i = 0; i < count; ++i) s += bytes[i] >= 32 && bytes[i] < 127 ? bytes[i] : '?';
  return s;
}

}  // namespace

Recording::Recording() = default;
Recording::~Recording() = default;

std::string part_path(const std::string& live_path) {
  constexpr const char kLive[] = ".live";
  constexpr size_t kLiveBytes = sizeof kLive - 1;
  if (live_path.size() <= kLiveBytes ||
      live_path.compare(live_path.size() - kLiveBytes, kLiveBytes, kLive) != 0) {
    return {};
  }
  return live_path.substr(0, live_path.size() - kLiveBytes) + ".ulg.part";
}

std::unique_ptr<Recording> Recording::open(const std::string& path, std::string& error) {
  std::string why;
  std::unique_ptr<ByteSource> file = open_file_source(path, why);
  if (file == nullptr) {
    error = path + ": can't be opened: " + why +
            ".\n  Expected a recording of ullage record (.ulg, or .live while it runs). Check the"
            " path; recordings are readable by their owner only.";
    return nullptr;
  }
  std::unique_ptr<ByteSource> part;
  const std::string sibling = part_path(path);
  if (!sibling.empty()) part = open_file_source(sibling, why);  // its absence is normal
  return read(std::move(file), std::move(part), path, error);
}

std::unique_ptr<Recording> Recording::from_bytes(std::vector<uint8_t> bytes,
                                                 const std::string& name, std::string& error) {
  return read(memory_source(std::move(bytes)), nullptr, name, error);
}

std::unique_ptr<Recording> Recording::read(std::unique_ptr<ByteSource> file,
                                           std::unique_ptr<ByteSource> part,
                                           const std::string& path, std::string& error) {
  std::unique_ptr<Recording> r(new Recording);
  r->path_ = path;
  r->sources_[0] = std::move(file);
  r->sources_[1] = std::move(part);
  r->file_bytes_ = r->sources_[0]->bytes();
  if (!r->read_header(error)) return nullptr;
  r->clamp_header();
  r->bytes_understood_ = kFileHeaderBytes;
  if (r->archived()) {
    r->sources_[1].reset();
    r->walk_archive(0);
    r->segments_dropped_ = r->dropped_.size();
  } else {
    r->walk_live();
    r->merge_part();
  }
  if (r->segments_unknown_ != 0) {
    r->note(std::to_string(r->segments_unknown_) +
            " segments are of a kind or version that this build does not know; they were skipped."
            " A newer ullage may show more.");
  }
  if (r->segments_cut_ != 0) {
    r->note("The file ends inside a segment: it was cut short. What precedes the cut is used.");
  }
  r->bytes_understood_ = std::min(r->bytes_understood_, r->file_bytes_);
  return r;
}

bool Recording::read_header(std::string& error) {
  const size_t got = sources_[0]->read(0, &header_, sizeof header_);
  if (got >= sizeof kFileMagic && memcmp(header_.magic, kFileMagic, sizeof kFileMagic) != 0) {
    error = path_ + ": not a recording: it begins with \"" + printable(header_.magic, 4) +
            "\", a recording with \"ULG1\".\n  Make one with: ullage record -o app.ulg -- CMD";
    return false;
  }
  if (file_bytes_ < kFileHeaderBytes || got < sizeof header_) {
    error = path_ + ": only " + std::to_string(file_bytes_) +
            " bytes long, but its header alone has " + std::to_string(kFileHeaderBytes) +
            ".\n  The file was cut short, or its process was killed before it began. Record again.";
    return false;
  }
  if (header_.version_major != kVersionMajor) {
    error = path_ + ": format version " + std::to_string(header_.version_major) + "." +
            std::to_string(header_.version_minor) + ", but this ullage reads version " +
            std::to_string(kVersionMajor) +
            ".x.\n  Use the ullage that recorded it, or record again with this one.";
    return false;
  }
  return true;
}

void Recording::clamp_header() {
  FileHeader& h = header_;
  if (h.header_bytes != kFileHeaderBytes) {
    note("The header claims to have " + std::to_string(h.header_bytes) + " bytes, not " +
         std::to_string(kFileHeaderBytes) + "; segments are looked for behind byte " +
         std::to_string(kFileHeaderBytes) + ".");
    h.header_bytes = kFileHeaderBytes;
  }
  if (h.tick_shift > kTickShiftMax) {
    note("The header's tick_shift is " + std::to_string(h.tick_shift) + ", at most " +
         std::to_string(kTickShiftMax) + " is possible: times are wrong.");
    h.tick_shift = 0;
  }
  if (h.stack_nodes > kStackNodesMax) {
    note("The header claims " + std::to_string(h.stack_nodes) + " stack nodes; at most " +
         std::to_string(kStackNodesMax) + " are possible.");
    h.stack_nodes = kStackNodesMax;
  }
  h.build_id_bytes = std::min<uint8_t>(h.build_id_bytes, sizeof h.build_id);
  h.exe[sizeof h.exe - 1] = 0;
  h.malloc_owner[sizeof h.malloc_owner - 1] = 0;
  h.cmdline[sizeof h.cmdline - 1] = h.cmdline[sizeof h.cmdline - 2] = 0;
}

void Recording::note(std::string sentence) {
  if (notes_.size() < kNotesMax) notes_.push_back(std::move(sentence));
}

void Recording::damaged(uint64_t from, uint64_t to, uint32_t source) {
  ++segments_damaged_;
  note("Bytes " + std::to_string(from) + " to " + std::to_string(to) +
       (source == 1 ? " of the .ulg.part" : "") + " are damaged: no segment header there.");
}

// Files one segment. False: the table is full.
bool Recording::keep(const SegmentRef& segment, uint64_t available) {
  const SegmentHeader& h = segment.header;
  if (h.kind == static_cast<uint16_t>(Kind::kFiller)) {
    bytes_understood_ += std::min<uint64_t>(h.bytes, available);
    return true;
  }
  if (!known_kind(h.kind) || h.version != 1) {
    ++segments_unknown_;
    return true;
  }
  bytes_understood_ += std::min<uint64_t>(h.bytes, available);
  if ((h.flags & kSegmentDropped) != 0) {
    if (dropped_.size() < kSegmentsMax) dropped_.emplace_back(h);
    return true;
  }
  if (available < sizeof h + h.payload_bytes) ++segments_cut_;
  if (segments_.size() == kSegmentsMax) {
    note("More than " + std::to_string(kSegmentsMax) + " segments: the rest is not read.");
    return false;
  }
  segments_.push_back(segment);
  if ((h.flags & kSegmentZstd) == 0) segments_.back().header.raw_bytes = h.payload_bytes;
  return true;
}

// Segments lie on 4 KiB steps and know their offset. Space that was claimed by a process that was
// killed before it wrote the header is zero pages, and stepped over; so is damage, until a page
// begins with a header that names its own offset. Payload may look like a header, but only on
// purpose would it name the right offset too.
void Recording::walk_live() {
  const ByteSource& file = *sources_[0];
  const uint64_t end = file.bytes();
  uint64_t damage = 0;  // where the current run of damaged pages began; 0: none
  uint64_t at = kFileHeaderBytes;
  while (at < end && end - at >= sizeof(SegmentHeader)) {
    SegmentHeader h;
    if (file.read(at, &h, sizeof h) != sizeof h) {
      note("Reading failed at byte " + std::to_string(at) + ".");
      break;
    }
    if (h.offset == at && plausible(h, kPageBytes)) {
      if (damage != 0) damaged(std::exchange(damage, 0), at, 0);
      if (!keep({h, at, 0}, end - at)) return;
      at += h.bytes;
      continue;
    }
    // The magic is stored last: without it, a kill came in between. Behind it lies nothing, or what
    // is left of an earlier use, which was archived.
    if (h.magic == 0 && h.offset == at && h.bytes >= kPageBytes && h.bytes <= kSegmentBytesLimit &&
        h.bytes % kPageBytes == 0 && damage == 0) {
      at += h.bytes;
      continue;
    }
    if (all_zero(h) || (h.magic == 0 && h.offset == at)) {
      const uint64_t data = file.next_data(at + kPageBytes) / kPageBytes * kPageBytes;
      at = std::max(at + kPageBytes, data);
      continue;
    }
    if (damage == 0) damage = at;
    at += kPageBytes;
  }
  if (damage != 0) damaged(damage, end, 0);
}

// Segments of an archive follow one another at 8-byte steps; behind damage the next plausible
// header is taken.
void Recording::walk_archive(uint32_t source) {
  const ByteSource& file = *sources_[source];
  const uint64_t end = file.bytes();
  std::vector<uint8_t> window;
  uint64_t damage = 0;
  uint64_t at = kFileHeaderBytes;
  while (at < end && end - at >= sizeof(SegmentHeader)) {
    SegmentHeader h;
    if (file.read(at, &h, sizeof h) != sizeof h) {
      note("Reading failed at byte " + std::to_string(at) + ".");
      break;
    }
    if (plausible(h, 8)) {
      if (damage != 0) damaged(std::exchange(damage, 0), at, source);
      if (!keep({h, at, source}, end - at)) return;
      at += h.bytes;
      continue;
    }
    if (damage == 0) damage = at;
    at += 8;
    if (all_zero(h)) at = std::max(at, file.next_data(at) / 8 * 8);
    // Look for the magic in larger steps; the loop above judges what is found.
    while (at < end) {
      window.resize(std::min<uint64_t>(kScanBytes, end - at));
      window.resize(file.read(at, window.data(), window.size()));
      if (window.size() < 8) {
        at = end;
        break;
      }
      size_t i = 0;
      while (i + 8 <= window.size() && memcmp(window.data() + i, &kSegmentMagic, 4) != 0) i += 8;
      at += i;
      if (i + 8 <= window.size()) break;
      at = std::max(at, file.next_data(at) / 8 * 8);
    }
  }
  // The part's last segment may be under way, or was when the parent was killed: the live file
  // still holds it.
  if (source == 1) return;
  if (damage != 0) {
    damaged(damage, end, source);
  } else if (at < end) {
    ++segments_cut_;  // a few bytes of a header
  }
}

// Adds what the parent has moved to X.ulg.part. The part was opened after the live file and is
// walked after it: a segment that the parent moves meanwhile is seen in both places, never in
// neither. The part's copy is preferred, as the other may be punched out any time, unless it is cut
// short.
void Recording::merge_part() {
  const std::vector<SegmentKey> dropped = std::move(dropped_);
  dropped_.clear();
  // The parent has made the part and not begun it yet: it holds nothing.
  if (sources_[1] != nullptr && sources_[1]->bytes() < kFileHeaderBytes) sources_[1].reset();
  if (sources_[1] != nullptr) {
    const ByteSource& part = *sources_[1];
    FileHeader h;
    if (part.read(0, &h, sizeof h) != sizeof h ||
        memcmp(h.magic, kFileMagic, sizeof kFileMagic) != 0 || h.version_major != kVersionMajor ||
        (h.features & kFeatureArchive) == 0 || h.pid != header_.pid || h.run_id != header_.run_id ||
        h.image != header_.image || h.start_monotonic_ns != header_.start_monotonic_ns) {
      note("The .ulg.part beside the file belongs to another recording; it is not used.");
      sources_[1].reset();
    } else {
      header_.features |= h.features & kFeatureRing;
    }
  }
  if (sources_[1] != nullptr) {
    std::vector<SegmentRef> live = std::move(segments_);
    segments_.clear();
    const uint64_t live_cut = segments_cut_;
    const bool live_whole = live_cut == 0 && segments_damaged_ == 0;
    file_bytes_ += sources_[1]->bytes();
    bytes_understood_ += kFileHeaderBytes;
    walk_archive(1);
    segments_cut_ = live_cut;  // the part's last segment is being written: nothing is lost by that

    std::map<SegmentKey, size_t> by_key;
    for (size_t i = 0; i < live.size(); ++i) by_key.emplace(SegmentKey(live[i].header), i);
    std::vector<SegmentRef> merged;
    for (const SegmentRef& s : segments_) {
      const auto twin = from_agent(s.header) ? by_key.find(SegmentKey(s.header)) : by_key.end();
      const bool whole =
          s.file_offset + sizeof s.header + s.header.payload_bytes <= sources_[1]->bytes();
      if (live_whole && piece_of_contexts(s.header)) continue;  // the live file keeps them all
      if (twin == by_key.end()) {
        merged.push_back(s);
      } else if (whole) {
        live[twin->second] = s;
      }
    }
    segments_ = std::move(merged);
    segments_.insert(segments_.end(), live.begin(), live.end());
    std::stable_sort(
        segments_.begin(), segments_.end(),
        [](const SegmentRef& a, const SegmentRef& b) { return a.header.offset < b.header.offset; });
  }
  std::vector<SegmentKey> kept;
  for (const SegmentRef& s : segments_) {
    if (s.source == 1) kept.emplace_back(s.header);
  }
  std::sort(kept.begin(), kept.end());
  for (const SegmentKey& key : dropped) {
    if (!std::binary_search(kept.begin(), kept.end(), key)) ++segments_dropped_;
  }
  if (segments_dropped_ != 0 && (header_.features & kFeatureRing) == 0) {
    note(std::to_string(segments_dropped_) +
         " segments were moved away and are not beside the file" + " (expected in " +
         part_path(path_) + ").");
  }
}

bool Recording::segment_error(const SegmentRef& segment, const std::string& what,
                              std::string& error) const {
  error = path_ + ": segment at byte " + std::to_string(segment.file_offset) +
          (segment.source == 1 ? " of its .ulg.part" : "") + ": " + what;
  return false;
}

bool Recording::stored(const SegmentRef& segment, std::vector<uint8_t>& out,
                       std::string& error) const {
  out.clear();
  const SegmentHeader& h = segment.header;
  const ByteSource* source = segment.source < 2 ? sources_[segment.source].get() : nullptr;
  const auto fail = [&](const char* what) { return segment_error(segment, what, error); };
  if (source == nullptr || h.payload_bytes > kSegmentBytesLimit ||
      h.raw_bytes > kSegmentBytesLimit) {
    return fail("not a segment of this recording.");
  }
  if (!read_stored(*source, segment.file_offset + sizeof h, h.payload_bytes, out)) {
    return fail("cut off by the end of the file.");
  }
  if (!archived() && segment.source == 0) {
    // The parent may have moved it between open() and now.
    SegmentHeader now;
    if (source->read(segment.file_offset, &now, sizeof now) == sizeof now &&
        now.offset == h.offset &&
        ((now.flags & kSegmentDropped) != 0 || now.magic == 0 || now.ticks0 != h.ticks0)) {
      out.clear();
      return fail("was moved to the .ulg.part while it was read. Open the recording again.");
    }
  }
  return true;
}

// The end of the file bounds what is allocated, whatever the header claims.
bool Recording::read_stored(const ByteSource& source, uint64_t at, uint32_t count,
                            std::vector<uint8_t>& out) const {
  const uint64_t end = source.bytes();
  out.resize(at < end ? std::min<uint64_t>(count, end - at) : 0);
  out.resize(source.read(at, out.data(), out.size()));
  return !out.empty() || count == 0;
}

// A segment of a live file that the parent moved to the part after open(): looked for there, anew.
bool Recording::moved_payload(const SegmentRef& segment, std::vector<uint8_t>& out,
                              std::string& error) const {
  std::string why;
  const auto part = open_file_source(part_path(path_), why);
  uint64_t at = kFileHeaderBytes;
  while (part != nullptr && at + sizeof(SegmentHeader) <= part->bytes()) {
    SegmentHeader h;
    if (part->read(at, &h, sizeof h) != sizeof h || !plausible(h, 8)) break;
    std::vector<uint8_t> frame;
    if (SegmentKey(h) == SegmentKey(segment.header) && from_agent(h) &&
        (h.flags & kSegmentZstd) != 0 &&
        read_stored(*part, at + sizeof h, h.payload_bytes, frame) &&
        unpack_frame(frame.data(), frame.size(), h.raw_bytes, out) == Unpacked::kWhole) {
      return true;
    }
    at += h.bytes;
  }
  out.clear();
  return segment_error(segment, "was archived while it was read. Open the recording again.", error);
}

bool Recording::payload(const SegmentRef& segment, std::vector<uint8_t>& out,
                        std::string& error) const {
  const SegmentHeader& h = segment.header;
  if ((h.flags & kSegmentZstd) == 0) {
    if (stored(segment, out, error)) return true;
    return !archived() && segment.source == 0 && moved_payload(segment, out, error);
  }
  std::vector<uint8_t> frame;
  if (!stored(segment, frame, error)) return false;
  switch (unpack_frame(frame.data(), frame.size(), h.raw_bytes, out)) {
    case Unpacked::kWhole:
      return true;
    case Unpacked::kCut:
      if (!out.empty()) return true;
      return segment_error(segment, "its compressed payload is cut off in its first block.", error);
    case Unpacked::kDamaged:
      break;
  }
  return segment_error(
      segment,
      "its compressed payload is damaged; " + std::to_string(h.raw_bytes) + " bytes are lost.",
      error);
}

}  // namespace ullage::record

// SPDX-License-Identifier: Apache-2.0
#include "launch/context_archiver.h"

#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace ullage::launch {

using namespace record;

namespace {

constexpr uint32_t kNodeBytes = sizeof(StackNode);

bool is(const SegmentHeader& h, Kind kind) { return h.kind == static_cast<uint16_t>(kind); }

uint32_t nodes_of(const SegmentHeader& h) {
  return std::min<uint32_t>(h.payload_bytes / kNodeBytes, kStackNodesPerSegment);
}

// The agent stores the pc of a node last, and the size of a module record.
bool written(const std::vector<uint8_t>& bytes, uint32_t node) {
  uint64_t pc = 0;
  memcpy(&pc, bytes.data() + size_t{node} * kNodeBytes + offsetof(StackNode, pc), sizeof pc);
  return pc != 0;
}

// Bytes of the module records that `bytes` begins with.
uint32_t records_bytes(const std::vector<uint8_t>& bytes) {
  size_t at = 0;
  while (bytes.size() - at >= sizeof(ModuleRecord)) {
    uint32_t record = 0;
    memcpy(&record, bytes.data() + at, sizeof record);
    if (record < sizeof(ModuleRecord) || record > bytes.size() - at) break;
    at += record;
  }
  return static_cast<uint32_t>(at);
}

}  // namespace

void ContextArchiver::found(const SegmentHeader& header) {
  if (!is(header, Kind::kStacks) && !is(header, Kind::kModules)) return;
  const auto after =
      std::lower_bound(sources_.begin(), sources_.end(), header.offset,
                       [](const Source& s, uint64_t offset) { return s.header.offset < offset; });
  if (after != sources_.end() && after->header.offset == header.offset) return;
  sources_.insert(after, Source{header, 0, {}});
}

// Reads the payload from `from` on, twice: a node or record that is complete in before_ is so in
// payload_, whole. Read once, it could have its last-written word and lack an earlier one, as the
// kernel copies while the agent writes.
bool ContextArchiver::read(int fd, const Source& source, uint32_t from) {
  for (std::vector<uint8_t>* bytes : {&before_, &payload_}) {
    bytes->assign(source.header.payload_bytes - from, 0);
    const ssize_t got = ::pread(
        fd, bytes->data(), bytes->size(),
        static_cast<off_t>(source.header.offset + sizeof source.header) + static_cast<off_t>(from));
    if (got < 0) return false;  // read again next time; append_all() has the last word
  }
  return true;
}

bool ContextArchiver::append_piece(const Source& source, uint32_t first_id, const uint8_t* bytes,
                                   size_t count, ArchiveWriter& archive, std::string& error) {
  SegmentHeader h = source.header;
  h.offset = 0;  // a piece of a segment is not the segment
  h.first_id = first_id;
  h.seq = pieces_;
  if (!archive.append(h, bytes, count, error)) return false;
  ++pieces_;
  return true;
}

bool ContextArchiver::append_stacks(int fd, Source& source, ArchiveWriter& archive,
                                    std::string& error) {
  const uint32_t nodes = nodes_of(source.header);
  const uint32_t seen = source.taken / kNodeBytes;
  if (seen == nodes && source.holes.empty()) return true;
  const uint32_t from = source.holes.empty() ? seen : source.holes.front();
  if (!read(fd, source, from * kNodeBytes)) return true;
  const auto complete = [&](uint32_t node) { return written(before_, node - from); };
  const auto append = [&](uint32_t first, uint32_t end) {
    return append_piece(source, source.header.first_id + first,
                        payload_.data() + size_t{first - from} * kNodeBytes,
                        size_t{end - first} * kNodeBytes, archive, error);
  };
  // A piece may hold holes: ids that were handed out and not yet stored. Each is taken by itself
  // once it is there; to wait for it would leave out those behind it.
  std::vector<uint32_t> holes;
  for (const uint32_t hole : source.holes) {
    if (!complete(hole)) {
      holes.push_back(hole);
    } else if (!append(hole, hole + 1)) {
      return false;  // what was appended is appended again: rare, and harmless
    }
  }
  uint32_t end = nodes;
  while (end > seen && !complete(end - 1)) --end;
  if (end > seen) {
    if (!append(seen, end)) return false;
    for (uint32_t node = seen; node < end; ++node) {
      const bool root = source.header.first_id + node == 0;
      if (!root && !complete(node)) holes.push_back(node);
    }
    source.taken = end * kNodeBytes;
  }
  source.holes.swap(holes);
  return true;
}

bool ContextArchiver::append_modules(int fd, Source& source, ArchiveWriter& archive,
                                     std::string& error) {
  if (!read(fd, source, source.taken)) return true;
  const uint32_t bytes = records_bytes(before_);
  if (bytes == 0) return true;
  if (!append_piece(source, 0, payload_.data(), bytes, archive, error)) return false;
  source.taken += bytes;
  return true;
}

bool ContextArchiver::append_new(int fd, ArchiveWriter& archive, std::string& error) {
  for (Source& source : sources_) {
    const bool ok = is(source.header, Kind::kStacks) ? append_stacks(fd, source, archive, error)
                                                     : append_modules(fd, source, archive, error);
    if (!ok) return false;
  }
  return true;
}

bool ContextArchiver::finish(int fd, ArchiveWriter& archive, std::string& error) {
  std::vector<Source> untouched;
  std::vector<Source> touched;
  for (Source& s : sources_) (s.taken == 0 ? untouched : touched).push_back(std::move(s));
  sources_.swap(touched);
  if (!append_new(fd, archive, error)) return false;
  for (const Source& s : sources_) archive.hold(s.header);
  return true;
}

}  // namespace ullage::launch

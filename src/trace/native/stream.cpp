// SPDX-License-Identifier: Apache-2.0
#include "trace/native/stream.h"

#include <algorithm>
#include <unordered_map>

namespace ullage::trace {
namespace {

using record::EventDecoder;
using record::SegmentRef;

// Segments looked into for the last event: threads that ended earlier can't hold it.
constexpr std::size_t kLastSegments = 64;

bool holds_events(const SegmentRef& s) {
  return s.header.kind == static_cast<std::uint16_t>(record::Kind::kEvents);
}

}  // namespace

EventStream::EventStream(const record::Recording& recording) : recording_(recording) {
  std::unordered_map<std::uint32_t, std::size_t> by_writer;
  const auto& segments = recording.segments();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (!holds_events(segments[i])) continue;
    const auto [it, fresh] = by_writer.emplace(segments[i].header.writer, sources_.size());
    if (fresh) sources_.emplace_back();
    sources_[it->second].segments.push_back(i);
    bytes_total_ += segments[i].header.payload_bytes;
  }
  for (std::uint32_t i = 0; i < sources_.size(); ++i) {
    auto& order = sources_[i].segments;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return segments[a].header.seq < segments[b].header.seq;
    });
    sources_[i].key = segments[order.front()].header.ticks0;
    heap_.push_back({sources_[i].key, i});
  }
  std::sort(heap_.begin(), heap_.end());  // a sorted array is a heap
}

EventStream::Source* EventStream::due() {
  while (!heap_.empty()) {
    Source& s = sources_[heap_.front().source];
    if (s.open) {
      bound_ = UINT64_MAX;
      for (std::size_t i = 1; i <= 2 && i < heap_.size(); ++i) {
        bound_ = std::min(bound_, heap_[i].key);
      }
      return &s;
    }
    open_next(s);
    replace_top();  // its first event may be later than its header promised
  }
  return nullptr;
}

void EventStream::open_next(Source& s) {
  while (s.next < s.segments.size()) {
    const SegmentRef& segment = recording_.segments()[s.segments[s.next++]];
    bytes_read_ += segment.header.payload_bytes;
    if (progress_ && bytes_total_ != 0) {
      progress_(static_cast<double>(bytes_read_) / static_cast<double>(bytes_total_));
    }
    std::string error;
    if (!recording_.payload(segment, s.payload, error)) {
      damaged(segment.header.payload_bytes, std::move(error));
      continue;
    }
    s.decoder.emplace(segment.header, s.payload.data(), s.payload.size(),
                      recording_.header().tick_shift);
    s.open = true;
    s.ahead.resize(kEventsAhead);
    if (refill(s)) return;
    if (s.next < s.segments.size()) return;  // empty: come back when the next one is due
  }
}

bool EventStream::refill(Source& s) {
  if (s.count != 0) s.key = s.ahead[s.count - 1].ticks;  // the stream has come this far
  s.at = s.count = 0;
  while (s.count < kEventsAhead && s.decoder->next(s.ahead[s.count])) ++s.count;
  if (s.count != 0) return true;
  close(s);
  return false;
}

void EventStream::close(Source& s) {
  if (s.decoder->damaged()) {
    const std::size_t left = s.payload.size() - s.decoder->consumed();
    const SegmentRef& segment = recording_.segments()[s.segments[s.next - 1]];
    damaged(stored_bytes(segment.header, left),
            recording_.path() + ": segment at byte " + std::to_string(segment.file_offset) +
                ": its events stop making sense " + std::to_string(left) +
                " bytes before its end; what precedes was used.");
  }
  s.open = false;
  s.decoder.reset();
  if (s.next < s.segments.size()) {
    s.key = std::max(s.key, recording_.segments()[s.segments[s.next]].header.ticks0);
  } else {
    s.payload = {};
    s.ahead = {};
  }
}

void EventStream::damaged(std::uint64_t bytes, std::string note) {
  ++damage_.segments;
  damage_.bytes += bytes;
  if (damage_.notes.size() < kDamageNotesMax) damage_.notes.push_back(std::move(note));
}

void EventStream::replace_top() {
  const Source& s = sources_[heap_.front().source];
  if (!s.open && s.next >= s.segments.size()) {
    heap_.front() = heap_.back();
    heap_.pop_back();
    if (heap_.empty()) return;
  } else {
    heap_.front().key = key_of(heap_.front().source);
  }
  sift_down(0);
}

void EventStream::sift_down(std::size_t at) {
  const Entry moving = heap_[at];
  while (true) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
    if (!(heap_[child] < moving)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  heap_[at] = moving;
}

std::uint64_t stored_bytes(const record::SegmentHeader& header, std::uint64_t bytes) {
  if (header.raw_bytes == 0 || bytes >= header.raw_bytes) return header.payload_bytes;
  return header.payload_bytes * bytes / header.raw_bytes;
}

std::uint64_t last_ticks(const record::Recording& recording) {
  std::vector<const SegmentRef*> last;
  for (const SegmentRef& s : recording.segments()) {
    if (holds_events(s)) last.push_back(&s);
  }
  const std::size_t count = std::min(last.size(), kLastSegments);
  std::partial_sort(
      last.begin(), last.begin() + static_cast<std::ptrdiff_t>(count), last.end(),
      [](const SegmentRef* a, const SegmentRef* b) { return a->header.ticks0 > b->header.ticks0; });
  std::uint64_t ticks = 0;
  std::vector<std::uint8_t> payload;
  std::string error;
  for (std::size_t i = 0; i < count; ++i) {
    ticks = std::max(ticks, last[i]->header.ticks0);
    if (!recording.payload(*last[i], payload, error)) continue;
    EventDecoder decoder(last[i]->header, payload.data(), payload.size(),
                         recording.header().tick_shift);
    record::Event event;
    while (decoder.next(event)) ticks = std::max(ticks, event.ticks);
  }
  return ticks;
}

}  // namespace ullage::trace

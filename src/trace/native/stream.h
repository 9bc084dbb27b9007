// SPDX-License-Identifier: Apache-2.0
#pragma once

// EventStream: the events of all threads of a recording in the order of time.
//
//   EventStream stream{recording};
//   stream.for_each([&](const record::Event& e) { ... });
//   stream.damage();
//
// A k-way merge over writers: each stream is monotone by itself, and its segments follow by seq.
//
// Memory       one decompressed segment per writer that is under way at the same moment (a writer's
//              next segment is opened when its time has come), whatever the size of the file.
// Cost         a decode per event; a heap operation only when another writer's event is due.
// Threads      One at a time. The Recording must live as long.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "record/event.h"
#include "record/reader.h"

namespace ullage::trace {

struct StreamDamage {
  std::uint64_t segments = 0;      // unreadable, or with an encoding no writer makes
  std::uint64_t bytes = 0;         // of their payload, as it lies in the file, not understood
  std::vector<std::string> notes;  // the first few, as sentences
};
// Notes on damaged segments; further ones are only counted.
inline constexpr std::size_t kDamageNotesMax = 4;
// Events of a writer decoded at once: enough to hide a memory access, 1.5 KiB per writer.
inline constexpr std::size_t kEventsAhead = 16;

class EventStream {
 public:
  explicit EventStream(const record::Recording& recording);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // Called with the share of the recorded bytes that have been read, now and then.
  void on_progress(std::function<void(double)> progress) { progress_ = std::move(progress); }

  // Everything that is left, in order. An event (and its name) is valid during the call only.
  // `soon` is told of each event a little earlier, when its thread's events are decoded: time to
  // ask memory for what the event will touch.
  template <class F, class Soon>
  void for_each(F&& f, Soon&& soon) {
    while (Source* s = due()) {
      const std::uint64_t bound = bound_;
      do {
        if (s->at == 0) {
          for (std::size_t i = 0; i < s->count; ++i) soon(s->ahead[i]);
        }
        f(s->event());
      } while (step(*s) && s->event().ticks <= bound);
      replace_top();
    }
  }
  template <class F>
  void for_each(F&& f) {
    for_each(std::forward<F>(f), [](const record::Event&) {});
  }

  const StreamDamage& damage() const { return damage_; }
  std::size_t writers() const { return sources_.size(); }

 private:
  struct Source {
    std::vector<std::size_t> segments;  // into Recording::segments(), by seq
    std::size_t next = 0;               // segment to open
    bool open = false;  // event() is valid; otherwise `key` is a bound from a header
    std::uint64_t key = 0;
    std::size_t at = 0, count = 0;  // in `ahead`
    std::vector<record::Event> ahead;
    const record::Event& event() const { return ahead[at]; }
    std::optional<record::EventDecoder> decoder;
    std::vector<std::uint8_t> payload;
  };

  // The source whose event is next, with bound_ = the time until which no other one is due.
  Source* due();
  // Moves on within the open segment. False: it has ended.
  bool step(Source& s) {
    if (++s.at < s.count) return true;
    return refill(s);
  }
  bool refill(Source& s);
  void open_next(Source& s);
  void close(Source& s);
  void replace_top();
  void sift_down(std::size_t at);
  std::uint64_t key_of(std::uint32_t source) const {
    const Source& s = sources_[source];
    return s.open ? s.event().ticks : s.key;
  }
  void damaged(std::uint64_t bytes, std::string note);

  const record::Recording& recording_;
  std::vector<Source> sources_;
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t source = 0;
    bool operator<(const Entry& o) const { return key != o.key ? key < o.key : source < o.source; }
  };
  std::vector<Entry> heap_;  // smallest first
  std::uint64_t bound_ = 0;
  std::uint64_t bytes_total_ = 0, bytes_read_ = 0;
  std::function<void(double)> progress_;
  StreamDamage damage_;
};

// Of the bytes that `header`'s payload has in the file, those that `bytes` of the decompressed
// payload stand for.
std::uint64_t stored_bytes(const record::SegmentHeader& header, std::uint64_t bytes);

// The latest time that the recording's events tell of, without reading all of them: for recordings
// whose process did not come to write its end.
std::uint64_t last_ticks(const record::Recording& recording);

}  // namespace ullage::trace

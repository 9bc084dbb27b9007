// SPDX-License-Identifier: Apache-2.0
#pragma once

// EventDecoder: the events of one EVENTS payload, one after another.
//
//   EventDecoder d(header, payload, bytes, tick_shift);
//   Event e;
//   while (d.next(e)) ...
//   if (d.damaged()) ...  // stopped at an encoding no writer makes; d.consumed() bytes were fine
//
// O(1) per event, allocates nothing, accepts any bytes. Not thread-safe.

#include "record/layout.h"

namespace ullage::record {

struct Event {
  Tag tag = Tag::kEnd;
  uint32_t tid = 0;
  uint64_t ticks = 0;          // absolute; for reallocs the end of the call
  uint64_t address = 0;        // block (new block for reallocs)
  uint64_t size = 0;           // requested bytes
  uint64_t old_address = 0;    // reallocs; 0 = NULL
  uint64_t old_size = 0;       // kRemap
  uint64_t duration = 0;       // reallocs: ticks spent in the call
  uint64_t unused = 0;         // frees: untouched tail in bytes (from the kUnused before it)
  uint32_t stack = 0;          // node id; 0 = none recorded
  const char* name = nullptr;  // kThreadName: not NUL-terminated, inside the payload
  uint32_t name_bytes = 0;
  // kExtension: a growth of the container at `address`, or the end of a container that held
  // `size` elements at most. `name` is its site's; `type` is as `name`.
  Extension extension = Extension::kContainerName;
  uint32_t type_bytes = 0;
  const char* type = nullptr;
  ContainerGrowth container{};
};

class EventDecoder {
 public:
  EventDecoder(const SegmentHeader& header, const uint8_t* payload, size_t bytes,
               unsigned tick_shift)
      : begin_(payload),
        at_(payload),
        end_(payload + bytes),
        ticks_(header.ticks0),
        tid_(header.tid),
        shift_(tick_shift) {}

  // False at the end (zero tag or end of bytes) and at damage. kThread, kUnused, names of
  // containers and unknown extensions are absorbed.
  bool next(Event& event);
  bool damaged() const { return damaged_; }
  size_t consumed() const { return static_cast<size_t>(at_ - begin_); }

 private:
  struct Name {
    const char* type = nullptr;
    const char* name = nullptr;
    uint32_t type_bytes = 0, name_bytes = 0;
  };
  enum class Taken { kEvent, kNothing, kDamage };

  bool number(uint64_t& value);
  Taken extension(Event& event);
  bool container_name(const uint8_t* end);
  bool container_growth(Event& event);
  bool container_end(Event& event);
  bool use_name(Event& event);

  const uint8_t* begin_;
  const uint8_t* at_;
  const uint8_t* end_;
  uint64_t ticks_;
  uint64_t address_ = 0;
  uint64_t unused_ = 0;
  uint32_t tid_;
  unsigned shift_;
  bool damaged_ = false;
  Name names_[kContainerNames + 1];  // 0: no site
};

}  // namespace ullage::record

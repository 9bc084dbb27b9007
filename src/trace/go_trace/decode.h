// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the payload of one batch to steps and marks, by itself: which goroutine ran before it is not
// needed yet, so the batches of a generation may be decoded in any order and in parallel.

#include <span>

#include "trace/go_trace/records.h"

namespace ullage::trace::go {

struct DecodeContext {
  std::span<const std::uint8_t> input;
  Clock clock;
  int version = 22;
  std::uint32_t owners = 1;
};

// `index` is the number of the batch within its generation. Counts are added to.
void decode_batch(const DecodeContext& context, const Batch& batch, std::uint32_t index,
                  EventCounts& counts, BatchOutput& out);

// Reads the timed events of a batch one by one: slower, and tells everything.
class EventCursor {
 public:
  EventCursor(std::span<const std::uint8_t> input, const Clock& clock, int version)
      : input_(input), clock_(clock), version_(version) {}
  void open(const Batch& batch);
  // False at the end of the batch, and at an event that can't be read (see `damaged`).
  bool next();

  Event type = kNone;
  std::uint64_t at_ns = 0;
  std::array<std::uint64_t, 6> arguments{};  // without the delay
  std::size_t offset = 0;                    // of the event in the input
  bool damaged = false;

 private:
  std::span<const std::uint8_t> input_;
  Clock clock_;
  int version_;
  std::size_t at_ = 0, end_ = 0;
};

}  // namespace ullage::trace::go

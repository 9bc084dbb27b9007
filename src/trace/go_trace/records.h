// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the scan of a batch leaves behind: steps of goroutines, which are many, and marks, which are
// few. Both are plain and small; a step is half a cache line, so that pairing them stays cheap.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "trace/go_trace/wire.h"

namespace ullage::trace::go {

// Goroutine ids are kept in 40 bits, 10^12 of them; a larger one is damage.
inline constexpr std::uint64_t kGoroutineMax = (std::uint64_t{1} << 40) - 2;
inline constexpr std::uint64_t kNoGoroutine = 0;
// "Whatever ran on this thread when the batch began": known only once the batches before are read.
inline constexpr std::uint64_t kInherited = (std::uint64_t{1} << 40) - 1;

enum class StepKind : std::uint8_t {
  // Spells of running, by how they ended. a = start, b = end.
  kRanBlocked,
  kRanStopped,   // still wants to run
  kRanEnded,     // the goroutine is no more
  kRanSwitched,  // gave way to a coroutine
  kRanOpen,      // runs on at the end of its generation
  kWoken,        // a = when, b = by whom, and in which batch of the generation
  kCreated,      // a = when; stack = of the `go` statement
  kCreatedWaiting,
  kCreatedRunning,  // came from C
  kStatus,          // a = when; reason = its GoState
};

// What happens to one goroutine at one of its sequence numbers. The runtime numbers each start and
// each wake-up of a goroutine within a generation, so these are in order without a look at clocks.
//
//   | a: 8 | b: 8 | who: goroutine 40, kind 4, reason 20 bits | sequence: 4 | stack: 4 |  = 32 B
struct Step {
  std::uint64_t a, b, who;
  std::uint32_t sequence, stack;

  std::uint64_t goroutine() const { return who >> 24; }
  StepKind kind() const { return static_cast<StepKind>(who >> 20 & 15); }
  std::uint32_t reason() const { return who & 0xfffff; }  // a string id, or a GoState
  static std::uint64_t pack(std::uint64_t goroutine, StepKind kind, std::uint64_t reason) {
    const std::uint64_t kept = reason > 0xfffff ? 0 : reason;
    return goroutine << 24 | static_cast<std::uint64_t>(kind) << 20 | kept;
  }
};
static_assert(sizeof(Step) == 32, "the drawing above is the layout");

// A spell of running that begins without having waited for a processor: by a switch, or before
// anything was seen. Kept in the top bit of the start.
inline constexpr std::uint64_t kNotScheduled = std::uint64_t{1} << 63;

// An event that is too rare to be worth a form of its own.
struct Mark {
  std::uint64_t at_ns = 0, goroutine = 0, a = 0, b = 0;
  std::uint64_t thread = 0;
  std::size_t offset = 0;      // in the input
  std::uint32_t sequence = 0;  // of the spell of running it fell in
  Event type = kNone;
};

// Room for steps, all zero. Large ones are pages of their own: what is not touched costs nothing,
// and what is given back goes to the kernel, whichever thread it came from.
class StepArray {
 public:
  StepArray() = default;
  explicit StepArray(std::size_t count);
  StepArray(StepArray&& other) noexcept { swap(other); }
  StepArray& operator=(StepArray&& other) noexcept {
    swap(other);
    return *this;
  }
  ~StepArray();

  Step* data() const { return steps_; }
  Step& operator[](std::size_t i) const { return steps_[i]; }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  void reset() { *this = StepArray(); }

 private:
  void swap(StepArray& other) noexcept {
    std::swap(steps_, other.steps_);
    std::swap(count_, other.count_);
  }
  Step* steps_ = nullptr;
  std::size_t count_ = 0;
};

// The steps of a batch: reserved for what it can hold at most, so that adding one is a store.
class StepBuffer {
 public:
  void reserve(std::size_t capacity) {
    if (capacity > steps_.size()) steps_ = StepArray(capacity);
  }
  void clear() { size_ = 0; }
  void push(const Step& step) { steps_[size_++] = step; }
  // The same for one who keeps the place: steps are stored from room() on, up to filled_to.
  Step* room() { return steps_.data() + size_; }
  void filled_to(const Step* end) { size_ = static_cast<std::size_t>(end - steps_.data()); }
  const Step* begin() const { return steps_.data(); }
  const Step* end() const { return steps_.data() + size_; }

 private:
  StepArray steps_;
  std::size_t size_ = 0;
};

// What runs on a thread between two batches of it.
struct Running {
  std::uint64_t goroutine = kInherited;
  std::uint64_t start_ns = 0;  // with kNotScheduled
  std::uint32_t sequence = 0;
};

struct BatchOutput {
  std::vector<StepBuffer> steps;  // by owner
  std::vector<Mark> marks;
  Running end;  // kInherited: as it was at its beginning
  // The first goroutine to leave was there before the batch began.
  bool inherited_left = false;
  Step left{};
  bool damaged = false;  // an event could not be read: the rest of the batch is skipped
  std::uint8_t damaged_type = 0;
  std::uint32_t damaged_at = 0;  // in the payload
  std::uint64_t last_ns = 0;
};

using EventCounts = std::array<std::uint64_t, 256>;

// Whose goroutine it is among `owners` that pair in parallel.
inline std::uint32_t owner_of(std::uint64_t goroutine, std::uint32_t owners) {
  const std::uint64_t mixed = goroutine * 0x9e3779b97f4a7c15u >> 32;
  return static_cast<std::uint32_t>(mixed * owners >> 32);
}

}  // namespace ullage::trace::go

// SPDX-License-Identifier: Apache-2.0
#pragma once

// The wire format of Go's execution traces since 1.22 ("v2"): events, their numbers of arguments,
// varints, batches and generations. docs/formats/go-trace.md describes the bytes.
//
//   Container container(bytes);                  // after read_version said v2
//   Generation g;
//   while (container.next(g)) ...                // headers only: payloads are not looked at
//
// Nothing here copies a payload; a Batch points into the bytes it was found in. Threads: any may
// read; a Container belongs to one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::trace::go {

enum Event : std::uint8_t {
  kNone = 0,
  kEventBatch = 1,
  kStacks = 2,
  kStack = 3,
  kStrings = 4,
  kString = 5,
  kCpuSamples = 6,
  kCpuSample = 7,
  kFrequency = 8,
  kProcsChange = 9,
  kProcStart = 10,
  kProcStop = 11,
  kProcSteal = 12,
  kProcStatus = 13,
  kGoCreate = 14,
  kGoCreateSyscall = 15,
  kGoStart = 16,
  kGoDestroy = 17,
  kGoDestroySyscall = 18,
  kGoStop = 19,
  kGoBlock = 20,
  kGoUnblock = 21,
  kGoSyscallBegin = 22,
  kGoSyscallEnd = 23,
  kGoSyscallEndBlocked = 24,
  kGoStatus = 25,
  kStwBegin = 26,
  kStwEnd = 27,
  kGcActive = 28,
  kGcBegin = 29,
  kGcEnd = 30,
  kGcSweepActive = 31,
  kGcSweepBegin = 32,
  kGcSweepEnd = 33,
  kAssistActive = 34,
  kAssistBegin = 35,
  kAssistEnd = 36,
  kHeapAlloc = 37,
  kHeapGoal = 38,
  kGoLabel = 39,
  kUserTaskBegin = 40,
  kUserTaskEnd = 41,
  kUserRegionBegin = 42,
  kUserRegionEnd = 43,
  kUserLog = 44,
  kGoSwitch = 45,
  kGoSwitchDestroy = 46,
  kGoCreateBlocked = 47,
  kGoStatusStack = 48,
  kExperimentalBatch = 49,
  kSync = 50,
  kClockSnapshot = 51,
  kEndOfGeneration = 52,
  kSpan = 128,
  kGoroutineStackFree = 136,
};

enum GoState : std::uint8_t { kGoBad = 0, kRunnable = 1, kRunning = 2, kSyscall = 3, kWaiting = 4 };
enum ProcState : std::uint8_t {
  kProcBad = 0,
  kProcRunning = 1,
  kProcIdle = 2,
  kProcSyscall = 3,
  kProcSyscallAbandoned = 4,
};

struct EventSpec {
  const char* name = nullptr;  // as Go's own reader prints it; nullptr: no such event
  std::uint8_t arguments = 0;  // varints after the type; the first of a timed event is its delay
  std::uint8_t since = 0;      // version of the header that brought it
  bool timed = false;          // may stand in a batch of events
};
extern const std::array<EventSpec, 256> kEvents;

// Bounds of the format itself.
inline constexpr std::uint64_t kBatchBytesMax = 64 << 10;
inline constexpr std::uint64_t kStringBytesMax = 1 << 10;
inline constexpr std::uint64_t kFramesMax = 128;
inline constexpr std::uint64_t kNoThread = ~std::uint64_t{0};
inline constexpr std::size_t kHeaderBytes = 16;
// The longest event: its type and six varints of ten bytes. What lies this far before the end of
// the bytes may be decoded without looking for that end.
inline constexpr std::size_t kEventBytesMax = 64;
// Batches in one generation: 16 M of the smallest fill 80 MB, and real ones hold a few thousand.
inline constexpr std::size_t kBatchesMax = 1 << 24;

// 22, 23, 25 or 26. An error for v1 (what to do instead), for versions to come, and for others.
Result<int> read_version(const std::string& name, std::span<const std::uint8_t> bytes);
bool is_go_trace(std::span<const std::uint8_t> first_bytes);

// Reads one unsigned LEB128 of at most ten bytes that are all within reach; `p` is left behind it.
// A longer one, or more than 64 bits, sets `bad`. The rare long ones come by value, so that `p` and
// `bad` stay in registers in the loop around this.
struct LongVarint {
  std::uint64_t value = 0;
  unsigned bytes = 0;  // 0: malformed
};
LongVarint long_varint(const std::uint8_t* p);
inline std::uint64_t varint(const std::uint8_t*& p, bool& bad) {
  const std::uint64_t first = *p;
  if (first < 0x80) [[likely]] {
    ++p;
    return first;
  }
  const std::uint64_t second = p[1];
  if (second < 0x80) {
    p += 2;
    return (first & 0x7f) | second << 7;
  }
  const std::uint64_t third = p[2];
  if (third < 0x80) {
    p += 3;
    return (first & 0x7f) | (second & 0x7f) << 7 | third << 14;
  }
  const LongVarint found = long_varint(p);
  bad |= found.bytes == 0;
  p += found.bytes;
  return found.value;
}
// The same within [p, end): false when it is cut or malformed.
bool read_varint(const std::uint8_t*& p, const std::uint8_t* end, std::uint64_t& value);

struct Batch {
  std::uint64_t thread = 0;
  std::uint64_t base = 0;   // ticks
  std::size_t offset = 0;   // of its header in the input
  std::size_t payload = 0;  // of its payload in the input
  std::uint32_t size = 0;   // of the payload
  std::uint8_t experiment = 0;
};

struct Generation {
  std::uint64_t number = 0;
  std::size_t begin = 0, end = 0;  // in the input
  std::vector<Batch> timed;        // those of one thread in their order; see order_by_time
  std::vector<Batch> tables;       // strings, stacks, CPU samples, sync
  std::vector<Batch> experiments;  // batches whose content an experiment defines
  bool last = false;
  bool ended = false;  // its end was seen: the byte of 1.26, or the next generation
};

// Buffers are written as they fill, so a batch of a quiet thread stands far from those of its time.
// Puts `timed` in order of time, without changing the order of any thread's batches.
void order_by_time(std::vector<Batch>& timed);

class Container {
 public:
  // `bytes` are the whole input, header included.
  Container(std::span<const std::uint8_t> bytes, int version);
  // The next generation, by its batch headers alone. False at the end.
  bool next(Generation& generation);

  int version() const { return version_; }
  // Where, and why, the bytes stopped making sense; empty when they did to the end.
  const std::string& problem() const { return problem_; }
  std::size_t problem_at() const { return problem_at_; }
  bool cut() const { return cut_; }  // the problem is that the input ends
  std::size_t read_to() const { return at_; }
  std::uint64_t event_batches() const { return event_batches_; }
  std::uint64_t experimental_batches() const { return experimental_batches_; }
  std::uint64_t ends() const { return ends_; }

 private:
  enum class Found { kBatch, kEnd, kEndOfGeneration, kNothing };
  Found read_batch(std::size_t at, std::size_t& after, Batch& batch, std::uint64_t& number);
  Found stop(std::size_t at, bool cut, std::string why);
  void add(Generation& generation, const Batch& batch);

  std::span<const std::uint8_t> bytes_;
  int version_;
  std::size_t at_ = kHeaderBytes;
  std::string problem_;
  std::size_t problem_at_ = 0;
  bool cut_ = false, done_ = false;
  std::uint64_t event_batches_ = 0, experimental_batches_ = 0, ends_ = 0;
};

// Ticks to nanoseconds the way Go's reader does it: each difference by itself, truncated.
struct Clock {
  double ns_per_tick = 0;
  std::uint64_t whole = 0;  // the same as a whole number, where it is one (64 on amd64)
  static Clock of_frequency(std::uint64_t ticks_per_second);
  std::uint64_t ns(std::uint64_t ticks) const;
};

}  // namespace ullage::trace::go

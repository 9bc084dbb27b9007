// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/wire.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace ullage::trace::go {
namespace {

constexpr std::array<EventSpec, 256> event_table() {
  std::array<EventSpec, 256> t{};
  const auto plain = [&t](Event type, const char* name, int arguments, int since = 22) {
    t[type] = {name, static_cast<std::uint8_t>(arguments), static_cast<std::uint8_t>(since), false};
  };
  // Arguments of timed events are counted without their delay.
  const auto timed = [&t](int type, const char* name, int arguments, int since = 22) {
    t[static_cast<std::size_t>(type)] = {name, static_cast<std::uint8_t>(arguments + 1),
                                         static_cast<std::uint8_t>(since), true};
  };
  plain(kEventBatch, "EventBatch", 4);
  plain(kStacks, "Stacks", 0);
  plain(kStack, "Stack", 2);
  plain(kStrings, "Strings", 0);
  plain(kString, "String", 1);
  plain(kCpuSamples, "CPUSamples", 0);
  plain(kCpuSample, "CPUSample", 5);
  plain(kFrequency, "Frequency", 1);
  timed(kProcsChange, "ProcsChange", 2);
  timed(kProcStart, "ProcStart", 2);
  timed(kProcStop, "ProcStop", 0);
  timed(kProcSteal, "ProcSteal", 3);
  timed(kProcStatus, "ProcStatus", 2);
  timed(kGoCreate, "GoCreate", 3);
  timed(kGoCreateSyscall, "GoCreateSyscall", 1);
  timed(kGoStart, "GoStart", 2);
  timed(kGoDestroy, "GoDestroy", 0);
  timed(kGoDestroySyscall, "GoDestroySyscall", 0);
  timed(kGoStop, "GoStop", 2);
  timed(kGoBlock, "GoBlock", 2);
  timed(kGoUnblock, "GoUnblock", 3);
  timed(kGoSyscallBegin, "GoSyscallBegin", 2);
  timed(kGoSyscallEnd, "GoSyscallEnd", 0);
  timed(kGoSyscallEndBlocked, "GoSyscallEndBlocked", 0);
  timed(kGoStatus, "GoStatus", 3);
  timed(kStwBegin, "STWBegin", 2);
  timed(kStwEnd, "STWEnd", 0);
  timed(kGcActive, "GCActive", 1);
  timed(kGcBegin, "GCBegin", 2);
  timed(kGcEnd, "GCEnd", 1);
  timed(kGcSweepActive, "GCSweepActive", 1);
  timed(kGcSweepBegin, "GCSweepBegin", 1);
  timed(kGcSweepEnd, "GCSweepEnd", 2);
  timed(kAssistActive, "GCMarkAssistActive", 1);
  timed(kAssistBegin, "GCMarkAssistBegin", 1);
  timed(kAssistEnd, "GCMarkAssistEnd", 0);
  timed(kHeapAlloc, "HeapAlloc", 1);
  timed(kHeapGoal, "HeapGoal", 1);
  timed(kGoLabel, "GoLabel", 1);
  timed(kUserTaskBegin, "UserTaskBegin", 4);
  timed(kUserTaskEnd, "UserTaskEnd", 2);
  timed(kUserRegionBegin, "UserRegionBegin", 3);
  timed(kUserRegionEnd, "UserRegionEnd", 3);
  timed(kUserLog, "UserLog", 4);
  timed(kGoSwitch, "GoSwitch", 2, 23);
  timed(kGoSwitchDestroy, "GoSwitchDestroy", 2, 23);
  timed(kGoCreateBlocked, "GoCreateBlocked", 3, 23);
  timed(kGoStatusStack, "GoStatusStack", 4, 23);
  plain(kExperimentalBatch, "ExperimentalBatch", 4, 23);
  plain(kSync, "Sync", 0, 25);
  plain(kClockSnapshot, "ClockSnapshot", 4, 25);
  plain(kEndOfGeneration, "EndOfGeneration", 0, 26);
  timed(128, "Span", 3, 23);
  timed(129, "SpanAlloc", 3, 23);
  timed(130, "SpanFree", 1, 23);
  timed(131, "HeapObject", 2, 23);
  timed(132, "HeapObjectAlloc", 2, 23);
  timed(133, "HeapObjectFree", 1, 23);
  timed(134, "GoroutineStack", 2, 23);
  timed(135, "GoroutineStackAlloc", 2, 23);
  timed(136, "GoroutineStackFree", 1, 23);
  return t;
}

// "go 1.NN trace" and three zeros: NN, or 0.
int header_version(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), "go 1.", 5) != 0) return 0;
  const auto digit = [&bytes](std::size_t i) { return bytes[i] >= '0' && bytes[i] <= '9'; };
  std::size_t i = 5;
  int version = 0;
  for (; i < 8 && digit(i); ++i) version = version * 10 + (bytes[i] - '0');
  constexpr char kTail[] = " trace\0\0\0";
  const std::size_t tail = sizeof kTail - 1;
  // One digit or three leave more or fewer zeros than two do.
  return i == 7 && std::memcmp(bytes.data() + i, kTail, tail) == 0 ? version : 0;
}

}  // namespace

const std::array<EventSpec, 256> kEvents = event_table();

bool is_go_trace(std::span<const std::uint8_t> first_bytes) {
  return header_version(first_bytes) != 0;
}

Result<int> read_version(const std::string& name, std::span<const std::uint8_t> bytes) {
  const int version = header_version(bytes);
  switch (version) {
    case 22:
    case 23:
    case 25:
    case 26:
      return version;
    case 11:
    case 19:
    case 21:
      return Error{Code::kUnsupported,
                   name + ": a trace of Go 1.21 or older (its header says go 1." +
                       std::to_string(version) +
                       "), in a format that tells less and is not read here.\n  Record it with a "
                       "program built by Go 1.22 or later; `go tool trace` still shows this one."};
    default:
      break;
  }
  if (version == 0) {
    return Error{Code::kInvalid, name +
                                     ": not a Go execution trace: expected \"go 1.NN trace\" "
                                     "and three zeros at byte 0."};
  }
  return Error{Code::kUnsupported,
               name + ": a Go execution trace of version 1." + std::to_string(version) +
                   "; versions 1.22, 1.23, 1.25 and 1.26 are read here (Go 1.22 to 1.27 write "
                   "them).\n  A newer Ullage may read it."};
}

LongVarint long_varint(const std::uint8_t* p) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 10; ++i) {
    const std::uint64_t byte = p[i];
    if (byte < 0x80) {
      if (i == 9 && byte > 1) break;
      return {value | byte << (7 * i), i + 1};
    }
    value |= (byte & 0x7f) << (7 * i);
  }
  return {};
}

bool read_varint(const std::uint8_t*& p, const std::uint8_t* end, std::uint64_t& value) {
  value = 0;
  for (unsigned i = 0; i < 10 && p + i < end; ++i) {
    const std::uint64_t byte = p[i];
    if (byte < 0x80) {
      if (i == 9 && byte > 1) return false;
      value |= byte << (7 * i);
      p += i + 1;
      return true;
    }
    value |= (byte & 0x7f) << (7 * i);
  }
  return false;
}

Container::Container(std::span<const std::uint8_t> bytes, int version)
    : bytes_(bytes), version_(version) {}

Container::Found Container::stop(std::size_t at, bool cut, std::string why) {
  problem_ = std::move(why);
  problem_at_ = at;
  cut_ = cut;
  return Found::kNothing;
}

Container::Found Container::read_batch(std::size_t at, std::size_t& after, Batch& batch,
                                       std::uint64_t& number) {
  if (at >= bytes_.size()) return Found::kEnd;
  const std::uint8_t* const start = bytes_.data();
  const std::uint8_t* const end = start + bytes_.size();
  const std::uint8_t* p = start + at;
  const std::uint8_t type = *p++;
  if (type == kEndOfGeneration && version_ >= 26) {
    after = at + 1;
    return Found::kEndOfGeneration;
  }
  if (type != kEventBatch && !(type == kExperimentalBatch && version_ >= 23)) {
    return stop(at, false, "expected a batch, found event type " + std::to_string(type));
  }
  batch = Batch{};
  batch.offset = at;
  if (type == kExperimentalBatch) {
    if (p == end) return stop(at, true, "ends within the header of a batch");
    batch.experiment = *p++;
  }
  std::uint64_t size = 0;
  if (!read_varint(p, end, number) || !read_varint(p, end, batch.thread) ||
      !read_varint(p, end, batch.base) || !read_varint(p, end, size)) {
    // Forty bytes hold any header that is one.
    const bool cut = static_cast<std::size_t>(end - (start + at)) < 42;
    return stop(at, cut, cut ? "ends within the header of a batch" : "malformed batch header");
  }
  if (number == 0) return stop(at, false, "batch of generation 0");
  if (size > kBatchBytesMax) {
    return stop(at, false,
                "batch of " + std::to_string(size) + " bytes, at most " +
                    std::to_string(kBatchBytesMax) + " were expected");
  }
  if (size > static_cast<std::uint64_t>(end - p)) {
    // What there is of it may be read.
    stop(at, true, "ends within a batch");
    size = static_cast<std::uint64_t>(end - p);
  }
  batch.payload = static_cast<std::size_t>(p - start);
  batch.size = static_cast<std::uint32_t>(size);
  after = batch.payload + batch.size;
  return Found::kBatch;
}

void Container::add(Generation& generation, const Batch& batch) {
  if (bytes_[batch.offset] == kExperimentalBatch) {
    ++experimental_batches_;
    generation.experiments.push_back(batch);
    return;
  }
  ++event_batches_;
  if (batch.size == 0) return;
  const std::uint8_t first = bytes_[batch.payload];
  const bool table = first == kStrings || first == kStacks || first == kCpuSamples ||
                     (first == kFrequency && version_ < 25) || (first == kSync && version_ >= 25);
  (table ? generation.tables : generation.timed).push_back(batch);
}

bool Container::next(Generation& generation) {
  generation.number = 0;
  generation.timed.clear();
  generation.tables.clear();
  generation.experiments.clear();
  generation.begin = generation.end = at_;
  generation.last = generation.ended = false;
  std::size_t batches = 0;
  while (!done_) {
    std::size_t after = at_;
    Batch batch;
    std::uint64_t number = 0;
    switch (read_batch(at_, after, batch, number)) {
      case Found::kBatch:
        break;
      case Found::kEndOfGeneration:
        ++ends_;
        generation.end = at_ = after;
        if (batches == 0) continue;  // a generation without anything
        generation.ended = true;
        generation.last = at_ == bytes_.size();
        return true;
      case Found::kEnd:
        done_ = generation.last = true;
        if (version_ >= 26 && batches != 0) {
          stop(at_, true, "ends before the end of generation " + std::to_string(generation.number));
        }
        return batches != 0;
      case Found::kNothing:
        done_ = generation.last = true;
        return batches != 0;
    }
    if (generation.number == 0) generation.number = number;
    if (number != generation.number) {
      if (version_ < 26 && number == generation.number + 1) {
        generation.ended = true;
        return true;
      }
      stop(at_, false,
           "batch of generation " + std::to_string(number) + " amid generation " +
               std::to_string(generation.number));
      done_ = generation.last = true;
      return batches != 0;
    }
    if (++batches > kBatchesMax) {
      stop(at_, false, "more batches in a generation than any program writes");
      done_ = generation.last = true;
      return true;
    }
    add(generation, batch);
    generation.end = at_ = after;
    if (cut_) {
      done_ = generation.last = true;
      return true;
    }
  }
  return false;
}

void order_by_time(std::vector<Batch>& timed) {
  // A clock that goes back within a thread counts as standing still.
  std::unordered_map<std::uint64_t, std::uint64_t> latest;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
  order.reserve(timed.size());
  for (std::size_t i = 0; i < timed.size(); ++i) {
    std::uint64_t& its = latest[timed[i].thread];
    its = std::max(its, timed[i].base);
    order.emplace_back(its, static_cast<std::uint32_t>(i));
  }
  std::sort(order.begin(), order.end());
  std::vector<Batch> sorted;
  sorted.reserve(timed.size());
  for (const auto& [base, index] : order) sorted.push_back(timed[index]);
  timed.swap(sorted);
}

Clock Clock::of_frequency(std::uint64_t ticks_per_second) {
  Clock clock;
  if (ticks_per_second == 0) return clock;
  clock.ns_per_tick = 1.0 / (static_cast<double>(ticks_per_second) / 1e9);
  if (clock.ns_per_tick == std::floor(clock.ns_per_tick) && clock.ns_per_tick < 1e9) {
    clock.whole = static_cast<std::uint64_t>(clock.ns_per_tick);
  }
  return clock;
}

std::uint64_t Clock::ns(std::uint64_t ticks) const {
  if (whole != 0) return ticks * whole;
  const double ns = static_cast<double>(ticks) * ns_per_tick;
  // What no clock reaches is a damaged delay, and stays a number.
  return ns < 9e18 ? static_cast<std::uint64_t>(ns) : std::uint64_t{9'000'000'000'000'000'000};
}

}  // namespace ullage::trace::go

// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/tables.h"

namespace ullage::trace::go {
namespace {

// Ids up to here are indices of a vector: 4 MiB of it at most.
constexpr std::uint64_t kDenseIdsMax = 1 << 20;

}  // namespace

bool Ids::insert(std::uint64_t id, std::uint32_t index) {
  if (find(id) != kAbsent) return false;
  if (id < kDenseIdsMax) {
    if (id >= dense_.size()) dense_.resize(id + 1 + id / 2, kAbsent);
    dense_[id] = index;
    return true;
  }
  return sparse_.emplace(id, index).second;
}

void Ids::clear() {
  dense_.clear();
  sparse_.clear();
}

void Tables::clear() { *this = Tables{}; }

std::span<const RawFrame> Tables::stack(std::uint64_t id) const {
  const std::uint32_t index = stack_ids.find(id);
  if (index == Ids::kAbsent) return {};
  const std::uint32_t begin = index == 0 ? 0 : stack_ends[index - 1];
  return {frames.data() + begin, stack_ends[index] - begin};
}

// One batch of a table. Where it stops making sense, the rest of it is skipped and that is told.
struct Tables::Cursor {
  Tables& tables;
  const std::uint8_t* start;  // of the input
  const std::uint8_t* p;
  const std::uint8_t* end;

  bool done() const { return p >= end; }
  bool number(std::uint64_t& value, const char* what) {
    if (read_varint(p, end, value)) return true;
    fail(what);
    return false;
  }
  bool type(Event expected, const char* what) {
    if (*p == expected) {
      ++p;
      return true;
    }
    fail(what);
    return false;
  }
  void fail(const std::string& what) {
    if (tables.problem.empty()) {
      tables.problem = what;
      tables.problem_at = static_cast<std::size_t>(p - start);
    }
    tables.bytes_skipped += static_cast<std::uint64_t>(end - p);
    p = end;
  }
};

void Tables::read(std::span<const std::uint8_t> input, const Generation& generation, int version) {
  for (const Batch& batch : generation.tables) {
    const std::uint8_t* const payload = input.data() + batch.payload;
    Cursor c{*this, input.data(), payload, payload + batch.size};
    switch (*payload) {
      case kStrings:
        ++strings_batches;
        ++c.p;
        read_strings(c);
        break;
      case kStacks:
        ++stacks_batches;
        ++c.p;
        read_stacks(c);
        break;
      case kCpuSamples:
        ++samples_batches;
        ++c.p;
        read_samples(c);
        break;
      case kSync:
        ++syncs;
        ++c.p;
        [[fallthrough]];
      default:
        read_sync(c, version, batch.base);
        break;
    }
  }
}

void Tables::read_strings(Cursor& c) {
  while (!c.done()) {
    std::uint64_t id = 0;
    std::uint64_t size = 0;
    if (!c.type(kString, "expected a string") || !c.number(id, "cut id of a string") ||
        !c.number(size, "cut length of a string")) {
      return;
    }
    if (size > kStringBytesMax || size > static_cast<std::uint64_t>(c.end - c.p)) {
      return c.fail("string of " + std::to_string(size) + " bytes");
    }
    if (!string_ids.insert(id, static_cast<std::uint32_t>(strings.size()))) {
      return c.fail("string " + std::to_string(id) + " is there twice");
    }
    strings.emplace_back(reinterpret_cast<const char*>(c.p), size);
    c.p += size;
  }
}

void Tables::read_stacks(Cursor& c) {
  while (!c.done()) {
    std::uint64_t id = 0;
    std::uint64_t count = 0;
    if (!c.type(kStack, "expected a stack") || !c.number(id, "cut id of a stack") ||
        !c.number(count, "cut length of a stack")) {
      return;
    }
    if (count > kFramesMax) return c.fail("stack of " + std::to_string(count) + " frames");
    const std::size_t before = frames.size();
    for (std::uint64_t i = 0; i < count; ++i) {
      RawFrame frame;
      if (!c.number(frame.pc, "cut frame of a stack") ||
          !c.number(frame.function, "cut frame of a stack") ||
          !c.number(frame.file, "cut frame of a stack") ||
          !c.number(frame.line, "cut frame of a stack")) {
        frames.resize(before);
        return;
      }
      frames.push_back(frame);
    }
    if (!stack_ids.insert(id, static_cast<std::uint32_t>(stack_ends.size()))) {
      frames.resize(before);
      return c.fail("stack " + std::to_string(id) + " is there twice");
    }
    stack_ends.push_back(static_cast<std::uint32_t>(frames.size()));
  }
}

void Tables::read_samples(Cursor& c) {
  while (!c.done()) {
    CpuSample sample;
    sample.offset = static_cast<std::size_t>(c.p - c.start);
    constexpr const char* kCut = "cut CPU sample";
    if (!c.type(kCpuSample, "expected a CPU sample") || !c.number(sample.ticks, kCut) ||
        !c.number(sample.thread, kCut) || !c.number(sample.proc, kCut) ||
        !c.number(sample.goroutine, kCut) || !c.number(sample.stack, kCut)) {
      return;
    }
    samples.push_back(sample);
  }
}

void Tables::read_sync(Cursor& c, int version, std::uint64_t base) {
  std::uint64_t ticks = base;
  while (!c.done()) {
    if (*c.p == kFrequency) {
      ++c.p;
      std::uint64_t frequency = 0;
      if (!c.number(frequency, "cut frequency")) return;
      ++frequencies;
      if (ticks_per_second != 0 || frequency == 0) {
        return c.fail(frequency == 0 ? "a frequency of 0" : "a second frequency");
      }
      ticks_per_second = frequency;
    } else if (*c.p == kClockSnapshot && version >= 25) {
      ++c.p;
      constexpr const char* kCut = "cut clock snapshot";
      std::uint64_t delay = 0;
      std::uint64_t seconds = 0;
      std::uint64_t nanoseconds = 0;
      if (!c.number(delay, kCut) || !c.number(snapshot_monotonic_ns, kCut) ||
          !c.number(seconds, kCut) || !c.number(nanoseconds, kCut)) {
        return;
      }
      ++snapshots;
      if (has_snapshot) return c.fail("a second clock snapshot");
      has_snapshot = true;
      ticks += delay;
      snapshot_ticks = ticks;
      snapshot_wall_ns = static_cast<std::int64_t>(seconds * 1'000'000'000 + nanoseconds);
    } else {
      return c.fail("expected a frequency or a clock snapshot, found event type " +
                    std::to_string(*c.p));
    }
  }
}

}  // namespace ullage::trace::go

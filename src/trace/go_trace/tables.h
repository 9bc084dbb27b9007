// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tables of one generation: strings, stacks, CPU samples, and what ties its ticks to time.
// They belong to that generation only and may stand after the events that use them.
//
// Costs one pass over the tables' batches. Strings are views into the input. Threads: any may read.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/wire.h"

namespace ullage::trace::go {

// From the ids of one table to indices of a vector; ids are small and dense in what Go writes.
class Ids {
 public:
  static constexpr std::uint32_t kAbsent = UINT32_MAX;
  // False when the id is there already.
  bool insert(std::uint64_t id, std::uint32_t index);
  std::uint32_t find(std::uint64_t id) const {
    if (id < dense_.size()) return dense_[id];
    if (sparse_.empty()) return kAbsent;
    const auto found = sparse_.find(id);
    return found == sparse_.end() ? kAbsent : found->second;
  }
  void clear();

 private:
  std::vector<std::uint32_t> dense_;
  std::unordered_map<std::uint64_t, std::uint32_t> sparse_;
};

struct RawFrame {
  std::uint64_t pc = 0, function = 0, file = 0, line = 0;  // function and file are string ids
};

struct CpuSample {
  std::uint64_t ticks = 0, thread = 0, proc = 0, goroutine = 0, stack = 0;
  std::size_t offset = 0;
};

struct Tables {
  Ids string_ids, stack_ids;
  std::vector<std::string_view> strings;
  std::vector<std::uint32_t> stack_ends;  // stack i is frames [stack_ends[i - 1], stack_ends[i])
  std::vector<RawFrame> frames;
  std::vector<CpuSample> samples;  // in the order of the file
  std::uint64_t ticks_per_second = 0;
  bool has_snapshot = false;
  std::uint64_t snapshot_ticks = 0, snapshot_monotonic_ns = 0;
  std::int64_t snapshot_wall_ns = 0;
  std::uint64_t strings_batches = 0, stacks_batches = 0, samples_batches = 0;
  std::uint64_t syncs = 0, frequencies = 0, snapshots = 0;
  // The first thing in them that was not understood: where, and what.
  std::string problem;
  std::size_t problem_at = 0;
  std::uint64_t bytes_skipped = 0;

  void read(std::span<const std::uint8_t> input, const Generation& generation, int version);
  void clear();

  // Empty when there is none of that id.
  std::string_view string(std::uint64_t id) const {
    const std::uint32_t index = string_ids.find(id);
    return index == Ids::kAbsent ? std::string_view{} : strings[index];
  }
  std::span<const RawFrame> stack(std::uint64_t id) const;

 private:
  struct Cursor;
  void read_strings(Cursor& c);
  void read_stacks(Cursor& c);
  void read_samples(Cursor& c);
  void read_sync(Cursor& c, int version, std::uint64_t base);
};

}  // namespace ullage::trace::go

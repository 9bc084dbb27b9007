// SPDX-License-Identifier: Apache-2.0
#pragma once

// SeriesRule: growth whose old block goes long after the new one came: incremental rehash.
//
// A table that moves a few entries per call (redis' dict) keeps old and new alive together for
// thousands of calls, so no ring of recent allocations can pair them. What shows it is the series:
// from one place, each block 1.5 to 8 times its predecessor by about the same factor, at most two
// of them alive, the predecessor freed before the successor's successor comes. Two steps make a
// series.
//
// Memory       at most kSeriesPerPlace records per place that allocates blocks of kSeriesBytesMin
//              and more, and no more than there are such blocks alive.
// Threads      One at a time.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "trace/native/growth.h"
#include "trace/native/live_table.h"
#include "trace/native/stacks.h"

namespace ullage::trace {

// Smaller blocks are not watched: their growth costs nothing, and programs make millions of them.
inline constexpr std::uint64_t kSeriesBytesMin = 256;
// Blocks of one place watched at a time, the largest ones: eight tables that grow at once, or more
// that rest.
inline constexpr std::size_t kSeriesPerPlace = 16;
// Frames that make "one place" here: the table's own code, not who happened to insert when it was
// full.
inline constexpr std::size_t kSeriesFrames = 5;

class SeriesRule {
 public:
  SeriesRule(const StackTable& stacks, Growth& growth) : stacks_(stacks), growth_(growth) {}

  // A block was allocated; whether it is watched from now on (then tell of its end).
  bool allocated(const Block& block, std::uint32_t tid);
  // A watched block was freed and no other rule claimed it.
  void freed(const Block& block, std::uint64_t now, std::size_t slice, std::uint64_t peak_time);
  // Another rule linked a watched block: this one has nothing to say about it.
  void claimed(const Block& block);
  // After the last event.
  void finish();

 private:
  struct Step {
    std::uint64_t old_size = 0, start = 0, end = 0;
    std::uint32_t old_stack = 0;
    std::size_t slice = 0;
  };
  struct Watched {
    std::uint64_t address = 0, time = 0, size = 0;
    std::uint32_t stack = 0, tid = 0;
    std::uint32_t steps = 0;  // of the series that leads here
    double factor = 0;        // of the last of them; 0 = none yet
    std::uint32_t chain = kNoChain;
    Step first;  // held back until a second step confirms it
  };
  using Set = std::vector<Watched>;

  Set& set_of(std::uint32_t stack);
  static Watched* successor(Set& set, const Watched& old, bool& younger);
  void report(Watched& w, const Step& step, std::uint64_t new_size, std::uint64_t peak_time);

  const StackTable& stacks_;
  Growth& growth_;
  std::vector<std::uint32_t> index_;  // by stack: set + 1
  std::unordered_map<std::uint64_t, std::uint32_t> by_hash_;
  std::vector<Set> sets_;
};

}  // namespace ullage::trace

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cycles of the collector, the size of the heap and its goal, by time.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/pauses.h"
#include "trace/go_trace/view.h"

namespace ullage::trace::go {

class Cycles {
 public:
  void mark(const Mark& mark);
  // Also tells the pauses which cycle they belong to.
  void end_generation(const View& view, Stacks& stacks, const std::vector<Sample>& samples,
                      Pauses& pauses);
  void finish(evidence::Incident& incident, const Stacks& stacks, std::uint64_t zero_ns);
  std::uint64_t processors() const { return processors_; }
  std::uint64_t unmatched() const { return unmatched_; }

 private:
  struct Point {
    std::uint64_t at_ns = 0, live_bytes = 0, goal_bytes = 0;
  };
  struct Cycle {
    std::uint64_t ordinal = 0, start_ns = 0, end_ns = 0;
    bool from_before = false;  // was under way when the trace began
    std::uint32_t stack = 0;
    std::uint64_t heap_start = 0, heap_peak = 0, heap_live = 0, goal = 0;
    std::uint64_t stop_first_ns = 0, stop_last_ns = 0;
    std::uint64_t stopped_ns = 0;  // of its own extent, the part that the stops took
    std::uint64_t growth_samples = 0;
    std::unordered_map<std::uint32_t, std::uint64_t> growth_stacks;
    std::size_t offset = 0;
  };
  void pair(const View& view, Stacks& stacks);
  void measure(Cycle& cycle, const View& view, const Stacks& stacks,
               const std::vector<Sample>& samples, Pauses& pauses);
  void thin_points(std::size_t most);

  std::vector<Mark> marks_;    // of the collector
  std::vector<Point> points_;  // of the whole trace
  std::vector<Point> recent_points_;
  std::vector<Cycle> cycles_;
  std::size_t recent_ = 0;  // cycles_ from here on have changed in this generation
  bool open_ = false;       // the last of cycles_ has not ended
  std::uint64_t goal_ = 0, live_ = 0, processors_ = 0, processors_at_ = 0;
  std::uint64_t ordinals_ = 0, unmatched_ = 0, dropped_ = 0;
};

}  // namespace ullage::trace::go

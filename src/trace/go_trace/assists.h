// SPDX-License-Identifier: Apache-2.0
#pragma once

// Assists: goroutines that had to mark before they could allocate. They move between threads while
// they do, so begin and end are paired per goroutine, by the sequence numbers of its spells.
// An assist that was open when the trace began counts from there; one open at its end is left out.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/view.h"

namespace ullage::trace::go {

class Assists {
 public:
  void mark(const Mark& mark) { marks_.push_back(mark); }
  void end_generation(const View& view, Stacks& stacks);
  // Of the generation that ended last, by goroutine and start; open ones reach to its end.
  std::vector<Interval>& intervals() { return intervals_; }
  void finish(evidence::Incident& incident, const Stacks& stacks, std::uint64_t zero_ns) const;
  std::uint64_t unmatched() const { return unmatched_; }

 private:
  struct Open {
    std::uint64_t start_ns = 0;
    std::uint32_t stack = 0;
    std::size_t offset = 0;
  };
  struct Site {
    std::uint64_t count = 0, total_ns = 0, max_ns = 0, first_ns = UINT64_MAX, last_ns = 0;
    std::size_t longest_at = 0;
    std::unordered_map<std::uint64_t, bool> goroutines;
  };
  void ended(std::uint64_t goroutine, const Open& open, std::uint64_t end_ns);

  std::vector<Mark> marks_;
  std::vector<Interval> intervals_;
  std::unordered_map<std::uint64_t, Open> open_;
  std::unordered_map<std::uint32_t, Site> sites_;
  std::unordered_map<std::uint64_t, evidence::AssistGoroutine> goroutines_;
  std::uint64_t count_ = 0, total_ns_ = 0, max_ns_ = 0, unmatched_ = 0;
};

}  // namespace ullage::trace::go

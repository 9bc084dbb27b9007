// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pauses: stops of the world, and whom they waited for.
//
// A stop's range begins before anybody is asked to stop, so the last goroutine that left a
// processor on another thread within it tells why it was long: late in the range, it is the cause;
// early, the rest of the range was work of the runtime, or the stopping thread was not run.
// Only the batches that overlap a long stop are looked at again for that.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/view.h"

namespace ullage::trace::go {

// Shorter stops are counted, and not asked for their culprit.
inline constexpr std::uint64_t kLongPauseNs = 100'000;

class Pauses {
 public:
  struct Pause {
    std::uint64_t start_ns = 0, end_ns = 0;
    std::uint32_t kind = 0;  // index of kinds_
    std::uint32_t stack = 0, culprit_stack = 0;
    std::uint64_t asker = 0, thread = 0;
    std::uint64_t culprit = 0, culprit_ns = 0;  // when it left
    bool stop_seen = false;
    evidence::PauseReason reason = evidence::PauseReason::kUnknown;
    std::uint64_t samples = 0, growth_samples = 0, asker_samples = 0;
    bool culprit_grew = false;
    std::uint64_t gc = 0;
    std::size_t offset = 0;
  };
  void mark(const Mark& mark) { marks_.push_back(mark); }
  void end_generation(const View& view, Stacks& stacks, const std::vector<Sample>& samples);
  // Of the generation that ended last, by start.
  std::vector<Pause>& recent() { return recent_; }
  // Keeps what is recent: to be called once nothing is to be added to it.
  void keep();
  void finish(evidence::Incident& incident, const Stacks& stacks, std::uint64_t zero_ns);
  const std::string& kind(std::uint32_t index) const { return kinds_[index].kind; }
  std::uint64_t unmatched() const { return unmatched_; }

 private:
  void find_culprits(const View& view, Stacks& stacks);
  void look_into(const View& view, Stacks& stacks, const Batch& batch, std::uint64_t running);
  void sampled(const Stacks& stacks, const std::vector<Sample>& samples);
  void judge(Pause& pause, const Stacks& stacks) const;
  std::uint32_t kind_of(std::string_view name);
  void thin();

  std::vector<Mark> marks_;
  std::unordered_map<std::uint64_t, Pause> open_;  // by goroutine
  std::vector<Pause> recent_, kept_;
  std::vector<evidence::PauseKind> kinds_;
  std::uint64_t unmatched_ = 0;
};

}  // namespace ullage::trace::go

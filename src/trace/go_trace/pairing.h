// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pairing: from the steps of goroutines, which come in any order, to who waited for whom and how
// long. Goroutines are shared out among owners; each owner pairs its own, without locks.
//
// Steps carry sequence numbers, so no clock is trusted: a step is taken when its number is next,
// and lies in its goroutine's ring until then. Memory: living goroutines, and the steps that came
// early. Threads: one for each Pairing.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/id_table.h"
#include "trace/go_trace/records.h"
#include "trace/go_trace/stacks.h"

namespace ullage::trace::go {

// Waits of one kind: same reason, same stack, released from the same stack.
struct WaitSum {
  std::uint32_t reason = 0, stack = 0, released_by = 0;  // reason: index of Pairing::reasons
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
  std::int64_t first_ns = INT64_MAX, last_ns = 0;
  std::size_t longest_at = 0;  // batch that holds the end of the longest
  std::uint64_t behind_assist = 0, behind_assist_ns = 0, behind_stop = 0, behind_stop_ns = 0;
  std::uint64_t behind_growth = 0, behind_growth_ns = 0, waiters_max = 0;
  std::uint32_t growth_stack = 0;
};

// A wait that was long enough to ask what its releaser did meanwhile.
struct LongWait {
  std::uint64_t start_ns = 0, end_ns = 0, releaser = 0;
  std::uint32_t sum = 0;  // index of Pairing::waits
};

// Goroutines that wait for this wait for work, not for anybody.
bool is_idle_reason(std::string_view reason);

struct GroupSum {
  std::uint32_t stack = 0;  // of the creation; of the status where there was none
  bool before = false;      // was there when the trace began
  std::uint64_t created = 0, ended = 0, alive = 0;
  std::int64_t first_ns = INT64_MAX, last_ns = 0;
};

class Pairing {
 public:
  explicit Pairing(Stacks& stacks);
  Pairing(const Pairing&) = delete;

  void begin_generation(const Tables& tables, const std::vector<Batch>& batches);
  // Steps of one batch. `inherited` is the goroutine that ran when it began.
  void take(const StepBuffer& steps, std::uint64_t inherited);
  void take(const Step& step, std::uint64_t inherited);
  // After each window: gives back the places of steps that are no longer early.
  void end_window();
  // After the last batch: steps that never became next are counted and dropped.
  void end_generation();

  const std::vector<std::string>& reasons() const { return reason_texts_; }
  std::vector<WaitSum>& waits() { return waits_; }
  std::vector<LongWait>& long_waits() { return long_waits_; }
  std::uint64_t long_wait_ns() const { return long_wait_ns_; }
  const std::vector<GroupSum>& groups() const { return groups_; }
  // Calls `each(group, reason, stack)` for every goroutine that is alive; reason 0: not waiting.
  template <class Each>
  void living(Each each) const {
    for (std::uint32_t i = 0; i < goroutines_.places(); ++i) {
      const Goroutine& g = goroutines_[i];
      if (g.id == kNoGoroutine || g.group == UINT32_MAX) continue;
      const bool waits = g.state == State::kWaiting;
      each(g.group, waits ? g.reason : 0, waits ? g.stack : 0);
    }
  }
  const evidence::SchedulingDelay& delays() const { return delays_; }
  std::uint64_t unmatched() const { return unmatched_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  enum class State : std::uint8_t { kUnknown, kRunnable, kRunning, kWaiting };
  struct Goroutine {
    std::uint64_t id = kNoGoroutine;
    std::uint64_t since_ns = 0;  // when it became runnable, or began to wait; 0 = not known
    std::uint64_t next = 0;      // the sequence number it waits for
    std::uint32_t group = UINT32_MAX;
    std::uint32_t stack = 0;  // where it waits
    std::uint32_t reason = 0;
    std::uint32_t last_sum = UINT32_MAX;
    State state = State::kUnknown;
    bool origin = false;      // its beginning in this generation was seen
    std::uint32_t early = 0;  // steps in the ring
    StepArray ring;           // a power of two of places; its mask is one less
  };
  std::uint32_t add(std::uint64_t id);
  bool begin(Goroutine& g, const Step& step);
  void store(std::uint32_t index, const Step& step);
  // True when the goroutine ended.
  bool consume(Goroutine& g, const Step& step);
  void woken(Goroutine& g, const Step& step, std::uint64_t by);
  void drain(std::uint32_t index);
  void flush(std::uint32_t index);
  void waited(Goroutine& g, const Step& step, std::uint64_t by);
  void delayed(std::uint64_t from_ns, std::uint64_t to_ns);
  std::uint32_t reason_of(std::uint32_t string_id) {
    if (string_id < reason_by_id_.size() && reason_by_id_[string_id] != UINT32_MAX) [[likely]] {
      return reason_by_id_[string_id];
    }
    return new_reason(string_id);
  }
  std::uint32_t new_reason(std::uint32_t string_id);
  std::uint32_t group_of(std::uint32_t stack, bool before);
  std::uint32_t sum_of(std::uint32_t reason, std::uint32_t stack, std::uint32_t released_by);

  const Tables* tables_ = nullptr;
  StackCache stack_;
  const std::vector<Batch>* batches_ = nullptr;
  std::vector<std::uint32_t> reason_by_id_;  // of this generation
  std::vector<std::string> reason_texts_;
  std::vector<std::uint8_t> reason_ignored_;  // 0 or 1
  std::unordered_map<std::string, std::uint32_t> reason_index_;

  IdTable<Goroutine> goroutines_;

  std::vector<WaitSum> waits_;
  struct SumKey {
    std::uint32_t reason, stack, released_by;
    bool operator==(const SumKey&) const = default;
  };
  struct SumHash {
    std::size_t operator()(const SumKey& k) const {
      return (k.stack * 0x9e3779b97f4a7c15u ^ k.released_by) * 0x9e3779b97f4a7c15u + k.reason;
    }
  };
  std::unordered_map<SumKey, std::uint32_t, SumHash> sum_index_;
  std::vector<LongWait> long_waits_;
  std::uint64_t long_wait_ns_;
  std::vector<GroupSum> groups_;
  std::unordered_map<std::uint64_t, std::uint32_t> group_index_;
  evidence::SchedulingDelay delays_;
  StepArray ring_of(std::size_t places);
  void keep(StepArray ring);
  std::vector<std::uint32_t> ringed_;                  // whose rings grew in this window
  std::vector<StepArray> spare_;                       // rings to use again; all zero
  std::uint64_t ring_slots_ = 0, ring_slots_max_ = 0;  // of all rings in this generation
  std::uint64_t unmatched_ = 0, dropped_ = 0;
};

}  // namespace ullage::trace::go

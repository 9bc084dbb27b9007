// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/pairing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace ullage::trace::go {
namespace {

// Goroutines known at once by one owner. What a larger program would need is 400 MB for states.
constexpr std::size_t kGoroutinesKept = 4 << 20;
// Places for steps that lie early, whatever the bytes say: no step is shorter than two bytes.
constexpr std::uint64_t kRingSlotsMin = 1 << 14;
// Rings kept to be used again.
constexpr std::size_t kSpareRingsMax = 16;
// A ring that is taken again has at most so many times the places that are wanted.
constexpr std::size_t kSpareRingExcess = 16;
// Kinds of waits kept by one owner; later kinds are counted and dropped.
constexpr std::size_t kSumsKept = 100000;
// Waits from here on are looked at one by one; the bound doubles when there are more of them than
// kLongWaitsKept in a generation.
constexpr std::uint64_t kLongWaitNs = 20'000;
constexpr std::size_t kLongWaitsKept = 1 << 17;

constexpr std::array<std::string_view, 9> kIdleReasons = {
    "system goroutine wait", "GC background sweeper wait",
    "GC scavenge wait",      "GC worker (idle)",
    "GC worker (active)",    "force gc (idle)",
    "finalizer wait",        "preempted",
    "trace reader (blocked)"};

bool by_size(const StepArray& a, const StepArray& b) { return a.size() < b.size(); }

}  // namespace

bool is_idle_reason(std::string_view reason) {
  return std::find(kIdleReasons.begin(), kIdleReasons.end(), reason) != kIdleReasons.end();
}

Pairing::Pairing(Stacks& stacks) : stack_(stacks, tables_), long_wait_ns_(kLongWaitNs) {
  reason_texts_.emplace_back();
  reason_ignored_.push_back(1);
}

void Pairing::begin_generation(const Tables& tables, const std::vector<Batch>& batches) {
  tables_ = &tables;
  batches_ = &batches;
  stack_.clear();
  reason_by_id_.clear();
  long_waits_.clear();
  std::uint64_t bytes = 0;
  for (const Batch& batch : batches) bytes += batch.size;
  ring_slots_ = 0;
  ring_slots_max_ = kRingSlotsMin + bytes;
}

std::uint32_t Pairing::new_reason(std::uint32_t string_id) {
  const std::string text(tables_->string(string_id));
  std::uint32_t reason = 0;
  if (!text.empty()) {
    const auto [it, added] =
        reason_index_.emplace(text, static_cast<std::uint32_t>(reason_texts_.size()));
    if (added) {
      reason_texts_.push_back(text);
      reason_ignored_.push_back(is_idle_reason(text) ? 1 : 0);
    }
    reason = it->second;
  }
  if (string_id >= reason_by_id_.size()) reason_by_id_.resize(string_id + 1, UINT32_MAX);
  reason_by_id_[string_id] = reason;
  return reason;
}

std::uint32_t Pairing::add(std::uint64_t id) {
  if (goroutines_.used() >= kGoroutinesKept) {
    ++dropped_;
    return UINT32_MAX;
  }
  return goroutines_.add(id);
}

void Pairing::take(const StepBuffer& steps, std::uint64_t inherited) {
  for (const Step& step : steps) take(step, inherited);
}

void Pairing::take(const Step& step, std::uint64_t inherited) {
  std::uint32_t index = goroutines_.find(step.goroutine());
  if (index == UINT32_MAX) [[unlikely]] {
    index = add(step.goroutine());
    if (index == UINT32_MAX) return;
  }
  Goroutine& g = goroutines_[index];
  const StepKind kind = step.kind();
  if (kind > StepKind::kWoken) [[unlikely]] {  // a beginning: numbers follow it
    if (begin(g, step)) drain(index);
    return;
  }
  const auto waker = [&] {
    return (step.b & kInherited) == kInherited ? (step.b & ~kInherited) | inherited : step.b;
  };
  if (!g.origin || step.sequence != g.next) {
    Step early = step;
    if (kind == StepKind::kWoken) early.b = waker();
    store(index, early);
    return;
  }
  ++g.next;
  if (kind == StepKind::kWoken) {
    woken(g, step, waker());
  } else if (consume(g, step)) {
    goroutines_.erase(index);
    return;
  }
  if (g.early != 0) drain(index);
}

bool Pairing::begin(Goroutine& g, const Step& step) {
  if (g.origin) {  // told twice
    ++unmatched_;
    return false;
  }
  g.origin = true;
  g.next = 1;
  if (step.kind() == StepKind::kStatus) {
    const auto state = static_cast<GoState>(std::min<std::uint32_t>(step.reason(), 255));
    if (g.group == UINT32_MAX) {
      g.group = group_of(stack_(step.stack), true);
      ++groups_[g.group].alive;
      g.stack = stack_(step.stack);
    }
    if (state == kRunning || state == kSyscall) g.next = 0;
    if (g.state == State::kUnknown) {
      g.state = state == kWaiting    ? State::kWaiting
                : state == kRunnable ? State::kRunnable
                                     : State::kRunning;
    }
    return true;
  }
  const auto at = static_cast<std::int64_t>(step.a);
  g.group = group_of(stack_(step.stack), false);
  GroupSum& group = groups_[g.group];
  ++group.created;
  ++group.alive;
  group.first_ns = std::min(group.first_ns, at);
  group.last_ns = std::max(group.last_ns, at);
  g.since_ns = step.a;
  g.state = State::kRunnable;
  if (step.kind() == StepKind::kCreatedWaiting) {
    g.state = State::kWaiting;
    g.reason = 0;
  } else if (step.kind() == StepKind::kCreatedRunning) {
    g.state = State::kRunning;
    g.next = 0;
  }
  return true;
}

void Pairing::store(std::uint32_t index, const Step& step) {
  Goroutine& g = goroutines_[index];
  const std::uint64_t base = g.origin ? g.next : 0;
  if (step.sequence < base) {
    ++unmatched_;
    return;
  }
  const std::uint64_t capacity = g.ring.size();
  if (step.sequence - base >= capacity) {
    const std::uint64_t wanted = std::bit_ceil(step.sequence - base + 4);
    // More places than the generation has bytes: a sequence number that is damaged.
    if (wanted > ring_slots_max_ - std::min(ring_slots_, ring_slots_max_)) {
      ++unmatched_;
      return;
    }
    ringed_.push_back(index);
    StepArray larger = ring_of(wanted);
    ring_slots_ += larger.size() - capacity;
    for (std::uint64_t i = 0; i < capacity; ++i) {
      Step& old = g.ring[i];
      if (old.who == 0) continue;
      larger[old.sequence & (larger.size() - 1)] = old;
      old.who = 0;
    }
    keep(std::exchange(g.ring, std::move(larger)));
  }
  Step& slot = g.ring[step.sequence & (g.ring.size() - 1)];
  if (slot.who != 0) {
    ++unmatched_;
    return;
  }
  slot = step;
  ++g.early;
}

void Pairing::drain(std::uint32_t index) {
  Goroutine& g = goroutines_[index];
  while (g.early != 0) {
    Step& slot = g.ring[g.next & (g.ring.size() - 1)];
    if (slot.who == 0 || slot.sequence != g.next) return;
    const Step step = slot;
    slot.who = 0;
    --g.early;
    ++g.next;
    if (consume(g, step)) {
      goroutines_.erase(index);
      return;
    }
  }
}

void Pairing::woken(Goroutine& g, const Step& step, std::uint64_t by) {
  if (g.state == State::kWaiting) {
    waited(g, step, by);
  } else {
    ++unmatched_;
  }
  g.state = State::kRunnable;
  g.since_ns = step.a;
}

bool Pairing::consume(Goroutine& g, const Step& step) {
  const StepKind kind = step.kind();
  if (kind == StepKind::kWoken) {
    woken(g, step, step.b);
    return false;
  }
  if ((step.a & kNotScheduled) == 0 && g.state == State::kRunnable && g.since_ns != 0) {
    delayed(g.since_ns, step.a);
  }
  g.since_ns = step.b;
  switch (kind) {
    case StepKind::kRanBlocked:
      g.state = State::kWaiting;
      g.reason = reason_of(step.reason());
      g.stack = stack_(step.stack);
      return false;
    case StepKind::kRanStopped:
      g.state = State::kRunnable;
      return false;
    case StepKind::kRanSwitched:
      g.state = State::kWaiting;
      g.reason = 0;
      g.stack = 0;
      return false;
    case StepKind::kRanEnded:
      if (g.group != UINT32_MAX) {
        ++groups_[g.group].ended;
        --groups_[g.group].alive;
      }
      return true;
    default:
      g.state = State::kRunning;
      return false;
  }
}

void Pairing::delayed(std::uint64_t from_ns, std::uint64_t to_ns) {
  const std::uint64_t delay = to_ns > from_ns ? to_ns - from_ns : 0;
  const std::size_t bucket = delay == 0 ? 0 : static_cast<std::size_t>(std::bit_width(delay) - 1);
  ++delays_.buckets[std::min(bucket, delays_.buckets.size() - 1)];
  ++delays_.count;
  delays_.max_ns = std::max(delays_.max_ns, delay);
}

void Pairing::waited(Goroutine& g, const Step& step, std::uint64_t by) {
  if (g.reason == 0 || g.since_ns == 0 || reason_ignored_[g.reason] != 0) return;
  if ((g.stack & Stacks::kRuntimeOnly) != 0) return;
  const std::uint32_t stack = g.stack;
  const std::uint32_t released_by = Stacks::index(stack_(step.stack));
  std::uint32_t index = g.last_sum;
  if (index == UINT32_MAX || waits_[index].reason != g.reason || waits_[index].stack != stack ||
      waits_[index].released_by != released_by) {
    index = sum_of(g.reason, stack, released_by);
    if (index == UINT32_MAX) return;
    g.last_sum = index;
  }
  WaitSum& sum = waits_[index];
  const std::uint64_t spent = step.a > g.since_ns ? step.a - g.since_ns : 0;
  ++sum.count;
  sum.total_ns += spent;
  sum.first_ns = std::min(sum.first_ns, static_cast<std::int64_t>(g.since_ns));
  sum.last_ns = std::max(sum.last_ns, static_cast<std::int64_t>(step.a));
  if (spent >= sum.max_ns) {
    sum.max_ns = spent;
    const std::uint64_t batch = by >> 40;
    if (batch < batches_->size()) sum.longest_at = (*batches_)[batch].offset;
  }
  if (spent < long_wait_ns_) return;
  if (long_waits_.size() >= kLongWaitsKept) {
    long_wait_ns_ *= 2;
    std::erase_if(long_waits_, [this](const LongWait& wait) {
      return wait.end_ns - wait.start_ns < long_wait_ns_;
    });
  }
  long_waits_.push_back({g.since_ns, step.a, by & kInherited, index});
}

std::uint32_t Pairing::sum_of(std::uint32_t reason, std::uint32_t stack,
                              std::uint32_t released_by) {
  const auto found = sum_index_.find({reason, stack, released_by});
  if (found != sum_index_.end()) return found->second;
  if (waits_.size() >= kSumsKept) {
    ++dropped_;
    return UINT32_MAX;
  }
  const auto index = static_cast<std::uint32_t>(waits_.size());
  sum_index_.emplace(SumKey{reason, stack, released_by}, index);
  WaitSum sum;
  sum.reason = reason;
  sum.stack = stack;
  sum.released_by = released_by;
  waits_.push_back(sum);
  return index;
}

std::uint32_t Pairing::group_of(std::uint32_t stack, bool before) {
  const std::uint64_t key = std::uint64_t{Stacks::index(stack)} << 1 | (before ? 1 : 0);
  const auto [it, added] = group_index_.emplace(key, static_cast<std::uint32_t>(groups_.size()));
  if (added) {
    GroupSum group;
    group.stack = Stacks::index(stack);
    group.before = before;
    groups_.push_back(group);
  }
  return it->second;
}

void Pairing::flush(std::uint32_t index) {
  Goroutine& g = goroutines_[index];
  std::vector<Step> rest;
  for (std::uint64_t i = 0; i < g.ring.size() && g.early != 0; ++i) {
    if (g.ring[i].who == 0) continue;
    rest.push_back(g.ring[i]);
    --g.early;
  }
  unmatched_ += rest.size();
  std::sort(rest.begin(), rest.end(),
            [](const Step& a, const Step& b) { return a.sequence < b.sequence; });
  for (const Step& step : rest) {
    g.since_ns = 0;  // what came before it is missing
    if (consume(g, step)) {
      goroutines_.erase(index);
      return;
    }
  }
}

void Pairing::end_window() {
  std::erase_if(ringed_, [this](std::uint32_t index) {
    Goroutine& g = goroutines_[index];
    if (g.ring.empty()) return true;
    if (g.early != 0) return false;
    ring_slots_ -= std::min(ring_slots_, std::uint64_t{g.ring.size()});
    keep(std::exchange(g.ring, StepArray()));
    return true;
  });
}

// A ring without steps serves the next that needs one: what a page of a new one costs the kernel is
// more than filling it. Of too many the larger stay.
void Pairing::keep(StepArray ring) {
  if (ring.empty()) return;
  if (spare_.size() < kSpareRingsMax) {
    spare_.push_back(std::move(ring));
    return;
  }
  StepArray& smallest = *std::min_element(spare_.begin(), spare_.end(), by_size);
  if (smallest.size() < ring.size()) smallest = std::move(ring);
}

// The smallest spare one that is large enough, and not much too large.
StepArray Pairing::ring_of(std::size_t places) {
  std::size_t best = spare_.size();
  for (std::size_t i = 0; i < spare_.size(); ++i) {
    const std::size_t has = spare_[i].size();
    if (has < places || has > places * kSpareRingExcess) continue;
    if (best == spare_.size() || has < spare_[best].size()) best = i;
  }
  if (best == spare_.size()) return StepArray(places);
  std::swap(spare_[best], spare_.back());
  StepArray found = std::move(spare_.back());
  spare_.pop_back();
  return found;
}

void Pairing::end_generation() {
  ringed_.clear();
  for (std::uint32_t i = 0; i < goroutines_.places(); ++i) {
    if (goroutines_[i].id == kNoGoroutine) continue;
    if (goroutines_[i].early != 0) {
      flush(i);
      goroutines_[i].ring.reset();  // its steps are still in it
    }
    Goroutine& g = goroutines_[i];
    g.origin = false;
    g.next = 0;
    keep(std::exchange(g.ring, StepArray()));
  }
}

}  // namespace ullage::trace::go

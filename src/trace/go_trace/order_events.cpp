// SPDX-License-Identifier: Apache-2.0
//
// What each event asks of the model and does to it.
#include <algorithm>

#include "trace/go_trace/order.h"

namespace ullage::trace::go {
namespace {

std::string text(std::uint64_t number) { return std::to_string(number); }

}  // namespace

// ---- processors

Order::Verdict Order::proc_status(const EventCursor& event, Thread& t) {
  const std::uint64_t id = event.arguments[0];
  const std::uint64_t state = event.arguments[1];
  if (state > kProcSyscallAbandoned) {
    return broken("processor " + text(id) + " can't have state " + text(state));
  }
  if (Proc* const p = find_proc(id); p != nullptr) {
    const bool promoted = state == kProcSyscallAbandoned && p->state == kProcSyscall;
    if (!promoted && p->state != state) {
      return broken("processor " + text(id) + " was in state " + text(p->state) + ", not " +
                    text(state));
    }
    if (promoted) {
      bool held = false;
      for (std::uint32_t i = 0; i < threads_.places(); ++i) held |= threads_[i].proc == id;
      if (!held) return broken("no thread holds processor " + text(id));
    }
    p->sequence = 0;
    p->generation = generation_;
  } else {
    Proc& added = procs_[procs_.add(id)];
    added.state = static_cast<std::uint8_t>(state);
    added.generation = generation_;
  }
  if (state == kProcRunning || state == kProcSyscall) t.proc = id;
  return Verdict::kNext;
}

Order::Verdict Order::proc_start(const EventCursor& event, Thread& t) {
  Proc* const p = find_proc(event.arguments[0]);
  if (p == nullptr) return not_yet("its processor is not known");
  if (p->state != kProcIdle) return not_yet("its processor is not idle");
  if (!follows(event.arguments[1], p->generation, p->sequence)) {
    return not_yet("its processor has another sequence number");
  }
  if (t.proc != kNone) return not_yet("its thread has a processor still");
  if (!context(t, Need::kNot, Need::kMay)) return Verdict::kBroken;
  p->state = kProcRunning;
  p->sequence = event.arguments[1];
  t.proc = p->id;
  return Verdict::kNext;
}

Order::Verdict Order::proc_stop(Thread& t) {
  if (!context(t, Need::kMust, Need::kMay)) return Verdict::kBroken;
  Proc* const p = find_proc(t.proc);
  if (p == nullptr) return broken("processor " + text(t.proc) + " is not known");
  if (p->state != kProcRunning && p->state != kProcSyscall) {
    return broken("processor " + text(t.proc) + " does not run");
  }
  p->state = kProcIdle;
  t.proc = kNone;
  return Verdict::kNext;
}

Order::Verdict Order::proc_steal(const EventCursor& event, Thread& t) {
  const std::uint64_t id = event.arguments[0];
  const std::uint64_t from = event.arguments[2];
  Proc* const p = find_proc(id);
  if (p == nullptr) return not_yet("its processor is not known");
  if (p->state != kProcSyscall && p->state != kProcSyscallAbandoned) {
    return not_yet("its processor is not in a system call");
  }
  if (!follows(event.arguments[1], p->generation, p->sequence)) {
    return not_yet("its processor has another sequence number");
  }
  if (!context(t, Need::kMay, Need::kMay)) return Verdict::kBroken;
  const bool abandoned = p->state == kProcSyscallAbandoned;
  p->state = kProcIdle;
  p->sequence = event.arguments[1];
  if (abandoned) return Verdict::kNext;
  if (from == t.id) {
    if (t.proc != id) return broken("its thread holds no processor " + text(id));
    t.proc = kNone;
    return Verdict::kNext;
  }
  const std::uint32_t place = threads_.find(from);
  if (place == UINT32_MAX) return broken("thread " + text(from) + " is not known");
  if (threads_[place].proc != id) {
    return broken("thread " + text(from) + " holds no processor " + text(id));
  }
  threads_[place].proc = kNone;
  return Verdict::kNext;
}

// ---- goroutines

Order::Verdict Order::go_status(const EventCursor& event, Thread& t) {
  const std::uint64_t id = event.arguments[0];
  const std::uint64_t thread = event.arguments[1];
  const std::uint64_t state = event.arguments[2];
  if (state > kWaiting) return broken("goroutine " + text(id) + " can't have state " + text(state));
  if (Goroutine* const g = find_goroutine(id); g != nullptr) {
    if (g->state != state) {
      return broken("goroutine " + text(id) + " was in state " + text(g->state) + ", not " +
                    text(state));
    }
    g->sequence = 0;
    g->generation = generation_;
  } else if (generation_ == first_generation_) {
    Goroutine& added = goroutines_[goroutines_.add(id)];
    added.state = static_cast<std::uint8_t>(state);
    added.generation = generation_;
  } else {
    return broken("goroutine " + text(id) + " was not there in the first generation");
  }
  if (state == kRunning) t.goroutine = id;
  if (state != kSyscall) return Verdict::kNext;
  if (thread == kNoThread)
    return broken("goroutine " + text(id) + " is in no thread's system call");
  if (thread == t.id) {
    if (generation_ != first_generation_ && t.goroutine != id) {
      return broken("its thread has another goroutine");
    }
    t.goroutine = id;
    return Verdict::kNext;
  }
  const std::uint32_t place = threads_.find(thread);
  if (place == UINT32_MAX) {
    threads_[threads_.add(thread)].goroutine = id;
  } else if (threads_[place].goroutine != id) {
    return broken("thread " + text(thread) + " has another goroutine");
  }
  return Verdict::kNext;
}

Order::Verdict Order::go_create(const EventCursor& event, Thread& t) {
  if (!context(t, Need::kMust, Need::kMay)) return Verdict::kBroken;
  const Goroutine* const creator = find_goroutine(t.goroutine);
  if (creator != nullptr && creator->state != kRunning) {
    return broken("goroutine " + text(t.goroutine) + " does not run");
  }
  const std::uint64_t id = event.arguments[0];
  if (find_goroutine(id) != nullptr) return broken("goroutine " + text(id) + " exists already");
  Goroutine& added = goroutines_[goroutines_.add(id)];
  added.state = event.type == kGoCreateBlocked ? kWaiting : kRunnable;
  added.generation = generation_;
  return Verdict::kNext;
}

void Order::forget(std::uint64_t goroutine) {
  goroutines_.erase(goroutines_.find(goroutine));
  if (!regions_.empty()) regions_.erase(goroutine);
  if (!stops_.empty()) stops_.erase(goroutine);
}

Order::Verdict Order::go_leave(const EventCursor& event, Thread& t) {
  if (!user_context(t)) return Verdict::kBroken;
  Goroutine* const g = running(t, kRunning);
  if (g == nullptr) return Verdict::kBroken;
  if (event.type == kGoDestroy) {
    forget(t.goroutine);
  } else {
    g->state = event.type == kGoStop ? kRunnable : kWaiting;
  }
  t.goroutine = kNone;
  return Verdict::kNext;
}

Order::Verdict Order::go_start(const EventCursor& event, Thread& t) {
  Goroutine* const g = find_goroutine(event.arguments[0]);
  if (g == nullptr) return not_yet("its goroutine is not known");
  if (g->state != kRunnable) return not_yet("its goroutine is not runnable");
  if (!follows(event.arguments[1], g->generation, g->sequence)) {
    return not_yet("its goroutine has another sequence number");
  }
  if (!context(t, Need::kMust, Need::kNot)) return Verdict::kBroken;
  g->state = kRunning;
  g->sequence = event.arguments[1];
  t.goroutine = g->id;
  return Verdict::kNext;
}

Order::Verdict Order::go_unblock(const EventCursor& event) {
  Goroutine* const g = find_goroutine(event.arguments[0]);
  if (g == nullptr) return not_yet("its goroutine is not known");
  if (g->state != kWaiting) return not_yet("its goroutine does not wait");
  if (!follows(event.arguments[1], g->generation, g->sequence)) {
    return not_yet("its goroutine has another sequence number");
  }
  g->state = kRunnable;
  g->sequence = event.arguments[1];
  return Verdict::kNext;
}

Order::Verdict Order::go_switch(const EventCursor& event, Thread& t) {
  if (!user_context(t)) return Verdict::kBroken;
  Goroutine* const g = running(t, kRunning);
  if (g == nullptr) return Verdict::kBroken;
  Goroutine* const next = find_goroutine(event.arguments[0]);
  if (next == nullptr) return not_yet("its goroutine is not known");
  if (next->state != kWaiting) return not_yet("its goroutine does not wait");
  if (!follows(event.arguments[1], next->generation, next->sequence)) {
    return not_yet("its goroutine has another sequence number");
  }
  next->state = kRunning;
  next->sequence = event.arguments[1];
  if (event.type == kGoSwitch) {
    g->state = kWaiting;
  } else {
    forget(t.goroutine);
  }
  t.goroutine = event.arguments[0];
  return Verdict::kNext;
}

// ---- system calls

Order::Verdict Order::syscall_begin(const EventCursor& event, Thread& t) {
  if (!user_context(t)) return Verdict::kBroken;
  Goroutine* const g = running(t, kRunning);
  if (g == nullptr) return Verdict::kBroken;
  Proc* const p = find_proc(t.proc);
  if (p == nullptr) return broken("processor " + text(t.proc) + " is not known");
  if (!follows(event.arguments[0], p->generation, p->sequence)) {
    return broken("its processor has another sequence number: " + text(p->sequence) +
                  " can't be followed by " + text(event.arguments[0]));
  }
  g->state = kSyscall;
  p->state = kProcSyscall;
  p->sequence = event.arguments[0];
  return Verdict::kNext;
}

Order::Verdict Order::syscall_end(Thread& t) {
  if (!user_context(t)) return Verdict::kBroken;
  Goroutine* const g = running(t, kSyscall);
  if (g == nullptr) return Verdict::kBroken;
  Proc* const p = find_proc(t.proc);
  if (p == nullptr || p->state != kProcSyscall) {
    return broken("processor " + text(t.proc) + " is not in a system call");
  }
  g->state = kRunning;
  p->state = kProcRunning;
  return Verdict::kNext;
}

Order::Verdict Order::syscall_end_blocked(Thread& t) {
  if (t.proc != kNone) {
    const Proc* const p = find_proc(t.proc);
    if (p == nullptr) return broken("processor " + text(t.proc) + " is not known");
    if (p->state == kProcSyscall) return not_yet("its thread has not lost its processor yet");
  }
  if (!context(t, Need::kMay, Need::kMust)) return Verdict::kBroken;
  Goroutine* const g = running(t, kSyscall);
  if (g == nullptr) return Verdict::kBroken;
  g->state = kRunnable;
  t.goroutine = kNone;
  return Verdict::kNext;
}

Order::Verdict Order::create_syscall(const EventCursor& event, Thread& t) {
  if (!context(t, Need::kMay, Need::kNot)) return Verdict::kBroken;
  const std::uint64_t id = event.arguments[0];
  if (find_goroutine(id) != nullptr) return broken("goroutine " + text(id) + " exists already");
  Goroutine& added = goroutines_[goroutines_.add(id)];
  added.state = kSyscall;
  added.generation = generation_;
  t.goroutine = id;
  return Verdict::kNext;
}

Order::Verdict Order::destroy_syscall(Thread& t) {
  if (!context(t, Need::kMay, Need::kMust)) return Verdict::kBroken;
  if (running(t, kSyscall) == nullptr) return Verdict::kBroken;
  if (t.proc != kNone) {
    // The thread may end, and its number be used again: the processor is no longer tied to it.
    Proc* const p = find_proc(t.proc);
    if (p == nullptr || p->state != kProcSyscall) {
      return broken("processor " + text(t.proc) + " is not in a system call");
    }
    p->state = kProcSyscallAbandoned;
    t.proc = kNone;
  }
  forget(t.goroutine);
  t.goroutine = kNone;
  return Verdict::kNext;
}

// ---- ranges

Order::Verdict Order::collector(const EventCursor& event, Thread& t) {
  const std::uint64_t sequence = event.arguments[0];
  const bool first = event.type == kGcActive
                         ? generation_ == first_generation_
                         : event.type == kGcBegin && collector_ == Collector::kUnknown;
  if (first) {
    if (collector_ != Collector::kUnknown) return broken("the collector was seen before it");
    gc_sequence_ = sequence;
    collector_ = Collector::kMarks;
    return Verdict::kNext;
  }
  if (sequence != gc_sequence_ + 1) return not_yet("the collector has another sequence number");
  if (event.type == kGcBegin && collector_ == Collector::kMarks) {
    return broken("the collector marks already");
  }
  if (event.type != kGcBegin && collector_ != Collector::kMarks) {
    return broken("the collector does not mark");
  }
  if (!user_context(t)) return Verdict::kBroken;
  gc_sequence_ = sequence;
  collector_ = event.type == kGcEnd ? Collector::kIdle : Collector::kMarks;
  return Verdict::kNext;
}

Order::Verdict Order::sweep(const EventCursor& event, Thread& t) {
  std::uint64_t id = event.arguments[0];
  if (event.type != kGcSweepActive) {
    if (!context(t, Need::kMust, Need::kMay)) return Verdict::kBroken;
    id = t.proc;
  }
  Proc* const p = find_proc(id);
  if (p == nullptr) return broken("processor " + text(id) + " is not known");
  const bool begins = event.type == kGcSweepBegin ||
                      (event.type == kGcSweepActive && generation_ == first_generation_);
  if (p->sweeps == begins) {
    return broken("processor " + text(id) + (begins ? " sweeps already" : " does not sweep"));
  }
  p->sweeps = event.type != kGcSweepEnd;
  return Verdict::kNext;
}

Order::Verdict Order::assist(const EventCursor& event, Thread& t) {
  std::uint64_t id = event.arguments[0];
  if (event.type != kAssistActive) {
    if (!user_context(t)) return Verdict::kBroken;
    id = t.goroutine;
  }
  Goroutine* const g = find_goroutine(id);
  if (g == nullptr) return broken("goroutine " + text(id) + " is not known");
  const bool begins = event.type == kAssistBegin ||
                      (event.type == kAssistActive && generation_ == first_generation_);
  if (g->assists == begins) {
    return broken("goroutine " + text(id) + (begins ? " assists already" : " does not assist"));
  }
  g->assists = event.type != kAssistEnd;
  return Verdict::kNext;
}

Order::Verdict Order::stop_world(const EventCursor& event, Thread& t) {
  if (!user_context(t)) return Verdict::kBroken;
  if (find_goroutine(t.goroutine) == nullptr) {
    return broken("goroutine " + text(t.goroutine) + " is not known");
  }
  if (event.type == kStwBegin) {
    std::vector<std::string>& open = stops_[t.goroutine];
    std::string kind(tables_->string(event.arguments[0]));
    if (std::find(open.begin(), open.end(), kind) != open.end()) {
      return broken("goroutine " + text(t.goroutine) + " stopped the world already");
    }
    open.push_back(std::move(kind));
    return Verdict::kNext;
  }
  const auto open = stops_.find(t.goroutine);
  if (open == stops_.end()) {
    return broken("goroutine " + text(t.goroutine) + " did not stop the world");
  }
  open->second.erase(open->second.begin());
  if (open->second.empty()) stops_.erase(open);
  return Verdict::kNext;
}

// ---- annotations

Order::Verdict Order::task(const EventCursor& event, Thread& t) {
  const std::uint64_t id = event.arguments[0];
  if (!user_context(t)) return Verdict::kBroken;
  if (event.type == kUserTaskEnd) {
    tasks_.erase(id);
  } else if (!tasks_.emplace(id, true).second) {
    return broken("task " + text(id) + " has begun already");
  }
  return Verdict::kNext;
}

Order::Verdict Order::region(const EventCursor& event, Thread& t) {
  if (!user_context(t)) return Verdict::kBroken;
  if (find_goroutine(t.goroutine) == nullptr) {
    return broken("goroutine " + text(t.goroutine) + " is not known");
  }
  // Name 0 is the empty one.
  if (event.arguments[1] != 0 && tables_->string_ids.find(event.arguments[1]) == Ids::kAbsent) {
    return broken("its name, string " + text(event.arguments[1]) + ", is not in the table");
  }
  Region region{event.arguments[0], std::string(tables_->string(event.arguments[1]))};
  std::vector<Region>& open = regions_[t.goroutine];
  if (event.type == kUserRegionBegin) {
    open.push_back(std::move(region));
  } else if (!open.empty()) {  // otherwise it began before the trace did
    if (open.back() != region) {
      return broken("region \"" + region.name + "\" ends within \"" + open.back().name + "\"");
    }
    open.pop_back();
  }
  return Verdict::kNext;
}

}  // namespace ullage::trace::go

// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/order.h"

#include <algorithm>
#include <array>

namespace ullage::trace::go {
namespace {

// Which arguments of an event are stacks and strings, a bit for each (bit 0: the first argument
// after the delay).
struct References {
  std::uint8_t stacks = 0, strings = 0;
};
constexpr std::array<References, 49> references() {
  std::array<References, 49> r{};
  r[kProcsChange].stacks = 1 << 1;
  r[kGoCreate].stacks = r[kGoCreateBlocked].stacks = 1 << 1 | 1 << 2;
  r[kGoStop] = r[kGoBlock] = r[kStwBegin] = {1 << 1, 1 << 0};
  r[kGoUnblock].stacks = 1 << 2;
  r[kGoSyscallBegin].stacks = 1 << 1;
  r[kGcBegin].stacks = 1 << 1;
  r[kGcSweepBegin].stacks = r[kAssistBegin].stacks = 1 << 0;
  r[kGoLabel].strings = 1 << 0;
  r[kUserTaskBegin] = {1 << 3, 1 << 2};
  r[kUserTaskEnd].stacks = 1 << 1;
  r[kUserRegionBegin] = r[kUserRegionEnd] = {1 << 2, 1 << 1};
  r[kUserLog] = {1 << 3, 1 << 1 | 1 << 2};
  r[kGoStatusStack].stacks = 1 << 3;
  return r;
}
constexpr std::array<References, 49> kReferences = references();

std::string text(std::uint64_t number) { return std::to_string(number); }

}  // namespace

void Order::begin_generation(const Tables& tables, std::uint64_t number) {
  tables_ = &tables;
  generation_ = number;
  if (first_generation_ == 0) first_generation_ = number;
}

Order::Verdict Order::broken(std::string why) {
  why_ = std::move(why);
  return Verdict::kBroken;
}

Order::Verdict Order::not_yet(const char* why) {
  why_ = why;
  return Verdict::kNotYet;
}

Order::Thread& Order::thread_of(std::uint64_t id) {
  std::uint32_t place = threads_.find(id);
  if (place == UINT32_MAX) place = threads_.add(id);
  return threads_[place];
}

Order::Goroutine* Order::find_goroutine(std::uint64_t id) {
  const std::uint32_t place = goroutines_.find(id);
  return place == UINT32_MAX ? nullptr : &goroutines_[place];
}

Order::Proc* Order::find_proc(std::uint64_t id) {
  const std::uint32_t place = procs_.find(id);
  return place == UINT32_MAX ? nullptr : &procs_[place];
}

bool Order::context(const Thread& t, Need proc, Need goroutine) {
  const auto check = [this](Need need, std::uint64_t what, const char* name) {
    if (need == Need::kMust && what == kNone) {
      why_ = std::string("it needs a ") + name + ", and its thread has none";
      return false;
    }
    if (need == Need::kNot && what != kNone) {
      why_ = std::string("its thread has ") + name + " " + text(what) + " already";
      return false;
    }
    return true;
  };
  if (t.id == kNoThread) {
    why_ = "it needs a thread";
    return false;
  }
  return check(proc, t.proc, "processor") && check(goroutine, t.goroutine, "goroutine");
}

Order::Goroutine* Order::running(const Thread& t, GoState state) {
  Goroutine* const g = find_goroutine(t.goroutine);
  if (g == nullptr) {
    why_ = "goroutine " + text(t.goroutine) + " is not known";
  } else if (g->state != state) {
    why_ = "goroutine " + text(t.goroutine) +
           (state == kRunning ? " does not run" : " is not in a system call");
    return nullptr;
  }
  return g;
}

bool Order::tables_know(const EventCursor& event) {
  if (event.type >= kReferences.size()) return true;
  const References r = kReferences[event.type];
  if ((r.stacks | r.strings) == 0) return true;
  for (unsigned i = 0; i < 4; ++i) {
    const std::uint64_t id = event.arguments[i];
    if (id == 0) continue;
    if ((r.stacks >> i & 1) != 0 && tables_->stack_ids.find(id) == Ids::kAbsent) {
      why_ = "its stack " + text(id) + " is not in the table";
      return false;
    }
    if ((r.strings >> i & 1) != 0 && tables_->string_ids.find(id) == Ids::kAbsent) {
      why_ = "its string " + text(id) + " is not in the table";
      return false;
    }
  }
  return true;
}

Order::Verdict Order::advance(const EventCursor& event, std::uint64_t thread) {
  // Works on a copy: what is not next changes nothing. (Another thread's state may be changed by
  // the handlers; thread_of() may move states, so it is looked up again.)
  Thread t{thread, kNone, kNone};
  if (thread != kNoThread) t = thread_of(thread);
  before_ = t.goroutine;
  const Verdict verdict = dispatch(event, t);
  if (verdict != Verdict::kNext) return verdict;
  if (!tables_know(event)) return Verdict::kBroken;
  after_ = t.goroutine;
  if (thread != kNoThread) thread_of(thread) = t;
  return verdict;
}

Order::Verdict Order::dispatch(const EventCursor& event, Thread& t) {
  const auto when = [](bool ok) { return ok ? Verdict::kNext : Verdict::kBroken; };
  switch (event.type) {
    case kProcStart:
      return proc_start(event, t);
    case kProcStop:
      return proc_stop(t);
    case kProcSteal:
      return proc_steal(event, t);
    case kProcStatus:
      return proc_status(event, t);
    case kGoCreate:
    case kGoCreateBlocked:
      return go_create(event, t);
    case kGoCreateSyscall:
      return create_syscall(event, t);
    case kGoStart:
      return go_start(event, t);
    case kGoDestroy:
    case kGoStop:
    case kGoBlock:
      return go_leave(event, t);
    case kGoDestroySyscall:
      return destroy_syscall(t);
    case kGoUnblock:
      return go_unblock(event);
    case kGoSyscallBegin:
      return syscall_begin(event, t);
    case kGoSyscallEnd:
      return syscall_end(t);
    case kGoSyscallEndBlocked:
      return syscall_end_blocked(t);
    case kGoStatus:
    case kGoStatusStack:
      return go_status(event, t);
    case kStwBegin:
    case kStwEnd:
      return stop_world(event, t);
    case kGcActive:
    case kGcBegin:
    case kGcEnd:
      return collector(event, t);
    case kGcSweepActive:
    case kGcSweepBegin:
    case kGcSweepEnd:
      return sweep(event, t);
    case kAssistActive:
    case kAssistBegin:
    case kAssistEnd:
      return assist(event, t);
    case kHeapAlloc:
    case kHeapGoal:
      return when(context(t, Need::kMust, Need::kMay));
    case kUserTaskBegin:
    case kUserTaskEnd:
      return task(event, t);
    case kUserRegionBegin:
    case kUserRegionEnd:
      return region(event, t);
    case kGoSwitch:
    case kGoSwitchDestroy:
      return go_switch(event, t);
    case kProcsChange:
    case kGoLabel:
    case kUserLog:
      return when(user_context(t));
    default:
      return when(context(t, Need::kMay, Need::kMay));  // of experiments
  }
}

}  // namespace ullage::trace::go

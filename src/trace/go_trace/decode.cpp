// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/decode.h"

#include <algorithm>
#include <cstring>

namespace ullage::trace::go {
namespace {

// Heap sizes closer together than this on one thread are one point, the highest, unless the heap
// fell (the runtime tells what is live at the end of a cycle): it tells them many times a moment.
constexpr std::uint64_t kHeapPointNs = 1 << 16;

std::uint32_t stack_id(std::uint64_t id) {
  return id >= UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(id);
}

// Where the steps of a batch go: with one owner, a place in a register.
struct OneOwner {
  Step* next;
  explicit OneOwner(BatchOutput& out) : next(out.steps.front().room()) {}
  void push(const Step& step) { *next++ = step; }
  void finish(BatchOutput& out) const { out.steps.front().filled_to(next); }
};
struct Owners {
  BatchOutput& to;
  explicit Owners(BatchOutput& out) : to(out) {}
  void push(const Step& step) {
    to.steps[owner_of(step.goroutine(), static_cast<std::uint32_t>(to.steps.size()))].push(step);
  }
  void finish(BatchOutput&) const {}
};

// The rare part of a batch.
struct Marks {
  BatchOutput& out;
  std::uint64_t thread = 0;
  std::size_t heap_mark = SIZE_MAX;

  void add(Event type, const Running& by, std::uint64_t now, std::size_t offset, std::uint64_t a,
           std::uint64_t b = 0) {
    out.marks.push_back({now, by.goroutine, a, b, thread, offset, by.sequence, type});
  }
  void heap(const Running& by, std::uint64_t now, std::size_t offset, std::uint64_t bytes) {
    if (heap_mark != SIZE_MAX) {
      Mark& last = out.marks[heap_mark];
      if (now - last.at_ns < kHeapPointNs && bytes + bytes / 16 >= last.a) {
        last.a = std::max(last.a, bytes);
        return;
      }
    }
    heap_mark = out.marks.size();
    add(kHeapAlloc, by, now, offset, bytes);
  }
};

// The hot loop. A case reads the arguments it knows by itself; what it does not use is skipped by
// number. An event is acted upon only when it lies within the batch. What changes with every event
// is local and never has its address taken, so it stays in registers.
template <bool kWholeTicks, class Steps>
void decode(const DecodeContext& context, const Batch& batch, std::uint32_t index,
            const std::uint8_t* const begin, EventCounts& counts, BatchOutput& out) {
  const std::uint8_t* p = begin;
  const std::uint8_t* const end = begin + batch.size;
  const std::uint64_t tick = context.clock.whole;
  const std::uint64_t by_batch = std::uint64_t{index} << 40;
  std::uint64_t now = context.clock.ns(batch.base);
  std::uint64_t goroutine = kInherited, start = 0;
  std::uint32_t sequence = 0;
  Steps steps(out);
  Marks marks{out, batch.thread};
  bool bad = false;
  const std::uint8_t* at = p;
  std::uint8_t type = 0;

  const auto within = [&] { return p <= end && !bad; };
  const auto id_fits = [&](std::uint64_t id) {
    if (id <= kGoroutineMax) return true;
    bad = true;
    return false;
  };
  const auto run = [&](std::uint64_t id, std::uint64_t seq, std::uint64_t at_ns) {
    goroutine = id;
    sequence = static_cast<std::uint32_t>(seq);
    start = at_ns;
  };
  const auto leave = [&](std::uint64_t at_ns, StepKind kind, std::uint64_t reason,
                         std::uint64_t stack) {
    if (goroutine == kInherited) {
      out.inherited_left = true;
      out.left = {0, at_ns, Step::pack(0, kind, reason), 0, stack_id(stack)};
    } else if (goroutine != kNoGoroutine) {
      steps.push({start, at_ns, Step::pack(goroutine, kind, reason), sequence, stack_id(stack)});
    }
    goroutine = kNoGoroutine;
  };
  const auto origin = [&](std::uint64_t id, StepKind kind, std::uint64_t state, std::uint64_t stack,
                          std::uint64_t at_ns) {
    steps.push({at_ns, 0, Step::pack(id, kind, state), 0, stack_id(stack)});
  };
  const auto mark = [&](std::uint8_t as, std::uint64_t at_ns, std::uint64_t a,
                        std::uint64_t b = 0) {
    marks.add(static_cast<Event>(as), {goroutine, start, sequence}, at_ns,
              batch.payload + static_cast<std::size_t>(at - begin), a, b);
  };

  while (p < end) {
    at = p;
    type = *p++;
    const std::uint64_t delay = varint(p, bad);
    const std::uint64_t then = now + (kWholeTicks ? delay * tick : context.clock.ns(delay));
    switch (type) {
      case kGoStart: {
        const std::uint64_t id = varint(p, bad);
        const std::uint64_t seq = varint(p, bad);
        if (within() && id_fits(id)) run(id, seq, then);
        break;
      }
      case kGoBlock:
      case kGoStop: {
        const std::uint64_t reason = varint(p, bad);
        const std::uint64_t stack = varint(p, bad);
        if (within()) {
          leave(then, type == kGoBlock ? StepKind::kRanBlocked : StepKind::kRanStopped, reason,
                stack);
        }
        break;
      }
      case kGoUnblock: {
        const std::uint64_t id = varint(p, bad);
        const std::uint64_t seq = varint(p, bad);
        const std::uint64_t stack = varint(p, bad);
        if (!within() || !id_fits(id)) break;
        steps.push({then, goroutine | by_batch, Step::pack(id, StepKind::kWoken, 0),
                    static_cast<std::uint32_t>(seq), stack_id(stack)});
        break;
      }
      case kHeapAlloc: {
        const std::uint64_t bytes = varint(p, bad);
        if (within()) {
          marks.heap({goroutine, start, sequence}, then,
                     batch.payload + static_cast<std::size_t>(at - begin), bytes);
        }
        break;
      }
      case kProcStop:
      case kGoSyscallEnd:
        break;
      case kGoSyscallEndBlocked:
        if (within()) leave(then, StepKind::kRanStopped, 0, 0);
        break;
      case kGoDestroy:
      case kGoDestroySyscall:
        if (within()) leave(then, StepKind::kRanEnded, 0, 0);
        break;
      case kProcStart:
      case kProcStatus:
      case kGoSyscallBegin:
      case kGcSweepEnd:
        varint(p, bad);
        varint(p, bad);
        break;
      default: {
        // The cases above are events of every version.
        const EventSpec& spec = kEvents[type];
        if (!spec.timed || spec.since > context.version) {
          bad = true;
          break;
        }
        std::uint64_t args[6];
        for (unsigned i = 1; i < spec.arguments; ++i) args[i - 1] = varint(p, bad);
        if (!within()) break;
        switch (type) {
          case kGoSwitch:
          case kGoSwitchDestroy:
            if (!id_fits(args[0])) break;
            leave(then, type == kGoSwitch ? StepKind::kRanSwitched : StepKind::kRanEnded, 0, 0);
            run(args[0], args[1], then | kNotScheduled);
            break;
          case kGoCreate:
          case kGoCreateBlocked:
            if (id_fits(args[0])) {
              origin(args[0], type == kGoCreate ? StepKind::kCreated : StepKind::kCreatedWaiting, 0,
                     args[2], then);
            }
            break;
          case kGoCreateSyscall:
            if (id_fits(args[0])) {
              origin(args[0], StepKind::kCreatedRunning, 0, 0, then);
              run(args[0], 0, then | kNotScheduled);
            }
            break;
          case kGoStatus:
          case kGoStatusStack:  // at the beginning of a generation
            if (!id_fits(args[0])) break;
            origin(args[0], StepKind::kStatus, args[2], type == kGoStatusStack ? args[3] : 0, then);
            if (args[2] == kRunning || (args[2] == kSyscall && args[1] == batch.thread)) {
              run(args[0], 0, then | kNotScheduled);
            } else if (args[2] == kSyscall) {
              mark(kGoStatus, then, args[0], args[1]);
            }
            break;
          case kAssistEnd:
          case kStwEnd:
            mark(type, then, 0);
            break;
          case kStwBegin:
          case kGcBegin:
            mark(type, then, args[0], args[1]);
            break;
          case kAssistBegin:
          case kAssistActive:
          case kGcActive:
          case kGcEnd:
          case kHeapGoal:
          case kProcsChange:
            mark(type, then, args[0]);
            break;
          default:
            break;
        }
        break;
      }
    }
    if (!within()) [[unlikely]] {
      bad = true;
      break;
    }
    ++counts[type];
    now = then;
  }
  steps.finish(out);
  out.end = {goroutine, start, sequence};
  out.last_ns = now;
  if (bad) {
    out.damaged = true;
    out.damaged_type = type;
    out.damaged_at = static_cast<std::uint32_t>(at - begin);
  }
}

}  // namespace

void decode_batch(const DecodeContext& context, const Batch& batch, std::uint32_t index,
                  EventCounts& counts, BatchOutput& out) {
  out.steps.resize(context.owners);
  // An event leaves at most one step, and none is shorter than two bytes.
  for (StepBuffer& steps : out.steps) {
    steps.reserve(batch.size / 2 + 2);
    steps.clear();
  }
  out.marks.clear();
  out.inherited_left = out.damaged = false;
  const std::uint8_t* begin = context.input.data() + batch.payload;
  // Near the end of the input, where reading ahead would leave it, a padded copy is decoded.
  std::vector<std::uint8_t> copy;
  if (context.input.size() - batch.payload < batch.size + kEventBytesMax) {
    copy.resize(batch.size + kEventBytesMax);
    std::copy_n(begin, batch.size, copy.begin());
    begin = copy.data();
  }
  const auto read = context.clock.whole != 0
                        ? (context.owners == 1 ? decode<true, OneOwner> : decode<true, Owners>)
                        : (context.owners == 1 ? decode<false, OneOwner> : decode<false, Owners>);
  read(context, batch, index, begin, counts, out);
}

void EventCursor::open(const Batch& batch) {
  at_ = batch.payload;
  end_ = at_ + batch.size;
  at_ns = clock_.ns(batch.base);
  damaged = false;
}

bool EventCursor::next() {
  if (at_ >= end_ || damaged) return false;
  offset = at_;
  const std::uint8_t* p = input_.data() + at_;
  const std::uint8_t* const end = input_.data() + end_;
  type = static_cast<Event>(*p++);
  const EventSpec& spec = kEvents[type];
  std::uint64_t delay = 0;
  bool read = spec.timed && spec.since <= version_;
  if (input_.size() - at_ >= kEventBytesMax + 8) {
    bool bad = false;
    if (read) {
      delay = varint(p, bad);
      for (unsigned i = 1; i < spec.arguments; ++i) arguments[i - 1] = varint(p, bad);
      read = !bad && p <= end;
    }
  } else {
    read = read && read_varint(p, end, delay);
    for (unsigned i = 1; read && i < spec.arguments; ++i) {
      read = read_varint(p, end, arguments[i - 1]);
    }
  }
  if (!read) {
    damaged = true;
    return false;
  }
  at_ns += clock_.ns(delay);
  at_ = static_cast<std::size_t>(p - input_.data());
  return true;
}

}  // namespace ullage::trace::go

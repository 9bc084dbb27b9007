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

// The state of decoding one batch, and what each event does to it.
struct Decoder {
  const DecodeContext& context;
  BatchOutput& out;
  std::uint64_t thread = 0;
  std::uint64_t batch_index = 0;
  std::uint64_t goroutine = kInherited;
  std::uint64_t start = 0;
  std::uint32_t sequence = 0;
  std::size_t heap_mark = SIZE_MAX;

  void push(const Step& step) {
    const std::uint32_t owner =
        context.owners == 1 ? 0 : owner_of(step.goroutine(), context.owners);
    out.steps[owner].push(step);
  }
  void leave(std::uint64_t now, StepKind kind, std::uint64_t reason, std::uint64_t stack) {
    if (goroutine == kInherited) {
      out.inherited_left = true;
      out.left = {0, now, Step::pack(0, kind, reason), 0, stack_id(stack)};
    } else if (goroutine != kNoGoroutine) {
      push({start, now, Step::pack(goroutine, kind, reason), sequence, stack_id(stack)});
    }
    goroutine = kNoGoroutine;
  }
  void run(std::uint64_t id, std::uint64_t seq, std::uint64_t now) {
    goroutine = id;
    sequence = static_cast<std::uint32_t>(seq);
    start = now;
  }
  void wake(std::uint64_t id, std::uint64_t seq, std::uint64_t stack, std::uint64_t now) {
    push({now, goroutine | batch_index << 40, Step::pack(id, StepKind::kWoken, 0),
          static_cast<std::uint32_t>(seq), stack_id(stack)});
  }
  void origin(std::uint64_t id, StepKind kind, std::uint64_t state, std::uint64_t stack,
              std::uint64_t now) {
    push({now, 0, Step::pack(id, kind, state), 0, stack_id(stack)});
  }
  void mark(Event type, std::uint64_t now, std::size_t offset, std::uint64_t a,
            std::uint64_t b = 0) {
    out.marks.push_back({now, goroutine, a, b, thread, offset, sequence, type});
  }
  void heap(std::uint64_t now, std::size_t offset, std::uint64_t bytes) {
    if (heap_mark != SIZE_MAX) {
      Mark& last = out.marks[heap_mark];
      if (now - last.at_ns < kHeapPointNs && bytes + bytes / 16 >= last.a) {
        last.a = std::max(last.a, bytes);
        return;
      }
    }
    heap_mark = out.marks.size();
    mark(kHeapAlloc, now, offset, bytes);
  }
  // The state of a goroutine at the beginning of a generation.
  void status(const std::uint64_t* arguments, std::uint64_t stack, std::uint64_t now,
              std::size_t offset) {
    const std::uint64_t id = arguments[0];
    origin(id, StepKind::kStatus, arguments[2], stack, now);
    if (arguments[2] == kRunning || (arguments[2] == kSyscall && arguments[1] == thread)) {
      run(id, 0, now | kNotScheduled);
    } else if (arguments[2] == kSyscall) {
      mark(kGoStatus, now, offset, id, arguments[1]);
    }
  }
};

// The hot loop. A case reads the arguments it knows by itself; what it does not use is skipped by
// number. An event is acted upon only when it lies within the batch.
template <bool kWholeTicks>
void decode(const DecodeContext& context, const Batch& batch, const std::uint8_t* const begin,
            EventCounts& counts, Decoder& d) {
  const std::uint8_t* p = begin;
  const std::uint8_t* const end = begin + batch.size;
  const std::uint64_t tick = context.clock.whole;
  std::uint64_t now = context.clock.ns(batch.base);
  std::uint64_t args[6];
  bool bad = false;
  const std::uint8_t* at = p;
  std::uint8_t type = 0;
  while (p < end) {
    at = p;
    type = *p++;
    const EventSpec& spec = kEvents[type];
    if (!spec.timed || spec.since > context.version) [[unlikely]] {
      bad = true;
      break;
    }
    const std::uint64_t delay = varint(p, bad);
    const std::uint64_t then = now + (kWholeTicks ? delay * tick : context.clock.ns(delay));
    const auto within = [&] { return p <= end && !bad; };
    const auto id_fits = [&](std::uint64_t id) {
      if (id <= kGoroutineMax) return true;
      bad = true;
      return false;
    };
    const std::size_t offset = batch.payload + static_cast<std::size_t>(at - begin);
    switch (type) {
      case kGoStart: {
        const std::uint64_t id = varint(p, bad);
        const std::uint64_t seq = varint(p, bad);
        if (within() && id_fits(id)) d.run(id, seq, then);
        break;
      }
      case kGoBlock:
      case kGoStop: {
        const std::uint64_t reason = varint(p, bad);
        const std::uint64_t stack = varint(p, bad);
        if (within()) {
          d.leave(then, type == kGoBlock ? StepKind::kRanBlocked : StepKind::kRanStopped, reason,
                  stack);
        }
        break;
      }
      case kGoUnblock: {
        const std::uint64_t id = varint(p, bad);
        const std::uint64_t seq = varint(p, bad);
        const std::uint64_t stack = varint(p, bad);
        if (within() && id_fits(id)) d.wake(id, seq, stack, then);
        break;
      }
      case kGoSwitch:
      case kGoSwitchDestroy: {
        const std::uint64_t id = varint(p, bad);
        const std::uint64_t seq = varint(p, bad);
        if (!within() || !id_fits(id)) break;
        d.leave(then, type == kGoSwitch ? StepKind::kRanSwitched : StepKind::kRanEnded, 0, 0);
        d.run(id, seq, then | kNotScheduled);
        break;
      }
      case kHeapAlloc: {
        const std::uint64_t bytes = varint(p, bad);
        if (within()) d.heap(then, offset, bytes);
        break;
      }
      case kProcStop:
      case kGoSyscallEnd:
        break;
      case kGoSyscallEndBlocked:
        if (within()) d.leave(then, StepKind::kRanStopped, 0, 0);
        break;
      case kGoDestroy:
      case kGoDestroySyscall:
        if (within()) d.leave(then, StepKind::kRanEnded, 0, 0);
        break;
      case kProcStart:
      case kProcStatus:
      case kGoSyscallBegin:
      case kGcSweepEnd:
        varint(p, bad);
        varint(p, bad);
        break;
      default: {
        for (unsigned i = 1; i < spec.arguments; ++i) args[i - 1] = varint(p, bad);
        if (!within()) break;
        switch (type) {
          case kGoCreate:
          case kGoCreateBlocked:
            if (id_fits(args[0])) {
              d.origin(args[0], type == kGoCreate ? StepKind::kCreated : StepKind::kCreatedWaiting,
                       0, args[2], then);
            }
            break;
          case kGoCreateSyscall:
            if (id_fits(args[0])) {
              d.origin(args[0], StepKind::kCreatedRunning, 0, 0, then);
              d.run(args[0], 0, then | kNotScheduled);
            }
            break;
          case kGoStatus:
          case kGoStatusStack:
            if (id_fits(args[0])) {
              d.status(args, type == kGoStatusStack ? args[3] : 0, then, offset);
            }
            break;
          case kAssistEnd:
          case kStwEnd:
            d.mark(static_cast<Event>(type), then, offset, 0);
            break;
          case kStwBegin:
          case kGcBegin:
            d.mark(static_cast<Event>(type), then, offset, args[0], args[1]);
            break;
          case kAssistBegin:
          case kAssistActive:
          case kGcActive:
          case kGcEnd:
          case kHeapGoal:
          case kProcsChange:
            d.mark(static_cast<Event>(type), then, offset, args[0]);
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
  d.out.last_ns = now;
  if (bad) {
    d.out.damaged = true;
    d.out.damaged_type = type;
    d.out.damaged_at = static_cast<std::uint32_t>(at - begin);
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
  Decoder decoder{context, out, batch.thread, index};
  const std::uint8_t* begin = context.input.data() + batch.payload;
  // Near the end of the input, where reading ahead would leave it, a padded copy is decoded.
  std::vector<std::uint8_t> copy;
  if (context.input.size() - batch.payload < batch.size + kEventBytesMax) {
    copy.resize(batch.size + kEventBytesMax);
    std::copy_n(begin, batch.size, copy.begin());
    begin = copy.data();
  }
  if (context.clock.whole != 0) {
    decode<true>(context, batch, begin, counts, decoder);
  } else {
    decode<false>(context, batch, begin, counts, decoder);
  }
  out.end = {decoder.goroutine, decoder.start, decoder.sequence};
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

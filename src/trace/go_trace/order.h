// SPDX-License-Identifier: Apache-2.0
#pragma once

// The order of events: a model of Go's scheduler that takes one event after the other and says of
// each whether it can be next. Events of one thread are in order; between threads only sequence
// numbers and states decide, never clocks.
//
// Memory: a state for each living goroutine, processor and thread. Threads: one.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "trace/go_trace/decode.h"
#include "trace/go_trace/id_table.h"
#include "trace/go_trace/tables.h"

namespace ullage::trace::go {

class Order {
 public:
  enum class Verdict { kNext, kNotYet, kBroken };
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  struct Thread {
    std::uint64_t id = 0;
    std::uint64_t goroutine = kNone, proc = kNone;
  };
  void begin_generation(const Tables& tables, std::uint64_t number);
  Verdict advance(const EventCursor& event, std::uint64_t thread);
  // Why the last event was broken, or could not be next yet.
  const std::string& why() const { return why_; }
  // The goroutine that ran on the thread of the last event before it, and after it.
  std::uint64_t before() const { return before_; }
  std::uint64_t after() const { return after_; }

 private:
  struct Goroutine {
    std::uint64_t id = 0, sequence = 0, generation = 0;
    std::uint8_t state = kGoBad;
    bool assists = false;
  };
  struct Proc {
    std::uint64_t id = 0, sequence = 0, generation = 0;
    std::uint8_t state = kProcBad;
    bool sweeps = false;
  };
  struct Region {
    std::uint64_t task = 0;
    std::string name;
    bool operator==(const Region&) const = default;
  };
  enum class Need { kNot, kMay, kMust };

  Verdict broken(std::string why);
  Verdict not_yet(const char* why);
  bool context(const Thread& t, Need proc, Need goroutine);
  bool user_context(const Thread& t) { return context(t, Need::kMust, Need::kMust); }
  Goroutine* running(const Thread& t, GoState state);
  Goroutine* find_goroutine(std::uint64_t id);
  Proc* find_proc(std::uint64_t id);
  Thread& thread_of(std::uint64_t id);
  bool follows(std::uint64_t sequence, std::uint64_t generation, std::uint64_t last) const {
    return generation == generation_ && sequence == last + 1;
  }
  bool tables_know(const EventCursor& event);

  Verdict dispatch(const EventCursor& event, Thread& t);
  Verdict proc_status(const EventCursor& event, Thread& t);
  Verdict proc_start(const EventCursor& event, Thread& t);
  Verdict proc_stop(Thread& t);
  Verdict proc_steal(const EventCursor& event, Thread& t);
  Verdict go_status(const EventCursor& event, Thread& t);
  Verdict go_create(const EventCursor& event, Thread& t);
  Verdict go_leave(const EventCursor& event, Thread& t);
  Verdict go_start(const EventCursor& event, Thread& t);
  Verdict go_unblock(const EventCursor& event);
  Verdict go_switch(const EventCursor& event, Thread& t);
  Verdict syscall_begin(const EventCursor& event, Thread& t);
  Verdict syscall_end(Thread& t);
  Verdict syscall_end_blocked(Thread& t);
  Verdict create_syscall(const EventCursor& event, Thread& t);
  Verdict destroy_syscall(Thread& t);
  Verdict collector(const EventCursor& event, Thread& t);
  Verdict sweep(const EventCursor& event, Thread& t);
  Verdict assist(const EventCursor& event, Thread& t);
  Verdict stop_world(const EventCursor& event, Thread& t);
  Verdict task(const EventCursor& event, Thread& t);
  Verdict region(const EventCursor& event, Thread& t);
  void forget(std::uint64_t goroutine);

  const Tables* tables_ = nullptr;
  std::uint64_t generation_ = 0, first_generation_ = 0;
  IdTable<Goroutine> goroutines_;
  IdTable<Proc> procs_;
  IdTable<Thread> threads_;
  std::unordered_map<std::uint64_t, std::vector<std::string>> stops_;  // by goroutine
  std::unordered_map<std::uint64_t, std::vector<Region>> regions_;     // by goroutine
  std::unordered_map<std::uint64_t, bool> tasks_;
  std::uint64_t gc_sequence_ = 0;
  enum class Collector { kUnknown, kIdle, kMarks } collector_ = Collector::kUnknown;
  std::uint64_t before_ = kNone, after_ = kNone;
  std::string why_;
};

}  // namespace ullage::trace::go

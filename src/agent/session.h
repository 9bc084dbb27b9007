// SPDX-License-Identifier: Apache-2.0
#pragma once

// Session: is this thread of this process recording right now, and with which writer?
//
//   if (Writer* w = enter()) { ...one event...; leave(); }
//
// enter() costs two loads on the hot path. It says no while recording is off, while this thread is
// already inside the agent (a signal handler that allocates: counted), and after the thread's end.
// The on/off word lies in a page that fork wipes: a child that nobody told us about (raw clone)
// finds zero there and starts its own recording instead of writing into its parent's.

#include "agent/writer.h"

namespace ullage::agent {

enum Mode : uint32_t { kForked = 0, kOn = 1, kOff = 2 };

struct Shared {  // one page, MADV_WIPEONFORK
  uint32_t mode;
  uint32_t many_threads;  // a second thread was ever started
};
extern Shared* g_shared;

struct ThreadState {
  Writer* writer;
  uintptr_t busy;     // 0, or the frame that is inside the agent ...
  uintptr_t busy_pc;  // ... and where it will return to
  uint32_t ended;     // rounds of thread-specific destructors seen
  uint32_t refused;   // there was no writer for this thread: it is not asked again
  void* forwarded;    // block that a forwarding operator delete is about to free
};
extern __thread ThreadState t_state __attribute__((tls_model("initial-exec")));

// Slow parts of enter(); `here` is the caller's frame.
Writer* enter_slow(ThreadState& state, uintptr_t here);
Writer* enter_full(ThreadState& state);

inline Writer* enter() {
  ThreadState& t = t_state;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (ULLAGE_UNLIKELY(t.busy != 0 || g_shared->mode != kOn || t.writer == nullptr)) {
    return enter_slow(t, here);
  }
  t.busy = here;
  t.busy_pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  // From here on a signal handler stays out: only now is the room that is left ours to judge.
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return ULLAGE_UNLIKELY(t.writer->events.full()) ? enter_full(t) : t.writer;
}

inline void leave() {
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  t_state.busy = 0;
}

// Marks this thread as inside the agent for a scope: nested allocator calls pass through.
class Inside {
 public:
  Inside() : before_(t_state.busy), before_pc_(t_state.busy_pc) {
    t_state.busy = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    t_state.busy_pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  }
  ~Inside() {
    t_state.busy = before_;
    t_state.busy_pc = before_pc_;
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  uintptr_t before_, before_pc_;
};

// The thread that pthread_create starts with `writer` (may be null).
void adopt_thread(Writer* writer, uintptr_t stack_high, size_t stack_bytes);
void write_thread_name(uint32_t tid, const char* name);
void note_second_thread();
extern size_t g_default_stack_bytes;  // of a thread that asks for none
// Bytes that a hook may take of the stack it runs on.
size_t stack_to_spare();
// Finds out who provides operator new and delete; set by the file that interposes them.
extern void (*prepare_operators)();

// Turns recording on (opens the file the first time) and off; both may be called at any time.
bool start_recording();
void pause_recording();
// The process is about to end without running destructors (_exit).
void process_ends();
// The process asks to become another program: its recording says so. False: there is nothing to
// say. When that failed, process_goes_on() takes it back.
bool process_executes();
void process_goes_on();

}  // namespace ullage::agent

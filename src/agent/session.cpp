// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "agent/config.h"
#include "agent/events.h"
#include "agent/modules.h"
#include "agent/real.h"
#include "agent/verify.h"

namespace ullage::agent {

namespace {

Shared g_before_start{kOff, 0};  // until the constructor ran

pthread_key_t g_key;
bool g_key_made = false;
uintptr_t g_main_stack_low = 0, g_main_stack_high = 0;
bool g_ready = false;         // tables exist
bool g_loaded = false;        // load() ran
bool g_many_threads = false;  // as in Shared, but kept across a fork

uint32_t current_tid() { return static_cast<uint32_t>(syscall(SYS_gettid)); }

// Bounds of the mapping that holds `address`, read from /proc/self/maps with raw calls: the pthread
// functions for this take locks that the caller may hold.
bool mapping_of(uintptr_t address, uintptr_t* low, uintptr_t* high) {
  const int fd =
      static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (fd < 0) return false;
  char buffer[4096];
  uintptr_t numbers[2] = {0, 0};
  int part = 0;  // 0: low, 1: high, 2: rest of the line
  bool found = false;
  ssize_t n = 0;
  while (!found && (n = syscall(SYS_read, fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < n; ++i) {
      const char c = buffer[i];
      if (c == '\n') {
        if (numbers[0] <= address && address < numbers[1]) {
          found = true;
          break;
        }
        numbers[0] = numbers[1] = 0;
        part = 0;
      } else if (part < 2) {
        if (c == '-' || c == ' ') {
          ++part;
        } else {
          numbers[part] =
              numbers[part] * 16 + static_cast<uintptr_t>(c <= '9' ? c - '0' : c - 'a' + 10);
        }
      }
    }
  }
  syscall(SYS_close, fd);
  if (!found) return false;
  *low = numbers[0];
  *high = numbers[1];
  return true;
}

void find_main_stack() {
  uintptr_t low = 0, high = 0;
  if (!mapping_of(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), &low, &high)) return;
  rlimit limit{};
  // The main stack grows downwards on demand, at most to its limit; 1 GiB stands for "unlimited".
  uintptr_t size = 1u << 30;
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < size) size = limit.rlim_cur;
  g_main_stack_high = high;
  g_main_stack_low = high > size ? high - size : 0;
  if (g_main_stack_low > low) g_main_stack_low = low;
}

void find_default_stack() {
  pthread_attr_t attributes;
  if (pthread_getattr_default_np(&attributes) != 0) return;
  pthread_attr_getstacksize(&attributes, &g_default_stack_bytes);
  pthread_attr_destroy(&attributes);
}

// This thread was inside the agent and never will be back there: what it wrote may be half of
// something. Not its locks nor its tables, see owned_lock.h.
void recover(ThreadState& t) {
  t.busy = 0;
  g_stacks.release_mine();
  Writer& w = *t.writer;
  w.recent = Recent{};
  w.unwinder.forget();
  w.events.detach();    // half an event may lie there; a new segment starts clean ...
  w.segment_bytes = 0;  // ... and small, since its thread may jump again
}

void thread_ends(void*) {
  ThreadState& t = t_state;
  if (t.ended == 0 && t.busy != 0 && t.writer != nullptr) recover(t);  // cancelled inside the agent
  // Other destructors may free memory after us: stay for the rounds that POSIX promises.
  if (++t.ended < PTHREAD_DESTRUCTOR_ITERATIONS) {
    pthread_setspecific(g_key, &t);
    return;
  }
  Writer* w = t.writer;
  t.busy = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  t.busy_pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  t.writer = nullptr;
  if (w == nullptr || g_shared->mode != kOn) return;
  char name[17] = {};
  if (prctl(PR_GET_NAME, name, 0, 0, 0) == 0 && w->segment != nullptr && !w->events.full()) {
    w->events.thread_name(w->tid, name, static_cast<unsigned>(strnlen(name, 16)));
  }
  release_writer(w);
}

void give_writer(ThreadState& t, Writer* w, uintptr_t low, uintptr_t high) {
  const uint32_t tid = current_tid();
  if (w->segment != nullptr && w->tid != tid && !w->events.full()) {
    w->events.thread(g_output.now(), tid);  // a new segment would say so in its header
  }
  w->tid = tid;
  w->unwinder.set_stack(low, high);
  t.writer = w;
  if (g_output.file.header() != nullptr) {
    __atomic_fetch_add(&g_output.file.header()->counters.threads, 1, __ATOMIC_RELAXED);
  }
  if (g_key_made) pthread_setspecific(g_key, &t);
}

// A thread that did not come through our pthread_create.
bool attach(ThreadState& t) {
  Writer* w = acquire_writer();
  if (w == nullptr) {
    t.refused = 1;
    record::FileHeader* header = g_output.file.header();
    if (header != nullptr)
      __atomic_fetch_add(&header->counters.skipped_no_writer, 1, __ATOMIC_RELAXED);
    return false;
  }
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  uintptr_t low = g_main_stack_low, high = g_main_stack_high;
  if (here < low || here >= high) {
    if (!mapping_of(here, &low, &high)) low = high = 0;
    // The mapping may be that of a neighbour, too, which can go before the thread does. The C
    // library's thread block is the top of a stack that it made.
    const auto block = reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
    if (block > here && block < high) high = block;
    note_second_thread();
  }
  give_writer(t, w, low, high);
  return true;
}

// Header of the nearest ancestor with a recording, in a fork's child without one of its own: what
// can't be recorded is counted there.
record::FileHeader* g_ancestor = nullptr;

void set_ancestor(record::FileHeader* header) {
  if (g_ancestor != nullptr) syscall(SYS_munmap, g_ancestor, record::kFileHeaderBytes);
  g_ancestor = header;
}

// First allocation in the child of a fork: of the parent's recording only one counter may be
// touched.
void start_in_child() {
  ThreadState& t = t_state;
  record::FileHeader* parents = g_output.file.take_header();
  if (parents != nullptr) set_ancestor(parents);
  drop_output();
  g_modules.reset_locks();
  const bool threads_before = g_many_threads;
  reset_writers();
  t.writer = nullptr;
  t.refused = 0;
  g_shared->mode = kOff;
  g_shared->many_threads = 0;

  if (!g_config.present || !g_config.follow || g_config.standby) return;
  g_stacks.reset();
  if (threads_before) g_modules.freeze();
  if (start_output()) {
    g_shared->mode = kOn;
    set_ancestor(nullptr);
  } else if (g_ancestor != nullptr) {
    __atomic_fetch_add(&g_ancestor->counters.children_lost, 1, __ATOMIC_RELAXED);
  }
}

void before_fork() {
  record::FileHeader* header = g_output.file.header();
  if (g_shared->mode == kOn && header != nullptr) {
    __atomic_fetch_add(&header->counters.forks, 1, __ATOMIC_RELAXED);
  }
}

// A thread that is alive at the program's end: the others said their names when they ended.
void name_thread(Writer* w) {
  Writer* mine = t_state.writer;
  if (!w->in_use || w->tid == 0 || (mine->events.full() && !next_segment(mine))) return;
  char path[] = "/proc/self/task/0123456789/comm";
  char* at = path + sizeof "/proc/self/task/0123456789" - 1;
  for (uint32_t tid = w->tid; tid != 0; tid /= 10) *--at = static_cast<char>('0' + tid % 10);
  char* folder = path + sizeof "/proc/self/task/" - 1;
  memmove(folder, at, strlen(at) + 1);
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
  if (fd < 0) return;
  char name[17];
  const ssize_t n = syscall(SYS_read, fd, name, sizeof name);
  syscall(SYS_close, fd);
  if (n > 1) mine->events.thread_name(w->tid, name, static_cast<unsigned>(n - 1));  // '\n' follows
}

void on_exit() {
  if (g_shared->mode != kOn) return;
  // By a handler that found its thread inside the agent: what is half written stays behind.
  if (t_state.busy != 0 && t_state.writer != nullptr) recover(t_state);
  const Inside inside;
  if (g_many_threads && t_state.writer != nullptr) each_writer(&name_thread);
  end_output(record::State::kEnded);
}

bool make_tables() {
  if (g_ready) return true;
  g_ready = g_modules.init() && g_rules.init() && g_stacks.init() && prepare_events();
  return g_ready;
}

}  // namespace

__thread ThreadState t_state __attribute__((tls_model("initial-exec")));
Shared* g_shared = &g_before_start;
size_t g_default_stack_bytes = 8u << 20;
void (*prepare_operators)() = nullptr;

static void load();

ULLAGE_COLD Writer* enter_full(ThreadState& t) {
  KeepErrno keep;
  if (next_segment(t.writer)) return t.writer;
  leave();
  return nullptr;
}

// A handler left by siglongjmp while its thread was inside the agent: the frame that would have
// said leave() is gone. Nested calls lie below that frame and leave its return address alone; a
// call above it, or another value in that place, proves that it is gone.
static bool abandoned(const ThreadState& t, uintptr_t here) {
  if (t.writer == nullptr || t.ended != 0) return false;
  const Unwinder& u = t.writer->unwinder;
  if (t.busy < u.stack_low() || here >= u.stack_high() || here < u.stack_low()) return false;
  if (here >= t.busy) return true;
  return *reinterpret_cast<const uintptr_t*>(t.busy + 8) != t.busy_pc;
}

ULLAGE_COLD Writer* enter_slow(ThreadState& t, uintptr_t here) {
  if (t.busy != 0 && abandoned(t, here)) recover(t);
  if (t.busy != 0) {
    if (t.writer != nullptr) t.writer->recent_stale = true;  // what happens now is not seen
    if (g_shared->mode == kOn && g_output.file.header() != nullptr && t.ended == 0) {
      __atomic_fetch_add(&g_output.file.header()->counters.skipped_in_signal, 1, __ATOMIC_RELAXED);
    }
    return nullptr;
  }
  if (!g_loaded) load();
  if (g_shared->mode == kOff || t.refused != 0) return nullptr;
  KeepErrno keep;
  const SignalsHeld held;  // until the thread has a writer, nobody could tell that it jumped away
  t.busy = here;
  t.busy_pc = *reinterpret_cast<const uintptr_t*>(here + 8);
  if (g_shared->mode == kForked) start_in_child();
  if (g_shared->mode == kOn && (t.writer != nullptr || attach(t)) &&
      (!t.writer->events.full() || next_segment(t.writer))) {
    return t.writer;
  }
  t.busy = 0;
  return nullptr;
}

void adopt_thread(Writer* writer, uintptr_t stack_high, size_t stack_bytes) {
  if (writer == nullptr) return;
  const Inside inside;
  if (g_shared->mode != kOn) {
    release_writer(writer);
    return;
  }
  const uintptr_t low = stack_high > stack_bytes ? stack_high - stack_bytes : 0;
  give_writer(t_state, writer, low, stack_high);
}

// Of a stack that is not known to be the thread's own (an alternate one, most often) next to
// nothing; otherwise a part of what is left, as what is called needs some, too.
size_t stack_to_spare() {
  constexpr size_t kLittle = 2048, kPart = 4;
  const Writer* w = t_state.writer;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (w == nullptr || here < w->unwinder.stack_low() || here >= w->unwinder.stack_high()) {
    return kLittle;
  }
  const size_t part = (here - w->unwinder.stack_low()) / kPart;
  return part > kLittle ? part : kLittle;
}

void note_second_thread() {
  g_many_threads = true;
  if (g_shared->many_threads == 0) __atomic_store_n(&g_shared->many_threads, 1, __ATOMIC_SEQ_CST);
}

void write_thread_name(uint32_t tid, const char* name) {
  Writer* w = enter();
  if (w == nullptr) return;
  w->events.thread_name(tid, name, static_cast<unsigned>(strnlen(name, 15)));
  leave();
}

bool start_recording() {
  const Inside inside;
  const SignalsHeld held;
  if (g_shared->mode == kOn) return true;
  if (!g_config.present || !make_tables()) return false;
  if (g_output.file.header() == nullptr && !start_output()) return false;
  g_output.file.header()->state = static_cast<uint32_t>(record::State::kRecording);
  each_writer([](Writer* w) { w->recent_stale = true; });  // blocks may have gone unseen
  __atomic_store_n(&g_shared->mode, static_cast<uint32_t>(kOn), __ATOMIC_RELEASE);
  return true;
}

void pause_recording() {
  const Inside inside;
  if (g_shared->mode != kOn) return;
  end_output(record::State::kStoppedByProgram);
  __atomic_store_n(&g_shared->mode, static_cast<uint32_t>(kOff), __ATOMIC_RELEASE);
}

void process_ends() {
  // A vfork child ends in its parent's memory: that is not its parent's end.
  const record::FileHeader* header = g_output.file.header();
  if (header == nullptr || g_shared->mode != kOn) return;
  if (header->pid == static_cast<uint32_t>(syscall(SYS_getpid))) on_exit();
}

bool process_executes() {
  const record::FileHeader* header = g_output.file.header();
  if (header == nullptr || g_shared->mode != kOn) return false;
  if (header->pid != static_cast<uint32_t>(syscall(SYS_getpid))) return false;  // a vfork child
  const Inside inside;
  end_output(record::State::kExecuted);
  return true;
}

void process_goes_on() {
  record::FileHeader* header = g_output.file.header();
  if (header == nullptr || header->state != static_cast<uint32_t>(record::State::kExecuted)) return;
  header->end_monotonic_ns = header->end_ticks = 0;
  __atomic_store_n(&header->state, static_cast<uint32_t>(record::State::kRecording),
                   __ATOMIC_RELEASE);
}

// Runs at the first allocation after the C library is up: constructors of other libraries, which
// may allocate, come before ours. May be inside an allocator's own start: nothing here allocates.
static void load() {
  if (g_loaded || environ == nullptr) return;
  const Inside inside;
  const SignalsHeld held;
  g_loaded = true;
  resolve_real();
  if (has_sanitizer()) return;  // may be inside its start, where the C library's calls are its own
  read_config();
  if (!g_config.present) return;
  void* page = map_private(4096);
  if (page == nullptr || madvise(page, 4096, MADV_WIPEONFORK) != 0) return;
  auto* shared = static_cast<Shared*>(page);
  shared->mode = kOff;
  g_shared = shared;
  g_output.use_tsc = invariant_tsc();
  find_main_stack();
  find_default_stack();
  g_key_made = pthread_key_create(&g_key, thread_ends) == 0;
  pthread_atfork(before_fork, nullptr, nullptr);
  if (!g_config.standby) start_recording();
}

// Its recording says no more than why it is empty.
static void name_sanitized() {
  read_config();
  if (g_config.present && !g_config.standby && make_tables() && start_output()) {
    end_output(record::State::kSanitized);
  }
  g_config.present = false;
}

// Who answers the program's malloc, if it is not us: why there may be nothing to see.
static void name_malloc_owner() {
  malloc_owner(g_output.malloc_owner, sizeof g_output.malloc_owner);
  record::FileHeader* header = g_output.file.header();
  if (header != nullptr) {
    memcpy(header->malloc_owner, g_output.malloc_owner, sizeof header->malloc_owner);
  }
}

__attribute__((constructor)) static void construct() {
  load();                                                 // programs that never allocate
  if (prepare_operators != nullptr) prepare_operators();  // asks the loader: not in a fork's child
  const Inside inside;
  if (has_sanitizer()) {
    name_sanitized();  // its runtime has started before us
  } else if (g_config.present) {
    name_malloc_owner();
  }
  if (g_config.verify_every != 0) prepare_verify();
}

__attribute__((destructor)) static void unload() { on_exit(); }

}  // namespace ullage::agent

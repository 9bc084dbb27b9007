// SPDX-License-Identifier: Apache-2.0
// Threads, loaded code, the process's end, and the program's own switch (<ullage/agent.h>).

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "agent/modules.h"
#include "agent/real.h"
#include "agent/session.h"

using namespace ullage::
    agent;  // NOLINT(google-build-using-namespace): hooks live outside namespaces

namespace {

size_t stack_bytes_of(const pthread_attr_t* attributes) {
  size_t bytes = 0;
  if (attributes != nullptr && pthread_attr_getstacksize(attributes, &bytes) == 0 && bytes != 0) {
    return bytes;
  }
  return g_default_stack_bytes;
}

void expect_code(uintptr_t sp) {
  g_modules.expect_change();
  const ThreadState& t = t_state;
  if (t.writer != nullptr && t.busy == 0) t.writer->unwinder.loads_code(sp);
}

// The first frame of a thread. Above it lie only the C library's starting frames and its thread
// block, so `high` is mapped and bounds every walk. The call at the end is a jump: we leave no
// frame.
void* start_thread(void* argument) {
  auto* w = static_cast<Writer*>(argument);
  void* (*const start)(void*) = w->start;
  void* const start_argument = w->start_argument;
  constexpr uintptr_t kFramesAbove = 1024;
  adopt_thread(w, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) + kFramesAbove,
               w->start_stack_bytes);
  return start(start_argument);
}

}  // namespace

ULLAGE_EXPORT int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                 void* (*start)(void*), void* argument) {
  resolve_real();
  note_second_thread();
  Writer* w = nullptr;
  if (g_shared->mode == kOn && t_state.busy == 0) {
    const Inside inside;
    w = acquire_writer();
  }
  if (w == nullptr) return g_real.pthread_create(thread, attributes, start, argument);
  w->start = start;
  w->start_argument = argument;
  w->start_stack_bytes = stack_bytes_of(attributes);
  const int error = g_real.pthread_create(thread, attributes, start_thread, w);
  if (error != 0) {
    const Inside inside;
    release_writer(w);
  }
  return error;
}

ULLAGE_EXPORT int pthread_setname_np(pthread_t thread, const char* name) {
  resolve_real();
  const int error = g_real.pthread_setname(thread, name);
  // Another thread's id is not ours to know; its name is read when it ends.
  if (error == 0 && pthread_equal(thread, pthread_self()) != 0) {
    write_thread_name(static_cast<uint32_t>(syscall(SYS_gettid)), name);
  }
  return error;
}

// dlopen looks at its caller (RPATH, namespaces, "self"): calling it would make that us. The call
// is the last thing each does, so it is a jump, and the loader sees the program. What it brings is
// looked for during the next walks.
ULLAGE_EXPORT void* dlopen(const char* file, int mode) {
  resolve_real();
  expect_code(ULLAGE_CALLER.sp);
  return g_real.dlopen(file, mode);
}

ULLAGE_EXPORT void* dlmopen(long space, const char* file, int mode) {
  resolve_real();
  expect_code(ULLAGE_CALLER.sp);
  return g_real.dlmopen(space, file, mode);
}

ULLAGE_EXPORT int dlclose(void* handle) {
  resolve_real();
  const int result = g_real.dlclose(handle);
  g_modules.expect_change();
  if (g_shared->mode == kOn && t_state.busy == 0) {
    const Inside inside;
    KeepErrno keep;
    g_modules.scan(&write_module, true);
  }
  return result;
}

ULLAGE_EXPORT void _exit(int status) {
  process_ends();
  resolve_real();
  g_real.exit_now(status);
  __builtin_unreachable();
}

ULLAGE_EXPORT void _Exit(int status) { _exit(status); }

ULLAGE_EXPORT int ullage_agent_start(void) { return start_recording() ? 1 : 0; }
ULLAGE_EXPORT void ullage_agent_stop(void) { pause_recording(); }
ULLAGE_EXPORT int ullage_agent_recording(void) { return g_shared->mode == kOn ? 1 : 0; }

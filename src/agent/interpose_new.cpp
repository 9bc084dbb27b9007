// SPDX-License-Identifier: Apache-2.0
// operator new and delete.
//
// The C++ runtime's own operators are malloc and free with a frame between: we do what they do and
// save the frame, so that frame 0 of a stack is the caller of `new`. Operators of an allocator
// library (jemalloc, tcmalloc) are forwarded to, and what they hand out is reported. Operators that
// the executable itself defines bind before ours and are seen through the malloc they call.

#include <dlfcn.h>
#include <errno.h>

#include "agent/events.h"
#include "agent/real.h"

using namespace ullage::
    agent;  // NOLINT(google-build-using-namespace): hooks live outside namespaces
using ullage::record::Tag;

namespace {

using New = void* (*)(size_t);
using NewNothrow = void* (*)(size_t, const void*);
using NewAligned = void* (*)(size_t, size_t);
using NewAlignedNothrow = void* (*)(size_t, size_t, const void*);
using Delete = void (*)(void*);

constexpr const char* kAlignedDelete = "_ZdlPvSt11align_val_t";

// How plain operator new is provided behind us.
enum Provider : int {
  kUnknown = 0,
  kRuntime = 1,  // the C++ runtime: malloc and free
  kLibrary = 2,  // an allocator library: forwarded to, reported here
  kProgram = 3,  // the executable, in part: forwarded to, seen through the malloc it calls
};
int g_provider = kUnknown;
New g_new = nullptr;
Delete g_delete = nullptr;

bool ours(const void* code) { return in_library(code, "libullage_agent"); }

// The definition that the program itself binds to, if that is not ours: an executable that replaces
// some operators binds those to its own and the others (sized, array, nothrow) to us.
void* in_program(const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  return found == nullptr || ours(found) ? nullptr : found;
}

ULLAGE_COLD int find_provider() {
  const Inside inside;
  KeepErrno keep;
  g_new = reinterpret_cast<New>(find_real("_Znwm"));
  g_delete = reinterpret_cast<Delete>(find_real("_ZdlPv"));
  int provider = kRuntime;
  const void* code = reinterpret_cast<const void*>(g_new);
  if (g_new != nullptr && g_delete != nullptr && !in_library(code, "libstdc++.so") &&
      !in_library(code, "libc++.so") && !in_library(code, "libc++abi.so")) {
    provider = kLibrary;
  }
  void* own_new = in_program("_Znwm");
  void* own_delete = in_program("_ZdlPv");
  if (own_new != nullptr || own_delete != nullptr || in_program("malloc") != nullptr) {
    if (own_new != nullptr) g_new = reinterpret_cast<New>(own_new);
    if (own_delete != nullptr) g_delete = reinterpret_cast<Delete>(own_delete);
    if (g_new != nullptr && g_delete != nullptr) provider = kProgram;
  }
  __atomic_store_n(&g_provider, provider, __ATOMIC_RELEASE);
  return provider;
}

inline int provider() {
  const int known = __atomic_load_n(&g_provider, __ATOMIC_ACQUIRE);
  return ULLAGE_LIKELY(known != kUnknown) ? known : find_provider();
}

void* report(void* block, size_t bytes, const Registers& at) {
  if (block != nullptr) {
    if (Writer* w = enter()) {
      on_alloc(w, Tag::kAlloc, block, bytes, at);
      leave();
    }
  }
  return block;
}

// A forwarded operator may reach our malloc and be reported there already: the newest block tells.
void* report_forwarded(void* block, size_t bytes, const Registers& at) {
  const ThreadState& t = t_state;
  if (provider() == kProgram) return block;
  if (block != nullptr && t.writer != nullptr &&
      t.writer->last_block == reinterpret_cast<uintptr_t>(block)) {
    return block;
  }
  return report(block, bytes, at);
}

void* allocate(size_t bytes, const Registers& at) {
  if (ULLAGE_LIKELY(provider() == kRuntime && g_real.malloc != nullptr)) {
    void* block = g_real.malloc(bytes == 0 ? 1 : bytes);
    if (ULLAGE_LIKELY(block != nullptr)) return report(block, bytes, at);
    // Out of memory: the runtime knows about new handlers and bad_alloc.
    auto* runtime = g_new != nullptr ? g_new : reinterpret_cast<New>(find_real("_Znwm"));
    if (runtime == nullptr) __builtin_trap();
    return report_forwarded(runtime(bytes), bytes, at);
  }
  return report_forwarded(g_new(bytes), bytes, at);
}

void* allocate_nothrow(const char* name, size_t bytes, const void* tag, const Registers& at) {
  if (provider() == kRuntime && g_real.malloc != nullptr) {
    void* block = g_real.malloc(bytes == 0 ? 1 : bytes);
    if (block != nullptr) return report(block, bytes, at);
  }
  auto* real = reinterpret_cast<NewNothrow>(find_real(name));
  return real == nullptr ? nullptr : report_forwarded(real(bytes, tag), bytes, at);
}

void* allocate_aligned(size_t bytes, size_t alignment, const Registers& at) {
  static NewAligned real = nullptr;
  if (provider() == kRuntime && g_real.aligned_alloc != nullptr) {
    const size_t size = bytes == 0 ? 1 : bytes;
    void* block = g_real.aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
    if (block != nullptr) return report(block, bytes, at);
  }
  if (real == nullptr) real = reinterpret_cast<NewAligned>(find_real("_ZnwmSt11align_val_t"));
  if (real == nullptr) __builtin_trap();
  return report_forwarded(real(bytes, alignment), bytes, at);
}

void* allocate_aligned_nothrow(size_t bytes, size_t alignment, const void* tag,
                               const Registers& at) {
  if (provider() == kRuntime && g_real.aligned_alloc != nullptr) {
    const size_t size = bytes == 0 ? 1 : bytes;
    void* block = g_real.aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
    if (block != nullptr) return report(block, bytes, at);
  }
  auto* real = reinterpret_cast<NewAlignedNothrow>(find_real("_ZnwmSt11align_val_tRKSt9nothrow_t"));
  return real == nullptr ? nullptr : report_forwarded(real(bytes, alignment, tag), bytes, at);
}

void release(void* block, const Registers& at, const char* aligned = nullptr) {
  if (block == nullptr) return;
  const int by = provider();
  if (by != kProgram) {
    if (Writer* w = enter()) {
      on_free(w, block, at);
      leave();
    }
  }
  if (ULLAGE_LIKELY(by == kRuntime)) {
    g_real.free(block);
    return;
  }
  // An aligned block goes back by the aligned operator: for the runtime's those are another family.
  auto* forward = aligned == nullptr ? g_delete : reinterpret_cast<Delete>(find_real(aligned));
  if (forward == nullptr) forward = g_delete;
  if (forward == nullptr) __builtin_trap();
  ThreadState& t = t_state;
  if (by == kLibrary) t.forwarded = block;  // if it reaches our free: already reported
  forward(block);
  t.forwarded = nullptr;
}

}  // namespace

// Runs before session.cpp's constructor, which calls it: priorities come first.
__attribute__((constructor(200))) static void offer() {
  prepare_operators = [] { provider(); };
}

ULLAGE_EXPORT void* _Znwm(size_t n) { return allocate(n, ULLAGE_CALLER); }
ULLAGE_EXPORT void* _Znam(size_t n) { return allocate(n, ULLAGE_CALLER); }
ULLAGE_EXPORT void* _ZnwmRKSt9nothrow_t(size_t n, const void* tag) {
  return allocate_nothrow("_ZnwmRKSt9nothrow_t", n, tag, ULLAGE_CALLER);
}
ULLAGE_EXPORT void* _ZnamRKSt9nothrow_t(size_t n, const void* tag) {
  return allocate_nothrow("_ZnamRKSt9nothrow_t", n, tag, ULLAGE_CALLER);
}
ULLAGE_EXPORT void* _ZnwmSt11align_val_t(size_t n, size_t a) {
  return allocate_aligned(n, a, ULLAGE_CALLER);
}
ULLAGE_EXPORT void* _ZnamSt11align_val_t(size_t n, size_t a) {
  return allocate_aligned(n, a, ULLAGE_CALLER);
}
ULLAGE_EXPORT void* _ZnwmSt11align_val_tRKSt9nothrow_t(size_t n, size_t a, const void* tag) {
  return allocate_aligned_nothrow(n, a, tag, ULLAGE_CALLER);
}
ULLAGE_EXPORT void* _ZnamSt11align_val_tRKSt9nothrow_t(size_t n, size_t a, const void* tag) {
  return allocate_aligned_nothrow(n, a, tag, ULLAGE_CALLER);
}

ULLAGE_EXPORT void _ZdlPv(void* p) { release(p, ULLAGE_CALLER); }
ULLAGE_EXPORT void _ZdaPv(void* p) { release(p, ULLAGE_CALLER); }
ULLAGE_EXPORT void _ZdlPvm(void* p, size_t) { release(p, ULLAGE_CALLER); }
ULLAGE_EXPORT void _ZdaPvm(void* p, size_t) { release(p, ULLAGE_CALLER); }
ULLAGE_EXPORT void _ZdlPvRKSt9nothrow_t(void* p, const void*) { release(p, ULLAGE_CALLER); }
ULLAGE_EXPORT void _ZdaPvRKSt9nothrow_t(void* p, const void*) { release(p, ULLAGE_CALLER); }
ULLAGE_EXPORT void _ZdlPvSt11align_val_t(void* p, size_t) {
  release(p, ULLAGE_CALLER, kAlignedDelete);
}
ULLAGE_EXPORT void _ZdaPvSt11align_val_t(void* p, size_t) {
  release(p, ULLAGE_CALLER, kAlignedDelete);
}
ULLAGE_EXPORT void _ZdlPvmSt11align_val_t(void* p, size_t, size_t) {
  release(p, ULLAGE_CALLER, kAlignedDelete);
}
ULLAGE_EXPORT void _ZdaPvmSt11align_val_t(void* p, size_t, size_t) {
  release(p, ULLAGE_CALLER, kAlignedDelete);
}
ULLAGE_EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void* p, size_t, const void*) {
  release(p, ULLAGE_CALLER, kAlignedDelete);
}
ULLAGE_EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void* p, size_t, const void*) {
  release(p, ULLAGE_CALLER, kAlignedDelete);
}

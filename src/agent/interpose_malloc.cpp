// SPDX-License-Identifier: Apache-2.0
// The malloc family. Each hook forwards to the next allocator (glibc's, jemalloc's, ...) and
// reports.

#include <errno.h>
#include <string.h>

#include "agent/events.h"
#include "agent/real.h"

using namespace ullage::
    agent;  // NOLINT(google-build-using-namespace): hooks live outside namespaces
using ullage::record::Tag;

namespace {

inline bool resolved() {
  if (ULLAGE_LIKELY(g_real.malloc != nullptr)) return true;
  resolve_real();
  return g_real.malloc != nullptr;
}

inline void* report(Tag tag, void* block, size_t bytes, const Registers& at) {
  if (ULLAGE_LIKELY(block != nullptr)) {
    if (Writer* w = enter()) {
      on_alloc(w, tag, block, bytes, at);
      leave();
    }
  }
  return block;
}

void* early(size_t bytes) {
  void* p = early_alloc(bytes);
  if (p == nullptr) errno = ENOMEM;
  return p;
}

void* reallocate(void* old_block, size_t bytes, const Registers& at) {
  if (ULLAGE_UNLIKELY(old_block != nullptr && is_early(old_block))) {
    void* fresh = resolved() ? report(Tag::kAlloc, g_real.malloc(bytes), bytes, at) : early(bytes);
    const size_t had = early_size(old_block);
    if (fresh != nullptr) memcpy(fresh, old_block, had < bytes ? had : bytes);
    return fresh;
  }
  if (!resolved()) return early(bytes);
  Writer* w = enter();
  if (w == nullptr) return g_real.realloc(old_block, bytes);
  const ReallocStart start = before_realloc(w, old_block);
  leave();  // the allocator runs outside: it may start threads or call back
  void* block = g_real.realloc(old_block, bytes);
  if (block == nullptr && (bytes != 0 || old_block == nullptr)) return nullptr;
  w = enter();
  if (w == nullptr) return block;
  if (block == nullptr) {
    on_realloc_to_nothing(w, start, old_block);
  } else {
    on_realloc(w, start, old_block, block, bytes, at);
  }
  leave();
  return block;
}

}  // namespace

ULLAGE_EXPORT void* malloc(size_t bytes) {
  if (!resolved()) return early(bytes);
  const Registers at = ULLAGE_CALLER;
  return report(Tag::kAlloc, g_real.malloc(bytes), bytes, at);
}

ULLAGE_EXPORT void* calloc(size_t count, size_t bytes) {
  if (!resolved()) return early(count * bytes);  // static memory: zero already
  const Registers at = ULLAGE_CALLER;
  return report(Tag::kAllocZeroed, g_real.calloc(count, bytes), count * bytes, at);
}

ULLAGE_EXPORT void free(void* block) {
  if (ULLAGE_UNLIKELY(block == nullptr || is_early(block) || !resolved())) return;
  ThreadState& t = t_state;
  if (ULLAGE_UNLIKELY(t.forwarded == block)) {
    t.forwarded = nullptr;  // operator delete has reported it
  } else if (Writer* w = enter()) {
    on_free(w, block, ULLAGE_CALLER);
    leave();
  }
  g_real.free(block);
}

ULLAGE_EXPORT void cfree(void* block) {
  if (block == nullptr || is_early(block) || !resolved()) return;
  if (Writer* w = enter()) {
    on_free(w, block, ULLAGE_CALLER);
    leave();
  }
  g_real.free(block);
}

ULLAGE_EXPORT void* realloc(void* block, size_t bytes) {
  return reallocate(block, bytes, ULLAGE_CALLER);
}

ULLAGE_EXPORT void* reallocarray(void* block, size_t count, size_t bytes) {
  size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  return reallocate(block, total, ULLAGE_CALLER);
}

ULLAGE_EXPORT int posix_memalign(void** block, size_t alignment, size_t bytes) {
  if (!resolved()) return ENOMEM;
  const int error = g_real.posix_memalign(block, alignment, bytes);
  if (error == 0) report(Tag::kAlloc, *block, bytes, ULLAGE_CALLER);
  return error;
}

ULLAGE_EXPORT void* aligned_alloc(size_t alignment, size_t bytes) {
  if (!resolved()) return nullptr;
  return report(Tag::kAlloc, g_real.aligned_alloc(alignment, bytes), bytes, ULLAGE_CALLER);
}

ULLAGE_EXPORT void* memalign(size_t alignment, size_t bytes) {
  if (!resolved()) return nullptr;
  return report(Tag::kAlloc, g_real.memalign(alignment, bytes), bytes, ULLAGE_CALLER);
}

ULLAGE_EXPORT void* valloc(size_t bytes) {
  if (!resolved()) return nullptr;
  return report(Tag::kAlloc, g_real.valloc(bytes), bytes, ULLAGE_CALLER);
}

ULLAGE_EXPORT void* pvalloc(size_t bytes) {
  if (!resolved()) return nullptr;
  return report(Tag::kAlloc, g_real.pvalloc(bytes), bytes, ULLAGE_CALLER);
}

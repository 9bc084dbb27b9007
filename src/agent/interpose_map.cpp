// SPDX-License-Identifier: Apache-2.0
// mmap, munmap and mremap of large anonymous memory by the program's own code. Allocators map
// theirs by internal calls that never pass here; those that do (a preloaded jemalloc) are
// recognised by caller.

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/events.h"
#include "agent/modules.h"

using namespace ullage::
    agent;  // NOLINT(google-build-using-namespace): hooks live outside namespaces

namespace {

// Smaller mappings are noise: guard pages, stacks of helpers, files.
constexpr size_t kMapBytesMin = 128u << 10;

bool is_allocator(uintptr_t pc) {
  const Module* m = g_modules.find(pc);
  if (m == nullptr) return false;
  const char* slash = strrchr(m->path, '/');
  const char* name = slash != nullptr ? slash + 1 : m->path;
  static constexpr const char* kAllocators[] = {"libc.so",        "ld-linux",    "libjemalloc",
                                                "libtcmalloc",    "libmimalloc", "libpthread",
                                                "libullage_agent"};
  for (const char* a : kAllocators) {
    if (strncmp(name, a, strlen(a)) == 0) return true;
  }
  return false;
}

// An allocator's own start maps memory: that must not be what starts the agent.
Writer* enter_started() { return g_shared->mode == kOff ? nullptr : enter(); }

void* map(void* address, size_t bytes, int protection, int flags, int fd, off_t offset,
          const Registers& at) {
  // A raw call: this may be the very first thing an allocator does, before symbols can be looked
  // up.
  const long r = syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  if (r == -1) return MAP_FAILED;
  void* block = reinterpret_cast<void*>(r);
  if (bytes >= kMapBytesMin && (flags & MAP_ANONYMOUS) != 0 && (flags & MAP_STACK) == 0) {
    if (Writer* w = enter_started()) {
      if (!is_allocator(at.pc)) on_map(w, block, bytes, at);
      leave();
    }
  }
  return block;
}

}  // namespace

ULLAGE_EXPORT void* mmap(void* address, size_t bytes, int protection, int flags, int fd,
                         off_t offset) noexcept {
  return map(address, bytes, protection, flags, fd, offset, ULLAGE_CALLER);
}

ULLAGE_EXPORT void* mmap64(void* address, size_t bytes, int protection, int flags, int fd,
                           off64_t offset) noexcept {
  return map(address, bytes, protection, flags, fd, offset, ULLAGE_CALLER);
}

ULLAGE_EXPORT int munmap(void* address, size_t bytes) noexcept {
  if (bytes >= kMapBytesMin) {
    if (Writer* w = enter_started()) {
      if (!is_allocator(ULLAGE_CALLER.pc)) on_unmap(w, address, bytes);
      leave();
    }
  }
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

ULLAGE_EXPORT void* mremap(void* old_address, size_t old_bytes, size_t bytes, int flags,
                           ...) noexcept {
  void* wanted = nullptr;
  if ((flags & MREMAP_FIXED) != 0) {
    va_list args;
    va_start(args, flags);
    wanted = va_arg(args, void*);
    va_end(args);
  }
  const uint64_t start = g_output.now();
  const long r = syscall(SYS_mremap, old_address, old_bytes, bytes, flags, wanted);
  if (r == -1) return MAP_FAILED;
  if (bytes >= kMapBytesMin || old_bytes >= kMapBytesMin) {
    if (Writer* w = enter_started()) {
      const Registers at = ULLAGE_CALLER;
      if (!is_allocator(at.pc)) {
        on_remap(w, start, old_address, old_bytes, reinterpret_cast<void*>(r), bytes, at);
      }
      leave();
    }
  }
  return reinterpret_cast<void*>(r);
}

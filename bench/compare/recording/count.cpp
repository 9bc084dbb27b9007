// SPDX-License-Identifier: Apache-2.0
// count: an LD_PRELOAD library that counts allocator calls and does nothing else.
//
// It is the yardstick of this task: cost per event is divided by its count for every tool alike.
// An event is a call that obtained memory, gave it back, or (realloc) did both at once. At exit
// it appends `events N count` to $COUNT_FILE; a process that ends by a signal says nothing.
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<std::uint64_t> g_events{0};
char g_file[4096];  // copied early: redis overwrites its environment

void event() { g_events.fetch_add(1, std::memory_order_relaxed); }

// dlsym may call calloc before it can tell us where calloc is; these bytes serve that call only.
alignas(16) char g_bootstrap[4096];
std::size_t g_bootstrap_used = 0;

bool is_bootstrap(void* block) {
  return block >= g_bootstrap && block < g_bootstrap + sizeof g_bootstrap;
}

void* bootstrap(std::size_t size) {
  const std::size_t rounded = (size + 15) / 16 * 16;
  if (rounded > sizeof g_bootstrap - g_bootstrap_used) std::abort();
  void* block = g_bootstrap + g_bootstrap_used;
  g_bootstrap_used += rounded;
  return block;
}

struct Next {
  void* (*malloc)(std::size_t);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*realloc)(void*, std::size_t);
  void (*free)(void*);
  int (*posix_memalign)(void**, std::size_t, std::size_t);
  void* (*aligned_alloc)(std::size_t, std::size_t);
  void* (*memalign)(std::size_t, std::size_t);
  bool ready;
};
Next g_next;
thread_local bool t_resolving __attribute__((tls_model("initial-exec"))) = false;

template <class F>
void find(F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

const Next& next() {
  if (!g_next.ready) {
    t_resolving = true;
    find(g_next.malloc, "malloc");
    find(g_next.calloc, "calloc");
    find(g_next.realloc, "realloc");
    find(g_next.free, "free");
    find(g_next.posix_memalign, "posix_memalign");
    find(g_next.aligned_alloc, "aligned_alloc");
    find(g_next.memalign, "memalign");
    g_next.ready = true;
    t_resolving = false;
  }
  return g_next;
}

__attribute__((constructor)) void start() {
  next();
  const char* file = std::getenv("COUNT_FILE");
  if (file != nullptr) std::strncpy(g_file, file, sizeof g_file - 1);
}

__attribute__((destructor)) void finish() {
  if (g_file[0] == '\0') return;
  char line[64];
  const int length = std::snprintf(line, sizeof line, "events %llu count\n",
                                   static_cast<unsigned long long>(g_events.load()));
  const int file = open(g_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file < 0) return;
  if (write(file, line, static_cast<std::size_t>(length)) != length) std::perror(g_file);
  close(file);
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  if (t_resolving) return bootstrap(size);
  event();
  return next().malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
  if (t_resolving) return bootstrap(count * size);
  event();
  return next().calloc(count, size);
}

void* realloc(void* block, std::size_t size) {
  event();
  return next().realloc(block, size);
}

void free(void* block) {
  if (block == nullptr || is_bootstrap(block)) return;
  event();
  next().free(block);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  event();
  return next().posix_memalign(block, alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  event();
  return next().aligned_alloc(alignment, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
  event();
  return next().memalign(alignment, size);
}

}  // extern "C"

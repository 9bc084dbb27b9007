// SPDX-License-Identifier: Apache-2.0
#include "agent/real.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "agent/platform.h"

// Bound by the loader, to null where there is no such runtime: nothing needs to be looked up.
#define ULLAGE_RUNTIME(init) \
  extern "C" __attribute__((weak, visibility("default"))) void init(void)  // NOLINT: its own name
ULLAGE_RUNTIME(__asan_init);
ULLAGE_RUNTIME(__hwasan_init);
ULLAGE_RUNTIME(__lsan_init);
ULLAGE_RUNTIME(__msan_init);
ULLAGE_RUNTIME(__tsan_init);

namespace ullage::agent {

Real g_real{};

namespace {

// dlsym may allocate a little before malloc is known; it never frees it.
constexpr size_t kEarlyBytes = 64 << 10;
alignas(16) char early[kEarlyBytes];
size_t early_used = 0;
bool resolving = false;

template <class F>
void next(F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

// The version that programs of the first x86-64 glibc ask for; where there is none, the only one.
template <class F>
void next_old(F& function, F newest, const char* name) {
  function = reinterpret_cast<F>(dlvsym(RTLD_NEXT, name, "GLIBC_2.2.5"));
  if (function == nullptr) function = newest;
}

struct Owner {
  uintptr_t address;
  char name[256];
};

int find_owner(dl_phdr_info* info, size_t, void* data) {
  auto* owner = static_cast<Owner*>(data);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& p = info->dlpi_phdr[i];
    if (p.p_type != PT_LOAD || owner->address - (info->dlpi_addr + p.p_vaddr) >= p.p_memsz)
      continue;
    const char* path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
    const char* slash = strrchr(path, '/');
    strncpy(owner->name, slash == nullptr ? path : slash + 1, sizeof owner->name - 1);
    return 1;
  }
  return 0;
}

}  // namespace

bool has_sanitizer() {
  return __asan_init != nullptr || __hwasan_init != nullptr || __lsan_init != nullptr ||
         __msan_init != nullptr || __tsan_init != nullptr;
}

void malloc_owner(char* name, size_t bytes) {
  void* const first = dlsym(RTLD_DEFAULT, "malloc");
  // An executable that takes malloc's address has a symbol with a value, but no malloc.
  Dl_info info{};
  const ElfW(Sym)* symbol = nullptr;
  if (dladdr1(first, &info, reinterpret_cast<void**>(const_cast<ElfW(Sym)**>(&symbol)),
              RTLD_DL_SYMENT) != 0 &&
      symbol != nullptr && symbol->st_shndx == SHN_UNDEF) {
    return;
  }
  Owner owner{reinterpret_cast<uintptr_t>(first), {}};
  dl_iterate_phdr(&find_owner, &owner);
  if (strncmp(owner.name, "libullage_agent", strlen("libullage_agent")) == 0) return;
  // The executable has no name there.
  strncpy(name, owner.name[0] == 0 ? "the program itself" : owner.name, bytes - 1);
}

bool in_library(const void* code, const char* prefix) {
  Owner owner{reinterpret_cast<uintptr_t>(code), {}};
  dl_iterate_phdr(&find_owner, &owner);
  return strncmp(owner.name, prefix, strlen(prefix)) == 0;
}

ULLAGE_COLD void resolve_real() {
  if (g_real.malloc != nullptr || resolving) return;
  resolving = true;
  next(g_real.calloc, "calloc");
  next(g_real.free, "free");
  next(g_real.realloc, "realloc");
  next(g_real.posix_memalign, "posix_memalign");
  next(g_real.aligned_alloc, "aligned_alloc");
  next(g_real.memalign, "memalign");
  next(g_real.valloc, "valloc");
  next(g_real.pvalloc, "pvalloc");
  next(g_real.usable_size, "malloc_usable_size");
  next(g_real.pthread_create, "pthread_create");
  next(g_real.pthread_setname, "pthread_setname_np");
  next(g_real.dlopen, "dlopen");
  next(g_real.dlmopen, "dlmopen");
  next(g_real.dlclose, "dlclose");
  next(g_real.exit_now, "_exit");
  next(g_real.execve, "execve");
  next(g_real.execv, "execv");
  next(g_real.execvp, "execvp");
  next(g_real.execvpe, "execvpe");
  next(g_real.fexecve, "fexecve");
  next(g_real.execveat, "execveat");
  next(g_real.posix_spawn, "posix_spawn");
  next(g_real.posix_spawnp, "posix_spawnp");
  next_old(g_real.posix_spawn_old, g_real.posix_spawn, "posix_spawn");
  next_old(g_real.posix_spawnp_old, g_real.posix_spawnp, "posix_spawnp");
  void* (*found)(size_t) = nullptr;
  next(found, "malloc");
  // usable_size must be the same allocator's: another one's would misread the header.
  g_real.glibc = !has_sanitizer() && in_library(reinterpret_cast<const void*>(found), "libc.so");
  __atomic_store_n(&g_real.malloc, found, __ATOMIC_RELEASE);
  resolving = false;
}

void* find_real(const char* name) {
  if (void* p = dlsym(RTLD_NEXT, name)) return p;
  static constexpr const char* kRuntimes[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
  for (const char* library : kRuntimes) {
    void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;
    if (void* p = dlsym(handle, name)) return p;
  }
  return nullptr;
}

void* early_alloc(size_t bytes) {
  bytes = (bytes + 15) & ~size_t{15};
  const size_t at = __atomic_fetch_add(&early_used, bytes + 16, __ATOMIC_RELAXED);
  if (bytes > kEarlyBytes || at + bytes + 16 > kEarlyBytes) return nullptr;
  memcpy(early + at, &bytes, sizeof bytes);
  return early + at + 16;
}

bool is_early(const void* block) {
  const auto* p = static_cast<const char*>(block);
  return p >= early && p < early + kEarlyBytes;
}

size_t early_size(const void* block) {
  size_t bytes = 0;
  memcpy(&bytes, static_cast<const char*>(block) - 16, sizeof bytes);
  return bytes;
}

}  // namespace ullage::agent

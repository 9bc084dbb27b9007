// SPDX-License-Identifier: Apache-2.0
#pragma once

// The functions behind our hooks: the next definition after ours, whoever provides it.

#include <pthread.h>
#include <spawn.h>
#include <stddef.h>

namespace ullage::agent {

struct Real {
  void* (*malloc)(size_t);
  void (*free)(void*);
  void* (*calloc)(size_t, size_t);
  void* (*realloc)(void*, size_t);
  int (*posix_memalign)(void**, size_t, size_t);
  void* (*aligned_alloc)(size_t, size_t);
  void* (*memalign)(size_t, size_t);
  void* (*valloc)(size_t);
  void* (*pvalloc)(size_t);
  size_t (*usable_size)(void*);
  int (*pthread_create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  int (*pthread_setname)(pthread_t, const char*);
  void* (*dlopen)(const char*, int);
  void* (*dlmopen)(long, const char*, int);
  int (*dlclose)(void*);
  void (*exit_now)(int);
  int (*execve)(const char*, char* const[], char* const[]);
  int (*execv)(const char*, char* const[]);
  int (*execvp)(const char*, char* const[]);
  int (*execvpe)(const char*, char* const[], char* const[]);
  int (*fexecve)(int, char* const[], char* const[]);
  int (*execveat)(int, const char*, char* const[], char* const[], int);
  using Spawn = int (*)(int*, const char*, const posix_spawn_file_actions_t*,
                        const posix_spawnattr_t*, char* const[], char* const[]);
  Spawn posix_spawn, posix_spawnp;
  Spawn posix_spawn_old, posix_spawnp_old;  // for programs older than glibc 2.15
  bool glibc;  // malloc is the C library's own: chunk headers may be read
};
extern Real g_real;

// Idempotent; may be called before the constructor, by the first allocation of the process.
void resolve_real();

// The next definition of a symbol, or null. Falls back to the C++ runtime when it was loaded
// privately.
void* find_real(const char* name);

// Is this code in a library whose file name begins with `prefix`?
bool in_library(const void* code, const char* prefix);

// The file whose `malloc` the program binds to, when that is not ours: what it asks for is not seen
// here. Empty otherwise.
void malloc_owner(char* name, size_t bytes);

// Does the program bring a sanitizer, which replaces the allocator itself?
bool has_sanitizer();

// Memory handed out while dlsym runs, before the real functions are known.
void* early_alloc(size_t bytes);
bool is_early(const void* block);
size_t early_size(const void* block);

// Bytes that `block` can hold; at least what was asked for.
inline size_t usable_size(void* block) {
  if (g_real.glibc) {
    // malloc_chunk of glibc 2.3 and later: size and flags before the block; flag 2: mapped on its
    // own.
    const size_t size = static_cast<const size_t*>(block)[-1];
    return (size & ~size_t{7}) - ((size & 2) != 0 ? 16 : 8);
  }
  return g_real.usable_size(block);
}

}  // namespace ullage::agent

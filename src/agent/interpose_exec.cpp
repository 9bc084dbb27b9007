// SPDX-License-Identifier: Apache-2.0
// exec: the program's recording says that another program took over, and not that it was killed.
//
// Each of the family stands for itself in the C library (none calls another by its public name), so
// each is interposed. All may be called in the child of a fork or of a vfork, where nobody else's
// recording may be touched, and in signal handlers: no locks, no allocation. posix_spawn calls none
// of them. What they execute finds the agent first in LD_PRELOAD (preload.h).

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <unistd.h>

#include "agent/preload.h"
#include "agent/real.h"
#include "agent/session.h"

using namespace ullage::
    agent;  // NOLINT(google-build-using-namespace): hooks live outside namespaces

namespace {

// Marks the recording of this process as ended by exec. exec returns only when it failed: then the
// mark is taken back.
class Executing {
 public:
  Executing() {
    resolve_real();
    marked_ = process_executes();
  }
  ~Executing() {
    if (marked_) process_goes_on();
  }
  Executing(const Executing&) = delete;
  Executing& operator=(const Executing&) = delete;

 private:
  bool marked_ = false;
};

size_t count_words(const char* first, va_list rest) {
  size_t count = 0;
  for (const char* word = first; word != nullptr; word = va_arg(rest, const char*)) ++count;
  return count;
}

// Up to the null that ends them, which is stored, too.
void collect_words(char** words, const char* first, va_list rest) {
  for (const char* word = first; word != nullptr; word = va_arg(rest, const char*)) {
    *words++ = const_cast<char*>(word);
  }
  *words = nullptr;
}

}  // namespace

// The arguments after `first` as an array on the caller's stack, and what follows them in `list`.
#define ULLAGE_WORDS(words, first, list)                                                     \
  va_list list;                                                                              \
  va_start(list, first);                                                                     \
  auto** words =                                                                             \
      static_cast<char**>(__builtin_alloca((count_words(first, list) + 1) * sizeof(char*))); \
  va_end(list);                                                                              \
  va_start(list, first);                                                                     \
  collect_words(words, first, list)

// `environment` with the agent first in LD_PRELOAD, on the caller's stack where it is not.
#define ULLAGE_AGENT_FIRST(environment)                                         \
  if (const size_t bytes = preload_room(environment, stack_to_spare())) {       \
    (environment) = preload_first(environment, __builtin_alloca(bytes), bytes); \
  }

ULLAGE_EXPORT int execve(const char* path, char* const words[], char* const* environment) noexcept {
  const Executing executing;
  ULLAGE_AGENT_FIRST(environment)
  return g_real.execve(path, words, environment);
}

ULLAGE_EXPORT int execv(const char* path, char* const words[]) noexcept {
  const Executing executing;
  char* const* environment = environ;
  ULLAGE_AGENT_FIRST(environment)
  return environment == environ ? g_real.execv(path, words)
                                : g_real.execve(path, words, environment);
}

ULLAGE_EXPORT int execvpe(const char* file, char* const words[],
                          char* const* environment) noexcept {
  const Executing executing;
  ULLAGE_AGENT_FIRST(environment)
  return g_real.execvpe(file, words, environment);
}

ULLAGE_EXPORT int execvp(const char* file, char* const words[]) noexcept {
  const Executing executing;
  char* const* environment = environ;
  ULLAGE_AGENT_FIRST(environment)
  return environment == environ ? g_real.execvp(file, words)
                                : g_real.execvpe(file, words, environment);
}

ULLAGE_EXPORT int fexecve(int fd, char* const words[], char* const* environment) noexcept {
  const Executing executing;
  ULLAGE_AGENT_FIRST(environment)
  return g_real.fexecve(fd, words, environment);
}

// Of all that is interposed only these two have versions that differ: before glibc 2.15 a script
// without "#!" was given to the shell. Each version calls its own (versions.map names the new
// ones).
#define ULLAGE_SPAWN(name, real)                                                                  \
  ULLAGE_EXPORT int name(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions, \
                         const posix_spawnattr_t* attributes, char* const* words,                 \
                         char* const* environment) {                                              \
    resolve_real();                                                                               \
    ULLAGE_AGENT_FIRST(environment)                                                               \
    return g_real.real(pid, path, actions, attributes, words, environment);                       \
  }

ULLAGE_SPAWN(posix_spawn, posix_spawn)
ULLAGE_SPAWN(posix_spawnp, posix_spawnp)
ULLAGE_SPAWN(ullage_posix_spawn_old, posix_spawn_old)
ULLAGE_SPAWN(ullage_posix_spawnp_old, posix_spawnp_old)
__asm__(".symver ullage_posix_spawn_old, posix_spawn@GLIBC_2.2.5");
__asm__(".symver ullage_posix_spawnp_old, posix_spawnp@GLIBC_2.2.5");

ULLAGE_EXPORT int execveat(int folder, const char* path, char* const words[],
                           char* const* environment, int flags) noexcept {
  const Executing executing;
  ULLAGE_AGENT_FIRST(environment)
  if (g_real.execveat != nullptr) {
    return g_real.execveat(folder, path, words, environment, flags);
  }
  errno = ENOSYS;  // glibc before 2.34
  return -1;
}

ULLAGE_EXPORT int execl(const char* path, const char* first, ...) noexcept {
  ULLAGE_WORDS(words, first, list);
  va_end(list);
  return execv(path, words);
}

ULLAGE_EXPORT int execlp(const char* file, const char* first, ...) noexcept {
  ULLAGE_WORDS(words, first, list);
  va_end(list);
  return execvp(file, words);
}

ULLAGE_EXPORT int execle(const char* path, const char* first, ...) noexcept {
  ULLAGE_WORDS(words, first, list);
  char* const* environment = va_arg(list, char* const*);
  va_end(list);
  return execve(path, words, environment);
}

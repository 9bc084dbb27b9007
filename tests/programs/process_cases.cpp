// SPDX-License-Identifier: Apache-2.0
//
// process_cases: processes, threads, signals and stacks of every sort, one case per argument. Every
// case grows containers in functions of known names; each call of such a function makes exactly
// kLinks growths that a profiler of malloc can see, so a test knows what each recording must hold.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "ullage/agent.h"

extern char** environ;

namespace {

// 20 000 longs one by one: 8 B, 16 B, ... 256 KiB are 15 growths; the first (8 to 16 bytes) stays
// inside malloc's smallest block.
constexpr int kItems = 20000;
[[maybe_unused]] constexpr int kLinks = 14;

void* volatile escaped;

const char* volatile which;  // makes the functions differ: equal ones are folded into one

#define GROWER(name)                                 \
  __attribute__((noinline)) void name() {            \
    std::vector<long> v;                             \
    for (int i = 0; i < kItems; ++i) v.push_back(i); \
    escaped = v.data();                              \
    which = #name;                                   \
  }
GROWER(grow_parent)
GROWER(grow_child)
GROWER(grow_thread)
GROWER(grow_handler)
GROWER(grow_late)

char** arguments;

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char child_word[] = "child";

char** child_arguments() {
  static char* words[] = {arguments[0], child_word, nullptr};
  return words;
}

int case_child() {
  grow_child();
  return 0;
}

int case_grow() {
  grow_parent();
  return 0;
}

int case_fork() {
  grow_parent();
  const pid_t child = fork();
  if (child == 0) {
    grow_child();
    grow_child();
    return 0;
  }
  grow_parent();
  return wait_for(child);
}

// Children of a process whose other threads never stop allocating.
int case_fork_storm() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) std::free(std::malloc(100));
    });
  }
  int failed = 0;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      grow_child();
      _exit(0);
    }
    failed += wait_for(child) != 0;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  grow_parent();
  return failed;
}

int case_vfork() {
  grow_parent();
  char** words = child_arguments();
  const pid_t child = vfork();
  if (child == 0) {
    execv("/proc/self/exe", words);
    _exit(127);
  }
  const int code = wait_for(child);
  grow_parent();
  return code;
}

int case_spawn() {
  grow_parent();
  pid_t child = 0;
  if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, child_arguments(), environ) != 0)
    return 1;
  const int code = wait_for(child);
  grow_parent();
  return code;
}

int case_exec() {
  grow_parent();
  execv("/proc/self/exe", child_arguments());
  return 127;
}

// Every way to become another program, by name.
int case_exec_by() {
  const std::string_view how = arguments[2];
  char** words = child_arguments();
  const char* self = "/proc/self/exe";
  char path[4096] = {};
  if (readlink(self, path, sizeof path - 1) < 0) return 1;
  grow_parent();
  if (how == "execve") execve(path, words, environ);
  if (how == "execv") execv(path, words);
  if (how == "execvp") execvp(path, words);
  if (how == "execvpe") execvpe(path, words, environ);
  if (how == "execl") execl(path, words[0], words[1], static_cast<char*>(nullptr));
  if (how == "execlp") execlp(path, words[0], words[1], static_cast<char*>(nullptr));
  if (how == "execle") execle(path, words[0], words[1], static_cast<char*>(nullptr), environ);
  if (how == "fexecve") fexecve(open(path, O_RDONLY | O_CLOEXEC), words, environ);
  if (how == "execveat") execveat(AT_FDCWD, path, words, environ, 0);
  return 127;
}

// One that can't become another goes on as itself, until it is killed.
int case_exec_fails() {
  execl("/nonexistent", "x", static_cast<char*>(nullptr));
  if (errno != ENOENT) return 1;
  execlp("no-such-program-anywhere", "x", static_cast<char*>(nullptr));
  if (errno != ENOENT) return 1;
  grow_parent();
  kill(getpid(), SIGKILL);
  return 1;
}

// Contexts that come late: each third of the run grows by a function of its own, through callers
// that nobody called before.
__attribute__((noinline)) void called_from(int depth, void (*grow)()) {
  if (depth > 0) {
    called_from(depth - 1, grow);
  } else {
    grow();
  }
  which = "after the call";  // so that it is a call and not a jump
}

int case_phases() {
  void (*const growers[])() = {grow_parent, grow_child, grow_late};
  for (int phase = 0; phase < 3; ++phase) {
    for (int i = 0; i < 2000; ++i) called_from(6 * phase + i / 500, growers[phase]);
  }
  while (arguments[2] && access(arguments[2], F_OK) != 0) usleep(10000);
  return 0;
}

int case_threads() {
  for (int round = 0; round < 60; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([i] {
        char name[16];
        std::snprintf(name, sizeof name, "worker-%d", i);
        pthread_setname_np(pthread_self(), name);
        grow_thread();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  return 0;
}

// Two libraries take turns at the same addresses.
int case_plugins() {
  for (int round = 0; round < 40; ++round) {
    void* library = dlopen(arguments[2 + round % 2], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    reinterpret_cast<void (*)()>(dlsym(library, "plugin_run"))();
    dlclose(library);
  }
  return 0;
}

std::atomic<int> handled{0};

// Mappings are the only memory a handler may ask for at any moment: malloc itself is not reentrant.
void map_in_handler(int) {
  void* p = mmap(nullptr, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p != MAP_FAILED) munmap(p, 256 << 10);
  ++handled;
}

int case_signal_storm() {
  struct sigaction action {};
  action.sa_handler = map_in_handler;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval often{{0, 100}, {0, 100}};
  setitimer(ITIMER_REAL, &often, nullptr);
  for (int i = 0; i < 200 || handled < 500; ++i) grow_parent();
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  return handled > 0 ? 0 : 1;
}

void grow_in_handler(int) { grow_handler(); }

void handle(int flags) {
  struct sigaction action {};
  action.sa_handler = grow_in_handler;
  action.sa_flags = flags;
  sigaction(SIGUSR1, &action, nullptr);
}

int case_handler() {
  handle(0);
  for (int i = 0; i < 10; ++i) raise(SIGUSR1);
  grow_parent();
  return 0;
}

int case_alternate_stack() {
  static char stack[256 << 10];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  sigaltstack(&alternate, nullptr);
  handle(SA_ONSTACK);
  for (int i = 0; i < 10; ++i) raise(SIGUSR1);
  grow_parent();
  return 0;
}

// What setproctitle does: the strings of argv and environ become something else.
int case_title() {
  grow_parent();
  char* begin = arguments[0];
  char* end = begin;
  for (char** word = arguments; *word; ++word) end = *word + std::strlen(*word) + 1;
  for (char** word = environ; *word; ++word) end = *word + std::strlen(*word) + 1;
  std::memset(begin, 'x', static_cast<std::size_t>(end - begin));
  end[-1] = 0;
  environ = nullptr;
  grow_late();
  return 0;
}

constexpr int kCoroutines = 10;
ucontext_t scheduler, coroutines[kCoroutines];
int current;

__attribute__((noinline)) void grow_coroutine() {
  std::vector<long> v;
  const int self = current;
  for (int i = 0; i < kItems; ++i) {
    v.push_back(i);
    if (i % 100 == 0) swapcontext(&coroutines[self], &scheduler);
  }
  escaped = v.data();
}

int case_coroutines() {
  static char stacks[kCoroutines][64 << 10];
  for (int i = 0; i < kCoroutines; ++i) {
    getcontext(&coroutines[i]);
    coroutines[i].uc_stack.ss_sp = stacks[i];
    coroutines[i].uc_stack.ss_size = sizeof stacks[i];
    coroutines[i].uc_link = &scheduler;
    makecontext(&coroutines[i], grow_coroutine, 0);
  }
  for (int round = 0; round <= kItems / 100; ++round) {
    for (current = 0; current < kCoroutines; ++current) {
      swapcontext(&scheduler, &coroutines[current]);
    }
  }
  return 0;
}

void* grow_and_exit(void*) {
  grow_thread();
  pthread_exit(nullptr);
}

void* grow_and_wait(void*) {
  grow_thread();
  while (true) pause();
}

int case_thread_ends() {
  for (int i = 0; i < 20; ++i) {
    pthread_t leaves, waits;
    pthread_create(&leaves, nullptr, grow_and_exit, nullptr);
    pthread_create(&waits, nullptr, grow_and_wait, nullptr);
    pthread_cancel(waits);  // it grows first: pause() is its first cancellation point
    pthread_join(leaves, nullptr);
    pthread_join(waits, nullptr);
  }
  return 0;
}

struct GrowsWhenDestroyed {
  ~GrowsWhenDestroyed() { grow_late(); }
  char touched = 0;
};
thread_local GrowsWhenDestroyed of_thread;
pthread_key_t key;

// Memory asked for when nearly everything is gone: destructors of threads, keys and the program.
int case_late() {
  static GrowsWhenDestroyed of_program;
  of_program.touched = 1;
  pthread_key_create(&key, [](void*) { grow_late(); });
  for (int i = 0; i < 5; ++i) {
    std::thread([] {
      of_thread.touched = 1;
      pthread_setspecific(key, &key);
    }).join();
  }
  std::atexit([] { grow_late(); });
  return 0;
}

int case_killed() {
  grow_parent();
  kill(getpid(), SIGKILL);
  return 1;
}

int case_aborts() {
  grow_parent();
  std::abort();
}

int case_exits_42() {
  grow_parent();
  return 42;
}

// Events in no order until the recording is large, however it is packed: for disks that are full.
int case_many() {
  static void* slots[256];
  std::uint64_t state = 88172645463325252u;  // xorshift: Marsaglia, 2003
  for (int i = 0; i < 4'000'000; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    void*& slot = slots[state % 256];
    std::free(slot);
    slot = std::malloc(16 + state / 256 % 500);
  }
  grow_late();
  return 0;
}

// A block that is freed while nobody watches, between two that are seen.
int case_pauses() {
  mallopt(M_MMAP_THRESHOLD, 65536);  // so that a freed block's pages are gone
  for (int i = 0; i < 50; ++i) {
    auto* older = static_cast<char*>(std::malloc(300'000));
    std::memset(older, 1, 300'000);
    auto* newer = static_cast<char*>(std::malloc(600'000));
    std::memset(newer, 1, 600'000);
    ullage::agent::stop();
    std::free(newer);
    ullage::agent::start();
    std::free(older);
  }
  grow_parent();
  return 0;
}

sigjmp_buf place_to_go;
volatile sig_atomic_t may_jump;

// A handler that leaves by siglongjmp while its thread may be anywhere in mmap, our hook included.
int case_jumps() {
  signal(SIGALRM, [](int) {
    if (may_jump) siglongjmp(place_to_go, 1);
  });
  itimerval often{{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &often, nullptr);
  static int round;  // not a local: its value must outlive the jump
  for (round = 0; round < 1000; ++round) {
    if (sigsetjmp(place_to_go, 1) == 0) {
      may_jump = 1;
      for (;;) {
        void* p =
            mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p != MAP_FAILED) munmap(p, 1 << 20);
      }
    }
    may_jump = 0;
  }
  often = {};
  setitimer(ITIMER_REAL, &often, nullptr);
  grow_late();
  return 0;
}

// The child of a vfork that cannot exec leaves by _exit, in its parent's memory.
int case_vfork_fails() {
  const pid_t child = vfork();
  if (child == 0) {
    execl("/nonexistent", "x", static_cast<char*>(nullptr));
    _exit(127);
  }
  if (wait_for(child) != 127) return 1;
  grow_parent();
  kill(getpid(), SIGKILL);
  return 1;
}

struct Case {
  const char* name;
  int (*run)();
};
constexpr Case kCases[] = {
    {"child", case_child},
    {"grow", case_grow},
    {"fork", case_fork},
    {"fork_storm", case_fork_storm},
    {"vfork", case_vfork},
    {"spawn", case_spawn},
    {"exec", case_exec},
    {"exec_by", case_exec_by},
    {"exec_fails", case_exec_fails},
    {"phases", case_phases},
    {"threads", case_threads},
    {"plugins", case_plugins},
    {"signal_storm", case_signal_storm},
    {"handler", case_handler},
    {"alternate_stack", case_alternate_stack},
    {"title", case_title},
    {"coroutines", case_coroutines},
    {"thread_ends", case_thread_ends},
    {"late", case_late},
    {"killed", case_killed},
    {"aborts", case_aborts},
    {"exits_42", case_exits_42},
    {"many", case_many},
    {"pauses", case_pauses},
    {"jumps", case_jumps},
    {"vfork_fails", case_vfork_fails},
};

}  // namespace

int main(int, char** argv) {
  arguments = argv;
  for (const Case& entry : kCases) {
    if (argv[1] && std::string_view(argv[1]) == entry.name) return entry.run();
  }
  std::fprintf(stderr, "usage: process_cases CASE\n");
  return 2;
}

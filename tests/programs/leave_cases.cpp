// SPDX-License-Identifier: Apache-2.0
//
// leave_cases: threads that leave whatever they are doing, at any moment and without a word: by
// siglongjmp out of a handler, or cancelled. Mappings are the memory that may be asked for then;
// malloc itself would not survive it. Each thread takes ever new paths to its mappings, so that a
// profiler is often busy with a calling context it has not seen before.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

// 20 000 longs one by one are 14 growths that a profiler of malloc can see.
constexpr int kItems = 20000;
void* volatile escaped;
const char* volatile which;

#define GROWER(name)                                 \
  __attribute__((noinline)) void name() {            \
    std::vector<long> v;                             \
    for (int i = 0; i < kItems; ++i) v.push_back(i); \
    escaped = v.data();                              \
    which = #name;                                   \
  }
GROWER(grow_thread)
GROWER(grow_late)

void map_once() {
  constexpr std::size_t kBytes = 1u << 20;
  void* p = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p != MAP_FAILED) munmap(p, kBytes);
}

// Each bit of `path` picks a different call: 2^depth contexts.
void right(unsigned path, int depth);
__attribute__((noinline)) void left(unsigned path, int depth) {
  if (depth == 0) {
    map_once();
  } else if ((path & 1) != 0) {
    left(path >> 1, depth - 1);
  } else {
    right(path >> 1, depth - 1);
  }
  which = "left";
}
__attribute__((noinline)) void right(unsigned path, int depth) {
  if (depth == 0) {
    map_once();
  } else if ((path & 1) != 0) {
    left(path >> 1, depth - 1);
  } else {
    right(path >> 1, depth - 1);
  }
  which = "right";
}

constexpr int kDepth = 18;

// xorshift: Marsaglia, 2003
unsigned next(std::uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

constexpr int kThreads = 4, kJumps = 150;
thread_local sigjmp_buf place_to_go;
thread_local volatile sig_atomic_t may_jump = 0;
thread_local volatile int jumps = 0;
std::atomic<int> running{0};
std::atomic<bool> finish{false};

void* jump_about(void* argument) {
  static thread_local std::uint32_t state;
  state = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(argument));
  while (jumps < kJumps) {
    if (sigsetjmp(place_to_go, 1) == 0) {
      may_jump = 1;
      for (;;) left(next(state), kDepth);
    }
    may_jump = 0;
    jumps = jumps + 1;
  }
  grow_thread();
  --running;
  while (!finish) usleep(1000);  // alive until all are done: a dead thread cannot be signalled
  return nullptr;
}

int case_jumps() {
  signal(SIGUSR1, [](int) {
    if (may_jump != 0) siglongjmp(place_to_go, 1);
  });
  pthread_t threads[kThreads];
  running = kThreads;
  for (int i = 0; i < kThreads; ++i) {
    pthread_create(&threads[i], nullptr, jump_about, reinterpret_cast<void*>(i + 1l));
  }
  while (running > 0) {
    for (pthread_t thread : threads) pthread_kill(thread, SIGUSR1);
    usleep(50);
  }
  finish = true;
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  grow_late();
  return 0;
}

// A thread that jumps out and never comes back to its allocator: others wait for nothing it held.
void* jump_and_idle(void* argument) {
  static thread_local std::uint32_t state;
  state = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(argument));
  if (sigsetjmp(place_to_go, 1) == 0) {
    may_jump = 1;
    ++running;
    for (;;) left(next(state), kDepth);
  }
  may_jump = 0;
  --running;
  while (!finish) usleep(1000);
  return nullptr;
}

int case_idlers() {
  signal(SIGUSR1, [](int) {
    if (may_jump != 0) siglongjmp(place_to_go, 1);
  });
  constexpr int kIdlers = 64;
  std::vector<pthread_t> threads(kIdlers);
  for (int i = 0; i < kIdlers; ++i) {
    pthread_create(&threads[i], nullptr, jump_and_idle, reinterpret_cast<void*>(i + 1l));
    while (running == 0) usleep(100);
    usleep(500 + 37 * i % 400);
    while (running != 0) {
      pthread_kill(threads[i], SIGUSR1);
      usleep(100);
    }
  }
  std::uint32_t state = 12345;
  for (int i = 0; i < 20000; ++i) left(next(state), kDepth);  // meets every shard of any table
  grow_late();
  finish = true;
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  return 0;
}

void* map_until_cancelled(void* argument) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  auto state = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(argument));
  ++running;
  for (;;) left(next(state), kDepth);
}

int case_cancelled() {
  for (int i = 0; i < 200; ++i) {
    pthread_t thread;
    running = 0;
    pthread_create(&thread, nullptr, map_until_cancelled, reinterpret_cast<void*>(i + 1l));
    while (running == 0) usleep(10);
    usleep(200 + 37 * i % 400);
    pthread_cancel(thread);
    pthread_join(thread, nullptr);
  }
  std::uint32_t state = 12345;
  for (int i = 0; i < 20000; ++i) left(next(state), kDepth);
  grow_late();
  return 0;
}

struct Case {
  const char* name;
  int (*run)();
};
constexpr Case kCases[] = {
    {"jumps", case_jumps},
    {"idlers", case_idlers},
    {"cancelled", case_cancelled},
};

}  // namespace

int main(int, char** argv) {
  for (const Case& entry : kCases) {
    if (argv[1] && std::string_view(argv[1]) == entry.name) return entry.run();
  }
  std::fprintf(stderr, "usage: leave_cases CASE\n");
  return 2;
}

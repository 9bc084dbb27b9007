// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent needs of the machine: the clock, raw memory, spin locks, the caller's registers.
// Everything here is safe in signal handlers and never calls the program's allocator.

#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ULLAGE_EXPORT extern "C" __attribute__((visibility("default")))
#define ULLAGE_LIKELY(x) __builtin_expect(!!(x), 1)
#define ULLAGE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ULLAGE_COLD __attribute__((noinline, cold))

#if !defined(__x86_64__)
#error "the agent's unwinder knows x86-64 only (docs/agent.md)"
#endif

namespace ullage::agent {

// errno belongs to the program: every path of ours that may change it holds one of these.
struct KeepErrno {
  int saved = errno;
  ~KeepErrno() { errno = saved; }
};

// Starts fetching the line at `p`. The empty statement is for GCC: a function that does nothing but
// prefetch counts as pure, and calls of it were dropped whole.
inline void fetch_line(const void* p) {
  __builtin_prefetch(p);
  asm volatile("" : : "r"(p));
}

inline bool invariant_tsc() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
}

inline uint64_t monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

// Zeroed private memory, touched lazily; null when there is none.
inline void* map_private(size_t bytes) {
  const long p = syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == -1 ? nullptr : reinterpret_cast<void*>(p);
}

// While one lives, this thread handles no signal: what is half done here can't be left by a handler
// that jumps, nor by cancellation. Two system calls: for paths that make some anyway. Faults stay
// open: blocked, they would kill a program that handles them.
class SignalsHeld {
 public:
  SignalsHeld() { change(SIG_BLOCK, ~kFaults, &before_); }
  ~SignalsHeld() { change(SIG_SETMASK, before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  static constexpr uint64_t kFaults = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) |
                                      1ull << (SIGILL - 1) | 1ull << (SIGFPE - 1) |
                                      1ull << (SIGTRAP - 1) | 1ull << (SIGSYS - 1);
  // Raw: the C library's own leaves the signals of cancellation and setuid alone.
  static void change(int how, uint64_t set, uint64_t* before) {
    syscall(SYS_rt_sigprocmask, how, &set, before, sizeof set);
  }
  uint64_t before_ = 0;
};

// One round of waiting for another thread; true once it slept. It sleeps at last, as yielding never
// lets a thread of lower real-time priority run.
inline bool rest(unsigned round) {
  if (round < 100) {
    _mm_pause();
  } else if (round < 200) {
    sched_yield();
  } else {
    const timespec nap{0, 50'000};
    syscall(SYS_nanosleep, &nap, nullptr);
    return true;
  }
  return false;
}

// Held for microseconds, on paths that run once per module, segment or thread; only under a Guard.
class SpinLock {
 public:
  void lock() {
    for (unsigned n = 0; __atomic_exchange_n(&held_, 1, __ATOMIC_ACQUIRE) != 0; ++n) rest(n);
  }
  void unlock() { __atomic_store_n(&held_, 0, __ATOMIC_RELEASE); }
  void reset() { held_ = 0; }  // in a fork's child, where the owner does not exist

 private:
  int held_ = 0;
};

class Guard {
 public:
  explicit Guard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
  ~Guard() { lock_.unlock(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  SignalsHeld signals_;  // before the lock, and until after it
  SpinLock& lock_;
};

// The registers that unwinding starts from: those the caller has once our hook returns.
struct Registers {
  uintptr_t pc, sp, bp;
};

// Hooks are compiled with frame pointers: [rbp] is the caller's rbp, [rbp + 8] the return address.
#define ULLAGE_CALLER                                                 \
  ::ullage::agent::Registers {                                        \
    reinterpret_cast<uintptr_t>(__builtin_return_address(0)),         \
        reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) + 16, \
        *static_cast<uintptr_t*>(__builtin_frame_address(0))          \
  }

}  // namespace ullage::agent

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent needs of the machine: the clock, raw memory, spin locks, the caller's registers.
// Everything here is safe in signal handlers and never calls the program's allocator.

#include <cpuid.h>
#include <errno.h>
#include <sched.h>
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

// Held for nanoseconds, on paths that run once per new frame, module or segment.
class SpinLock {
 public:
  void lock() {
    for (unsigned spins = 0; __atomic_exchange_n(&held_, 1, __ATOMIC_ACQUIRE) != 0; ++spins) {
      if (spins < 100) {
        _mm_pause();
      } else {
        sched_yield();
      }
    }
  }
  bool try_lock() { return __atomic_exchange_n(&held_, 1, __ATOMIC_ACQUIRE) == 0; }
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

// OwnedLock: a lock whose owner may never come back.
//
// A thread may leave the agent in the middle of anything: a handler jumps out (siglongjmp), or the
// thread is cancelled. Keeping signals off would prevent it, but costs two system calls each time.
// Instead a lock is taken over: by the thread that owns it already (it came back by a jump), or by
// any other after kPatienceNs of waiting in vain. The second is a guess, the owner may only be
// slow; so whoever takes a lock over must *replace* what it guards and never touch the old one:
//
//   lock()          true: taken over from an owner that may still be at work. Build a new one.
//   load the guarded pointer, then
//   mine()          false: somebody took over meanwhile, and the pointer may be theirs. Lock again.
//   ... work only on what that pointer led to; publish by compare-and-swap of the pointer ...
//   unlock()        frees it only if it is still ours.
//
// A slow owner thus finishes on what nobody looks at any more: its work is lost, and nothing else.
// Cost: one locked instruction to lock and one to unlock. Zeroed memory is an unlocked lock.

#include "agent/platform.h"

namespace ullage::agent {

class OwnedLock {
 public:
  // Waiting longer than this for one and the same owner means that it left. Slow owners that are
  // robbed cost a copied table and contexts that have two ids.
  static constexpr uint64_t kPatienceNs = 100'000'000;

  bool lock() {
    uintptr_t nobody = 0;
    if (ULLAGE_LIKELY(__atomic_compare_exchange_n(&owner_, &nobody, this_thread(), false,
                                                  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))) {
      return false;
    }
    return wait();
  }
  bool mine() const { return __atomic_load_n(&owner_, __ATOMIC_ACQUIRE) == this_thread(); }
  void unlock() {
    uintptr_t me = this_thread();
    __atomic_compare_exchange_n(&owner_, &me, uintptr_t{0}, false, __ATOMIC_RELEASE,
                                __ATOMIC_RELAXED);
  }

 private:
  // Its thread block's address names a living thread.
  static uintptr_t this_thread() {
    uintptr_t block;
    __asm__("mov %%fs:0, %0" : "=r"(block));
    return block;
  }
  bool wait();

  uintptr_t owner_ = 0;
};

}  // namespace ullage::agent

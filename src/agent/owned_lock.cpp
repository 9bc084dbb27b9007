// SPDX-License-Identifier: Apache-2.0
#include "agent/owned_lock.h"

namespace ullage::agent {

ULLAGE_COLD bool OwnedLock::wait() {
  const uintptr_t me = this_thread();
  uintptr_t waited_for = 0;
  uint64_t since_ns = 0;
  for (unsigned spins = 0;; ++spins) {
    uintptr_t owner = __atomic_load_n(&owner_, __ATOMIC_ACQUIRE);
    // We left it by a jump, or inherited the thread block of one that did: nobody else was in.
    if (owner == me) return false;
    if (owner == 0) {
      if (__atomic_compare_exchange_n(&owner_, &owner, me, false, __ATOMIC_ACQUIRE,
                                      __ATOMIC_RELAXED)) {
        return false;
      }
      continue;
    }
    if (!rest(spins)) continue;
    const uint64_t now_ns = monotonic_ns();
    if (owner != waited_for) {
      waited_for = owner;
      since_ns = now_ns;
    } else if (now_ns - since_ns > kPatienceNs &&
               __atomic_compare_exchange_n(&owner_, &owner, me, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED)) {
      return true;
    }
  }
}

}  // namespace ullage::agent

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the cold tier's own threads are to the processors.
//
//   begin_thread("cold-read");  // first of all, in the thread

#include <pthread.h>
#include <sched.h>

namespace ullage::tier::cold {

// A batch thread gets its share of the processors and, when it wakes, takes none from who is
// running: a thread that serves clients. Where that is not allowed it is a thread like others.
inline void begin_thread(const char* name) noexcept {
  ::pthread_setname_np(::pthread_self(), name);
  const sched_param none{};
  (void)::sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace ullage::tier::cold

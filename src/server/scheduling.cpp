// SPDX-License-Identifier: Apache-2.0
#include "server/scheduling.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace ullage::server {
namespace {

constexpr std::uint64_t kSliceNs = 100'000;  // the shortest that may be asked for

// As the system call has it (sched_setattr(2)); the C library has no name for it.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(Attributes) == 48);

}  // namespace

void run_soon_after_waking() noexcept {
  if (::sched_getscheduler(0) != SCHED_OTHER) return;  // somebody has chosen another way
  errno = 0;
  Attributes attributes;
  attributes.nice = ::getpriority(PRIO_PROCESS, 0);
  if (errno != 0) return;
  attributes.runtime_ns = kSliceNs;
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0u);
}

}  // namespace ullage::server

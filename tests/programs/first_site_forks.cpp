// SPDX-License-Identifier: Apache-2.0
//
// first_site_forks: one thread makes the first site of the process, and with it the state of its
// experience; another forks in the middle of that. The child makes a site as well.
#include <sys/wait.h>
#include <ullage/growth.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>

namespace {

constexpr unsigned kChildSeconds = 10;  // a child that waits for a thread it does not have
constexpr auto kInMaking = std::chrono::milliseconds(300);
std::atomic<bool> armed{false}, making{false};

}  // namespace

// The state allocates while it is made: that is when the fork comes.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  if (armed.exchange(false)) {
    making = true;
    making.notify_all();
    std::this_thread::sleep_for(kInMaking);
  }
  if (void* got = std::malloc(bytes)) return got;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }

int main() {
  std::thread maker([] {
    armed = true;
    const ullage::growth_site first{"first"};
  });
  making.wait(false);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kChildSeconds);
    const ullage::growth_site own{"of the child"};
    ::_exit(0);
  }
  int status = 0;
  const bool ended = ::waitpid(child, &status, 0) == child && status == 0;
  maker.join();
  std::puts(ended ? "the child made a site" : "the child waited for ever");
  return ended ? 0 : 1;
}

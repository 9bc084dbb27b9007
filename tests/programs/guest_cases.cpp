// SPDX-License-Identifier: Apache-2.0
//
// guest_cases: programs that leave a profiler little to live on: no address space, no descriptors,
// no root folder, a parent that is gone, thousands of threads. One case per argument; each call of
// a grow_* function makes 14 growths that a profiler of malloc can see.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "ullage/agent.h"

namespace {

void* volatile escaped;
const char* volatile which;
char** arguments;

#define GROWER(name)                                \
  __attribute__((noinline)) void name() {           \
    std::vector<long> v;                            \
    for (int i = 0; i < 20000; ++i) v.push_back(i); \
    escaped = v.data();                             \
    which = #name;                                  \
  }
GROWER(grow_early)
GROWER(grow_thread)
GROWER(grow_late)

void touch(std::size_t bytes) {
  void* volatile p = std::malloc(bytes);  // volatile: a pair that nobody looks at is optimised away
  std::free(p);
}

int case_grow() {
  grow_late();
  return 0;
}

// Events enough for many segments, each of which needs the recording's file anew.
void many_events() {
  static void* slots[256];
  for (int i = 0; i < 200'000; ++i) {
    void*& slot = slots[i * 7919u % 256];
    std::free(slot);
    slot = std::malloc(static_cast<std::size_t>(16 + i % 500));
  }
}

// Takes all address space there is, gives it back, and asks for more threads than fit.
int case_little_space() {
  const rlimit little{512u << 20, 512u << 20};
  if (setrlimit(RLIMIT_AS, &little) != 0) return 1;
  grow_early();
  std::vector<void*> blocks;
  blocks.reserve(4096);
  while (void* p = std::malloc(1 << 20)) blocks.push_back(p);
  for (void* p : blocks) std::free(p);
  if (blocks.size() < 64) return 2;
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    // Every other one is too large for what there is.
    pthread_attr_setstacksize(&attributes, round % 2 == 0 ? 1u << 20 : 1u << 30);
    pthread_t thread;
    const auto body = [](void*) -> void* {
      touch(100);
      return nullptr;
    };
    if (pthread_create(&thread, &attributes, body, nullptr) == 0) {
      pthread_join(thread, nullptr);
    } else {
      ++refused;
    }
  }
  grow_late();
  return refused == 250 ? 0 : 3;
}

// What a daemon does: closes all it did not open, leaves its parent and its terminal.
int case_daemon() {
  grow_early();
  if (daemon(0, 0) != 0) return 1;
  closefrom(3);
  many_events();
  grow_late();
  return 0;
}

// One that asks for nothing before the file in its arguments exists: whoever started it is gone.
void wait_for_file() {
  for (int i = 0; i < 3000 && access(arguments[2], F_OK) != 0; ++i) usleep(10000);
}

int case_late_daemon() {
  grow_early();
  if (daemon(1, 0) != 0) return 1;
  wait_for_file();
  grow_late();
  return 0;
}

int case_wait_and_grow() {
  grow_early();
  wait_for_file();
  grow_late();
  return 0;
}

int case_closefrom() {
  grow_early();
  closefrom(3);
  // Descriptors of its own where the recording's were.
  for (int i = 0; i < 8; ++i) {
    if (std::FILE* f = std::fopen("/dev/null", "r"); !f) return 1;
  }
  many_events();
  grow_late();
  return 0;
}

int case_chroot() {
  grow_early();
  if (chroot(arguments[2]) != 0 || chdir("/") != 0) return 1;
  many_events();
  grow_late();
  return 0;
}

// What a server started by root does. Its recording's folder is closed to the user it becomes.
int case_other_user() {
  constexpr uid_t kNobody = 65534;
  grow_early();
  if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return 1;
  std::thread([] {
    many_events();
    grow_thread();
  }).join();
  grow_late();
  return 0;
}

int case_many_threads() {
  for (int round = 0; round < 1250; ++round) {
    pthread_t threads[4];
    for (pthread_t& thread : threads) {
      const auto body = [](void*) -> void* {
        touch(1000);
        return nullptr;
      };
      if (pthread_create(&thread, nullptr, body, nullptr) != 0) return 1;
    }
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
  }
  std::thread(grow_thread).join();
  grow_late();
  return 0;
}

// A seccomp filter as sandboxes have them: the call that compares memory with threads about is
// refused.
int case_sandbox() {
  sock_filter refuse[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof refuse / sizeof *refuse, refuse};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return 2;
  std::thread(grow_thread).join();
  grow_late();
  return 0;
}

// A mapping that is given back in pieces: its middle, its end, its beginning.
int case_unmap_in_pieces() {
  constexpr std::size_t kPiece = 256u << 10;
  for (int i = 0; i < 10; ++i) {
    void* p = mmap(nullptr, 4 * kPiece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return 1;
    auto* bytes = static_cast<char*>(p);
    munmap(bytes + kPiece, kPiece);
    munmap(bytes + 2 * kPiece, 2 * kPiece);
    munmap(bytes, kPiece);
  }
  grow_late();
  return 0;
}

int case_standby() {
  grow_early();
  if (!ullage::agent::start()) return 3;
  grow_thread();
  ullage::agent::stop();
  grow_early();
  if (!ullage::agent::start()) return 4;
  grow_late();
  return 0;
}

// A list that only grows while the program works, and is taken apart at its end.
__attribute__((noinline)) void* keep_one(void* next) {
  auto** block = static_cast<void**>(std::malloc(4096));
  *block = next;
  return block;
}

int case_teardown() {
  void* list = nullptr;
  for (int i = 0; i < 2000; ++i) {
    list = keep_one(list);
    usleep(1000);
  }
  while (list) {
    void* next = *static_cast<void**>(list);
    std::free(list);
    list = next;
  }
  return 0;
}

// Threads that are alive at the end, named by themselves, by another and by the system call.
int case_pool() {
  static pthread_barrier_t named, grown;
  pthread_barrier_init(&named, nullptr, 4);
  pthread_barrier_init(&grown, nullptr, 4);
  const auto work = [](void* number) -> void* {
    if (number == nullptr) pthread_setname_np(pthread_self(), "by-itself");
    if (number == arguments) prctl(PR_SET_NAME, "by-prctl");
    pthread_barrier_wait(&named);
    grow_thread();
    pthread_barrier_wait(&grown);
    for (;;) pause();
  };
  pthread_t threads[3];
  void* const numbers[] = {nullptr, arguments, &grown};
  for (int i = 0; i < 3; ++i) {
    if (pthread_create(&threads[i], nullptr, work, numbers[i]) != 0) return 1;
  }
  pthread_setname_np(threads[2], "by-another");
  pthread_barrier_wait(&named);
  pthread_barrier_wait(&grown);
  grow_late();
  return 0;
}

// Where the mapping that holds `address` ends; asks the allocator for nothing.
std::uintptr_t mapping_end(std::uintptr_t address) {
  static char text[64 << 10];
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  std::size_t used = 0;
  for (ssize_t n = 0; (n = read(fd, text + used, sizeof text - 1 - used)) > 0;) {
    used += static_cast<std::size_t>(n);
  }
  close(fd);
  text[used] = 0;
  for (char* line = text; line && *line; line = std::strchr(line, '\n')) {
    if (*line == '\n') ++line;
    char* dash = nullptr;
    const std::uintptr_t low = std::strtoul(line, &dash, 16);
    if (*dash != '-') break;
    const std::uintptr_t high = std::strtoul(dash + 1, nullptr, 16);
    if (low <= address && address < high) return high;
  }
  return 0;
}

__attribute__((noinline)) void touch_below(std::size_t bytes) {
  auto* room = static_cast<volatile char*>(__builtin_alloca(bytes));
  room[0] = 1;
  touch(100);
  room[bytes - 1] = room[0];
}

// A thread that pthread_create knows nothing of. The kernel makes one mapping of its stack and of
// what lies above it, and that goes when the thread has been recorded for a while.
constexpr std::size_t kAbove = 1u << 20;
constexpr int kNotMerged = 77;

int on_a_merged_stack(void* hole) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t top = mapping_end(here);
  if (reinterpret_cast<std::uintptr_t>(hole) != top) return kNotMerged;
  // Raw calls: that the thread maps something must not be the first thing that is seen of it.
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_FIXED;
  syscall(SYS_mmap, hole, kAbove, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (mapping_end(here) < top + kAbove) return kNotMerged;
  touch_below(400 << 10);
  syscall(SYS_munmap, hole, kAbove);
  for (int i = 0; i < 100; ++i) touch_below(16);
  grow_thread();
  return 0;
}

int case_merged_stack() {
  // The kernel maps from the top downwards: the thread's stack comes right below what is kept here
  // of a large mapping.
  constexpr std::size_t kRoom = 64u << 20, kHugePage = 2u << 20;
  void* room = mmap(nullptr, kRoom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return 1;
  const auto low = reinterpret_cast<std::uintptr_t>(room);
  const std::uintptr_t kept = (low + kRoom / 2) / kHugePage * kHugePage;
  munmap(room, kept - low);
  void* hole = reinterpret_cast<void*>(kept);
  thrd_t thread;
  int result = kNotMerged;
  if (thrd_create(&thread, on_a_merged_stack, hole) != thrd_success) return 1;
  thrd_join(thread, &result);
  grow_late();
  return result;
}

struct Case {
  const char* name;
  int (*run)();
};
constexpr Case kCases[] = {
    {"grow", case_grow},
    {"little_space", case_little_space},
    {"daemon", case_daemon},
    {"late_daemon", case_late_daemon},
    {"wait_and_grow", case_wait_and_grow},
    {"closefrom", case_closefrom},
    {"chroot", case_chroot},
    {"other_user", case_other_user},
    {"many_threads", case_many_threads},
    {"unmap_in_pieces", case_unmap_in_pieces},
    {"sandbox", case_sandbox},
    {"standby", case_standby},
    {"teardown", case_teardown},
    {"pool", case_pool},
    {"merged_stack", case_merged_stack},
};

}  // namespace

int main(int, char** argv) {
  arguments = argv;
  for (const Case& entry : kCases) {
    if (argv[1] && std::string_view(argv[1]) == entry.name) return entry.run();
  }
  std::fprintf(stderr, "usage: guest_cases CASE\n");
  return 2;
}

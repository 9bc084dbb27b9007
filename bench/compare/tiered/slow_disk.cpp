// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into the server: holds up what it does with files below $SLOW_DISK_BELOW (the cold
// tier's) by as many nanoseconds as the first word of the file $SLOW_DISK_WORD says; ~0: until it
// says something else. Everything else goes its way for the price of one load.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace {

constexpr std::size_t kFiles = 65536;
std::array<std::atomic<bool>, kFiles> g_held;

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

std::atomic<std::uint64_t>* word() {
  static std::atomic<std::uint64_t>* const at = [] {
    const char* path = getenv("SLOW_DISK_WORD");
    const auto real = next<int (*)(const char*, int, ...)>("open");
    const int fd = path == nullptr ? -1 : real(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void* p = mmap(nullptr, sizeof(std::uint64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) abort();
    close(fd);
    return static_cast<std::atomic<std::uint64_t>*>(p);
  }();
  return at;
}

bool is_held(int fd) {
  return fd >= 0 && static_cast<std::size_t>(fd) < kFiles &&
         g_held[static_cast<std::size_t>(fd)].load(std::memory_order_relaxed);
}

void wait(int fd) {
  if (!is_held(fd)) return;
  const int kept = errno;
  std::uint64_t ns = word()->load();
  const timespec step{0, 1'000'000};
  if (ns == ~std::uint64_t{0}) {
    while (word()->load() == ~std::uint64_t{0}) nanosleep(&step, nullptr);
  } else if (ns != 0) {
    const timespec t{static_cast<time_t>(ns / 1'000'000'000),
                     static_cast<long>(ns % 1'000'000'000)};
    nanosleep(&t, nullptr);
  }
  errno = kept;
}

int opened(int fd, const char* path) {
  static const char* const below = getenv("SLOW_DISK_BELOW");
  if (fd >= 0 && static_cast<std::size_t>(fd) < kFiles) {
    g_held[static_cast<std::size_t>(fd)] =
        below != nullptr && strncmp(path, below, strlen(below)) == 0;
  }
  return fd;
}

mode_t mode_of(int flags, va_list& list) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return opened(real(path, flags, mode), path);
}
int open64(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open64");
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return opened(real(path, flags, mode), path);
}
int close(int fd) {
  static const auto real = next<int (*)(int)>("close");
  if (fd >= 0 && static_cast<std::size_t>(fd) < kFiles)
    g_held[static_cast<std::size_t>(fd)] = false;
  return real(fd);
}
ssize_t write(int fd, const void* data, size_t n) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  wait(fd);
  return real(fd, data, n);
}
ssize_t pwrite64(int fd, const void* data, size_t n, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  wait(fd);
  return real(fd, data, n, at);
}
ssize_t pwrite(int fd, const void* data, size_t n, off_t at) { return pwrite64(fd, data, n, at); }
ssize_t pread64(int fd, void* data, size_t n, off64_t at) {
  static const auto real = next<ssize_t (*)(int, void*, size_t, off64_t)>("pread64");
  wait(fd);
  return real(fd, data, n, at);
}
ssize_t pread(int fd, void* data, size_t n, off_t at) { return pread64(fd, data, n, at); }
int fdatasync(int fd) {
  static const auto real = next<int (*)(int)>("fdatasync");
  wait(fd);
  return real(fd);
}
int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  wait(fd);
  return real(fd);
}
int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags) {
  static const auto real = next<int (*)(int, off64_t, off64_t, unsigned)>("sync_file_range");
  wait(fd);
  return real(fd, at, n, flags);
}

}  // extern "C"
#pragma GCC visibility pop

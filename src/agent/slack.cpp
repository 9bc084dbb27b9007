// SPDX-License-Identifier: Apache-2.0
#include "agent/slack.h"

#include <fcntl.h>

namespace ullage::agent {

size_t absent_tail(const void* block, size_t bytes) {
  KeepErrno keep;
  const int fd =
      static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (fd < 0) return 0;
  const auto begin = reinterpret_cast<uintptr_t>(block);
  const uintptr_t end = begin + bytes;
  uintptr_t first_absent = end & ~uintptr_t{4095};
  uint64_t entries[512];
  // From the end, a batch at a time: stop at the last page that is present or swapped.
  uintptr_t top = first_absent;
  const uintptr_t low = (begin + 4095) & ~uintptr_t{4095};
  bool found = false;
  while (!found && top > low) {
    uintptr_t from = top - low > sizeof entries / 8 * 4096 ? top - sizeof entries / 8 * 4096 : low;
    const size_t pages = (top - from) / 4096;
    const ssize_t n = pread(fd, entries, pages * 8, static_cast<off_t>(from / 4096 * 8));
    if (n != static_cast<ssize_t>(pages * 8)) break;
    for (size_t i = pages; i-- > 0;) {
      if ((entries[i] >> 62) != 0) {  // bit 63 present, bit 62 swapped
        found = true;
        break;
      }
      first_absent = from + i * 4096;
    }
    top = from;
  }
  syscall(SYS_close, fd);
  const uintptr_t last_page = end & ~uintptr_t{4095};
  return first_absent < last_page ? end - first_absent : 0;
}

}  // namespace ullage::agent

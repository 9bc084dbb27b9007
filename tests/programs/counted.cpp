// SPDX-License-Identifier: Apache-2.0
//
// counted FILE: allocates until it is killed, and keeps the number of its allocator calls in FILE,
// which is mapped: whoever kills it can read there what must have been recorded.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

int main(int argc, char** argv) {
  const int fd = argc > 1 ? open(argv[1], O_RDWR) : -1;
  if (fd < 0) return 2;
  auto* calls = static_cast<volatile std::uint64_t*>(
      mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  if (calls == MAP_FAILED) return 2;
  constexpr int kSlots = 512;
  static void* slots[kSlots];
  std::uint64_t state = 88172645463325252u;  // xorshift: Marsaglia, 2003
  while (true) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    void*& slot = slots[state % kSlots];
    if (slot) {
      std::free(slot);
      *calls = *calls + 1;
      slot = nullptr;
    } else {
      slot = std::malloc(16 + state / kSlots % 500);
      *calls = *calls + 1;
    }
  }
}

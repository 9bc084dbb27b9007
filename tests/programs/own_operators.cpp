// SPDX-License-Identifier: Apache-2.0
//
// own_operators: replaces operator new(size_t) and operator delete(void*) only, over a pool of its
// own. The array, sized and nothrow forms are the C++ runtime's, and must reach these two. Prints
// how often they were reached; a pool pointer that went to free() would end the program.
#include <cstddef>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

alignas(16) unsigned char pool[8 << 20];
std::size_t used = 0;
int news = 0, deletes = 0;

bool in_pool(const void* p) { return p >= pool && p < pool + sizeof pool; }

}  // namespace

void* operator new(std::size_t bytes) {
  ++news;
  bytes = (bytes + 15) & ~std::size_t{15};
  if (used + bytes > sizeof pool) throw std::bad_alloc();
  void* p = pool + used;
  used += bytes;
  return p;
}
#pragma GCC diagnostic ignored "-Wsized-deallocation"  // the point of this program
void operator delete(void* p) noexcept {
  if (p != nullptr && !in_pool(p)) __builtin_trap();
  deletes += p != nullptr;
}

int main() {
  for (int i = 0; i < 100; ++i) {
    const auto one = std::make_unique<long>(i);
    const auto many = std::make_unique<long[]>(10);
    delete[] new (std::nothrow) char[100];
    std::vector<std::string> strings(3, std::string(50, 'x'));
    if (!in_pool(one.get()) || !in_pool(many.get()) || !in_pool(strings.data())) return 1;
  }
  std::printf("%d %d\n", news, deletes);
  return news == deletes ? 0 : 2;
}

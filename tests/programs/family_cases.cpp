// SPDX-License-Identifier: Apache-2.0
//
// family_cases KIND ROUNDS: in each round every function of a kind that gives memory is called, and
// what it gave is given back. Prints "allocations frees reallocs bytes" of one round.
#include <malloc.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

void* volatile escaped;

struct Totals {
  unsigned long allocations = 0, frees = 0, reallocs = 0, bytes = 0;
};

void* got(Totals& totals, void* block, std::size_t bytes) {
  if (block == nullptr) std::abort();
  ++totals.allocations;
  totals.bytes += bytes;
  escaped = block;
  return block;
}

void gave(Totals& totals) { ++totals.frees; }

void c_family(Totals& t) {
  void* aligned = nullptr;
  if (posix_memalign(&aligned, 64, 1000) != 0) std::abort();
  void* const blocks[] = {
      got(t, std::malloc(1001), 1001),
      got(t, std::calloc(7, 143), 1001),
      got(t, aligned, 1000),
      got(t, std::aligned_alloc(64, 1024), 1024),
      got(t, memalign(128, 1002), 1002),
      got(t, valloc(1003), 1003),
      got(t, pvalloc(1004), 1004),
      got(t, strdup("sixteen letters."), 17),
  };
  for (void* block : blocks) {
    std::free(block);
    gave(t);
  }
}

void reallocations(Totals& t) {
  void* volatile none = nullptr;  // else the compiler calls malloc
  void* block = std::realloc(none, 100);
  escaped = block;
  block = std::realloc(block, 5000);
  escaped = block;
  block = reallocarray(block, 3, 100);
  escaped = block;
  t.reallocs += 3;
  t.bytes += 100 + 5000 + 300;
  const volatile std::size_t nothing = 0;  // which gives the block back
  if (std::realloc(block, nothing) != nullptr) std::abort();
  gave(t);
}

void vanishing(Totals& t) {
  const volatile std::size_t nothing = 0;
  if (std::realloc(got(t, std::malloc(100), 100), nothing) != nullptr) std::abort();
  gave(t);
}

struct alignas(128) Wide {
  char bytes[256];
};

void operators(Totals& t) {
  struct Plain {
    char bytes[48];
  };
  auto* one = static_cast<Plain*>(got(t, new Plain, sizeof(Plain)));
  auto* several = static_cast<Plain*>(got(t, new Plain[3], 3 * sizeof(Plain)));
  auto* polite = static_cast<Plain*>(got(t, new (std::nothrow) Plain, sizeof(Plain)));
  auto* polite_several =
      static_cast<Plain*>(got(t, new (std::nothrow) Plain[2], 2 * sizeof(Plain)));
  auto* wide = static_cast<Wide*>(got(t, new Wide, sizeof(Wide)));
  auto* wide_several = static_cast<Wide*>(got(t, new Wide[2], 2 * sizeof(Wide)));
  void* raw = got(t, ::operator new(77), 77);
  delete one;
  delete[] several;
  delete polite;
  delete[] polite_several;
  delete wide;
  delete[] wide_several;
  ::operator delete (raw, std::size_t{77});
  for (int i = 0; i < 7; ++i) gave(t);
}

// By the program's own code, and large: the only ones that are looked at.
void mappings(Totals& t) {
  constexpr std::size_t kBytes = 256u << 10;
  void* map = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) std::abort();
  got(t, map, kBytes);
  map = mremap(map, kBytes, 2 * kBytes, MREMAP_MAYMOVE);
  if (map == MAP_FAILED) std::abort();
  ++t.reallocs;
  t.bytes += 2 * kBytes;
  munmap(map, 2 * kBytes);
  gave(t);
}

struct Kind {
  const char* name;
  void (*run)(Totals&);
};
constexpr Kind kKinds[] = {{"c_family", c_family},
                           {"reallocations", reallocations},
                           {"vanishing", vanishing},
                           {"operators", operators},
                           {"mappings", mappings}};

}  // namespace

int main(int argc, char** argv) {
  static char out[BUFSIZ];  // or the C library asks for one
  std::setvbuf(stdout, out, _IOFBF, sizeof out);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 0;
  for (const Kind& kind : kKinds) {
    if (argc < 2 || std::strcmp(argv[1], kind.name) != 0) continue;
    Totals one;
    kind.run(one);
    Totals rest;
    for (int i = 0; i < rounds; ++i) kind.run(rest);
    std::printf("%lu %lu %lu %lu\n", one.allocations, one.frees, one.reallocs, one.bytes);
    return 0;
  }
  std::fprintf(stderr, "usage: family_cases KIND ROUNDS\n");
  return 2;
}

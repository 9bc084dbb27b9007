// SPDX-License-Identifier: Apache-2.0
//
// loader_cases: threads that load and unload code at once, and libraries that do more than they
// should while they are loaded. Arguments: CASE LIBRARY...
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

namespace {

char** arguments;
int libraries;

void* volatile escaped;

__attribute__((noinline)) void grow_late() {
  std::vector<long> v;
  for (int i = 0; i < 20000; ++i) v.push_back(i);
  escaped = v.data();
}

constexpr int kThreads = 4, kRounds = 150;

// Each thread loads the libraries in turn, runs what they hold, and unloads them; as others do the
// same, a library often comes to lie where another one has just been.
int case_race() {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t] {
      for (int round = 0; round < kRounds; ++round) {
        void* library = dlopen(arguments[2 + (t + round) % libraries], RTLD_NOW | RTLD_LOCAL);
        if (!library) std::abort();
        auto run = reinterpret_cast<void (*)()>(dlsym(library, "plugin_run"));
        run();
        dlclose(library);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  grow_late();
  return 0;
}

// One library after the other is loaded for good.
int case_load() {
  for (int i = 0; i < libraries; ++i) {
    void* library = dlopen(arguments[2 + i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    if (auto run = reinterpret_cast<void (*)()>(dlsym(library, "plugin_run"))) run();
  }
  grow_late();
  while (wait(nullptr) > 0) {
  }
  return 0;
}

}  // namespace

int main(int count, char** argv) {
  arguments = argv;
  libraries = count - 2;
  const std::string_view name = count > 2 ? argv[1] : "";
  if (name == "race") return case_race();
  if (name == "load") return case_load();
  std::fprintf(stderr, "usage: loader_cases race|load LIBRARY...\n");
  return 2;
}

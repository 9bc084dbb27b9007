// SPDX-License-Identifier: Apache-2.0
//
// exec_chain MORE MS: becomes itself again MORE times and stays MS ms in between, so that the
// recorder looks at each several times. Each grows in grow_parent, the last in grow_child as well.
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace {

void* volatile escaped;
const char* volatile which;  // makes the functions differ: equal ones are folded into one

// As in process_cases.cpp: 14 growths that a profiler of malloc can see.
#define GROWER(name)                                \
  __attribute__((noinline)) void name() {           \
    std::vector<long> v;                            \
    for (int i = 0; i < 20000; ++i) v.push_back(i); \
    escaped = v.data();                             \
    which = #name;                                  \
  }
GROWER(grow_parent)
GROWER(grow_child)

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  grow_parent();
  const int more = std::atoi(words[1]);
  usleep(static_cast<useconds_t>(std::atoi(words[2])) * 1000);
  if (more == 0) {
    grow_child();
    return 0;
  }
  std::string next = std::to_string(more - 1);
  char* again[] = {words[0], next.data(), words[2], nullptr};
  execv("/proc/self/exe", again);
  return 127;
}

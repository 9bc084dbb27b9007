// SPDX-License-Identifier: Apache-2.0
//
// fork_unable: two children that can't open a file, and a child of the second.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

namespace {

void* volatile escaped;

void grow() {
  std::vector<long> v;
  for (int i = 0; i < 20000; ++i) v.push_back(i);
  escaped = v.data();
}

int wait_for(pid_t child) {
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

}  // namespace

int main() {
  grow();
  int failed = 0;
  for (int i = 0; i < 2; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const rlimit none{0, 0};
      setrlimit(RLIMIT_NOFILE, &none);
      grow();
      if (i == 0) return 0;
      const pid_t grandchild = fork();
      if (grandchild == 0) {
        grow();
        return 0;
      }
      return wait_for(grandchild);
    }
    failed += wait_for(child);
  }
  grow();
  return failed;
}

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Code that comes and goes while others allocate, and libraries that misbehave while they load."""
import support
from support import diagnose, links

LINKS = 14  # of one call of a grow_* function

# Equally large files whose functions have frames of different sizes: one that is taken for another
# gives wrong stacks. Both the constructor and the function allocate.
PLUGIN = """
#include <cstdlib>
static void* volatile kept;
extern "C" __attribute__((noinline)) void %(name)s_step(int depth) {
  volatile char room[%(room)d];
  room[0] = static_cast<char>(depth);
  if (depth > 0) {
    %(name)s_step(depth - 1);
  } else {
    for (int i = 0; i < 20; ++i) {
      kept = std::malloc(64 + i);
      std::free(kept);
    }
  }
  room[1] = room[0];
}
struct AtLoad { AtLoad() { %(name)s_step(3); } } at_load;
extern "C" void plugin_run() {
  %(name)s_step(5);
  kept = nullptr;
}
"""

FORKS = """
#include <unistd.h>
#include <vector>
void* volatile escaped;
__attribute__((noinline)) void grow_child() {
  std::vector<long> v;
  for (int i = 0; i < 20000; ++i) v.push_back(i);
  escaped = v.data();
}
struct AtLoad {
  AtLoad() {
    if (fork() == 0) {
      grow_child();
      _exit(0);
    }
  }
} at_load;
"""


def library(folder, name, text):
    return support.compile_text(text, folder / f"{name}.so", "-shared", "-fPIC", "-O2", "-g")


def test_libraries_that_threads_load_and_unload_at_once_are_told_apart(folder):
    plugins = [library(folder, name, PLUGIN % {"name": name, "room": room})
               for name, room in (("first", 16), ("second", 48), ("third", 112))]
    recorded = support.record(folder, [support.program("loader_cases"), "race", *plugins],
                              "--verify-unwind=1")
    report = diagnose(recorded.root)
    checked = report["process"]["verify_checked"]
    assert checked > 10000, checked
    assert report["process"]["verify_differences"] == 0, report["process"]
    assert links(report, "grow_late") == LINKS


def test_a_library_whose_constructor_forks_gives_two_recordings(folder):
    forks = library(folder, "forks", FORKS)
    recorded = support.record(folder, [support.program("loader_cases"), "load", forks])
    reports = recorded.reports()
    assert len(reports) == 2, recorded.paths
    assert sorted(links(report, "grow_child") for report in reports) == [0, LINKS]
    assert sorted(links(report, "grow_late") for report in reports) == [0, LINKS]


def test_a_preloaded_library_whose_constructor_forks_gives_two_recordings(folder):
    # Its constructor runs before the agent's: the process forks in the loader, unprepared.
    forks = library(folder, "forks", FORKS)
    program = support.program("loader_cases")
    recorded = support.record(folder, ["sh", "-c", f"LD_PRELOAD=$LD_PRELOAD:{forks} exec {program} load libm.so.6"])
    seen = [(links(report, "grow_child"), links(report, "grow_late")) for report in recorded.reports()]
    assert sum(child for child, _ in seen) == LINKS, seen
    assert sum(late for _, late in seen) == LINKS, seen


if __name__ == "__main__":
    support.main(globals())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that leave a recorder little to live on run as they would without it, and are recorded.

programs/guest_cases.cpp holds one case per argument; each call of one of its grow_* functions makes
exactly LINKS growths with the C library's malloc.
"""
import ctypes.util
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import time

import support
from support import diagnose, links, record, shown, ullage

LINKS = 14


def guest(folder, *words, **options):
    return record(folder, [support.program("guest_cases"), *words], **options)


def expect_links(report, **wanted):
    seen = {name: links(report, name) for name in wanted}
    assert seen == {name: calls * LINKS for name, calls in wanted.items()}, seen


# Little to live on.

def test_a_program_without_address_space_behaves_as_it_does_alone(folder):
    assert support.run([support.program("guest_cases"), "little_space"]).returncode == 0
    report = diagnose(guest(folder, "little_space").root)
    expect_links(report, grow_early=1, grow_late=1)
    # 250 threads ran, and 250 could not be made: what was set aside for those was used again.
    assert report["process"]["threads"] <= 260, report["process"]["threads"]


def test_a_program_that_closes_every_descriptor_is_recorded_to_its_end(folder):
    report = diagnose(guest(folder, "closefrom").root)
    expect_links(report, grow_early=1, grow_late=1)
    assert report["process"]["events"] > 390_000, report["process"]["events"]


def test_a_program_that_changes_its_root_folder_is_recorded_to_its_end(folder):
    if os.geteuid() != 0:
        raise support.Skip("only root may chroot")
    jail = folder / "jail"
    jail.mkdir()
    report = diagnose(guest(folder, "chroot", jail).root)
    expect_links(report, grow_early=1, grow_late=1)
    assert report["process"]["events"] > 390_000, report["process"]["events"]
    assert not list(jail.iterdir()), "something was written into the program's new root"


def test_a_server_that_becomes_another_user_is_recorded_to_its_end(folder):
    if os.geteuid() != 0:
        raise support.Skip("only root may become another user")
    os.chmod(folder, 0o700)
    report = diagnose(guest(folder, "other_user").root)
    expect_links(report, grow_early=1, grow_thread=1, grow_late=1)
    assert report["process"]["events"] > 390_000, report["process"]["events"]
    assert report["process"]["ended"] == "normally", report["process"]["ended"]


def test_a_daemon_is_recorded_when_waited_for(folder):
    recorded = record(folder, [support.program("guest_cases"), "daemon"], "--wait-all")
    reports = recorded.reports()
    assert len(reports) == 2, recorded.paths
    # The child begins with what its parent did before, unseen.
    assert sorted(links(report, "grow_early") for report in reports) == [0, LINKS]
    assert sorted(links(report, "grow_late") for report in reports) == [0, LINKS]


def test_a_daemon_that_is_not_waited_for_is_named_and_can_be_completed(folder):
    go = folder / "go"
    done = ullage("record", "-o", folder / "out.ulg", "--", support.program("guest_cases"), "late_daemon", go)
    assert "has left behind a process (a daemon?) without a recording so far" in done.stderr, shown(done)
    assert diagnose(folder / "out.ulg")["process"]["ended"] == "normally"
    finish = done.stderr.split("complete that later: ullage record ")[1].splitlines()[0]
    go.touch()
    for _ in range(1000):
        done = support.run([support.BIN, "record", finish])
        if done.returncode == 0:
            break
        time.sleep(0.02)
    assert done.returncode == 0, shown(done)
    late, = (path for path in folder.glob("out.*.ulg"))
    expect_links(diagnose(late), grow_early=0, grow_late=1)


def test_a_program_in_a_pid_namespace_of_its_own_is_recorded_to_its_end(folder):
    """Its number, 1, is that of another process here."""
    unshare, = support.need("unshare")
    inside = [unshare, "--pid", "--fork", "--kill-child"]
    if support.run([*inside, "true"]).returncode != 0:
        raise support.Skip("may not make a pid namespace")
    recorded = record(folder, [*inside, support.program("guest_cases"), "grow"])
    reports = [report for report in recorded.reports() if report["process"]["program"] == "guest_cases"]
    assert len(reports) == 1 and reports[0]["process"]["pid"] == 1, recorded.paths
    expect_links(reports[0], grow_late=1)


def test_finish_leaves_a_program_in_a_pid_namespace_alone(folder):
    unshare, = support.need("unshare")
    inside = [unshare, "--pid", "--fork", "--kill-child"]
    if support.run([*inside, "true"]).returncode != 0:
        raise support.Skip("may not make a pid namespace")
    go = folder / "go"
    recorder = subprocess.Popen([support.BIN, "record", "-q", "-o", folder / "out.ulg", "--", *inside,
                                 support.program("guest_cases"), "wait_and_grow", go])
    for _ in range(1000):
        live = list(folder.glob("out.*.1.*.live"))
        if live:
            break
        time.sleep(0.02)
    recorder.kill()
    recorder.wait()
    done = support.run([support.BIN, "record", f"--finish={live[0]}"])
    assert done.returncode == 3 and "still runs" in done.stderr, shown(done)
    go.touch()
    for _ in range(1000):
        done = support.run([support.BIN, "record", f"--finish={live[0]}"])
        if done.returncode == 0:
            break
        time.sleep(0.02)
    assert done.returncode == 0, shown(done)
    expect_links(diagnose(str(live[0])[:-len("live")] + "ulg"), grow_early=1, grow_late=1)


def test_a_folder_that_goes_while_the_program_runs_is_named(folder):
    gone = folder / "gone"
    gone.mkdir()
    done = ullage("record", "-o", gone / "out.ulg", "--", "rm", "-r", gone, expect=3)
    assert f"{gone}: nothing was recorded, or what was is lost: this folder is gone" in done.stderr, shown(done)


def test_more_threads_than_can_live_at_once_may_follow_each_other(folder):
    report = diagnose(guest(folder, "many_threads").root)
    expect_links(report, grow_thread=1, grow_late=1)
    assert report["process"]["threads"] >= 5001, report["process"]["threads"]
    assert report["process"]["events"] >= 10_000, "some of 5000 threads were not recorded"


def test_a_stack_that_is_one_mapping_with_a_neighbour_ends_where_its_thread_does(folder):
    alone = support.run([support.program("guest_cases"), "merged_stack"])
    if alone.returncode == support.SKIPPED:
        raise support.Skip("the kernel did not merge a stack with its neighbour")
    assert alone.returncode == 0, shown(alone)
    expect_links(diagnose(guest(folder, "merged_stack").root), grow_thread=1, grow_late=1)


def test_mappings_given_back_in_pieces_leave_nothing_alive(folder):
    report = diagnose(guest(folder, "unmap_in_pieces").root)
    assert report["process"]["live_bytes_end"] < 256 << 10, report["process"]["live_bytes_end"]
    expect_links(report, grow_late=1)


# Its parent, its allocator, its own switch.

def test_a_recorder_whose_parent_ignores_children_still_waits_for_its_own(folder):
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    recorded = guest(folder, "grow", preexec_fn=ignore)
    expect_links(diagnose(recorded.root), grow_late=1)
    record(folder, ["sh", "-c", "exit 42"], expect=42, preexec_fn=ignore)


def allocator(name):
    found = ctypes.util.find_library(name)
    if not found:
        raise support.Skip(f"lib{name} is not installed")
    return found


def check_allocator(recorded, report=None):
    # Size classes differ: one of the first growths may lie below the smallest block that counts.
    report = report or diagnose(recorded.root)
    seen = links(report, "grow_late")
    assert LINKS - 1 <= seen <= LINKS, f"{seen} growths" + shown(recorded.done)
    assert report["process"]["live_bytes_end"] < 1 << 20, report["process"]


def check_preloaded(folder, name):
    """However somebody asks for it: the agent comes first, and calls on to the allocator."""
    library = allocator(name)
    program = [str(support.program("guest_cases")), "grow"]
    words = " ".join(program)
    own = dict(os.environ, LD_PRELOAD=library)
    spawn = ("import os, sys; library, words = sys.argv[1], sys.argv[2:]; "
             "pid = os.posix_spawn(words[0], words, dict(os.environ, LD_PRELOAD=library)); "
             "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))")
    for command, environment in (
            (program, own),
            (["sh", "-c", f"LD_PRELOAD=$LD_PRELOAD:{library} exec {words}"], None),
            (["sh", "-c", f"LD_PRELOAD={library}:$LD_PRELOAD exec {words}"], None),
            (["sh", "-c", f"LD_PRELOAD={library} exec {words}"], None),
            (["env", f"LD_PRELOAD={library}", *program], None),
            (["env", f"LD_PRELOAD={library}", "sh", "-c", f"{words}; exit $?"], None),
            (["python3", "-c", spawn, library, *program], None)):
        recorded = record(folder, command, env=environment)
        reports = [report for report in recorded.reports() if report["process"]["program"] == "guest_cases"]
        assert len(reports) == 1, (command, recorded.paths, shown(recorded.done))
        check_allocator(recorded, reports[0])


def test_a_preloaded_jemalloc_is_recorded(folder):
    check_preloaded(folder, "jemalloc")


def test_a_preloaded_tcmalloc_is_recorded(folder):
    check_preloaded(folder, "tcmalloc_minimal")


BEHIND_OUR_BACK = """
#include <stdlib.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
extern char** environ;
int main(int, char** words) {
  setenv("LD_PRELOAD", (std::string(words[1]) + ":" + getenv("LD_PRELOAD")).c_str(), 1);
  syscall(SYS_execve, words[2], words + 2, environ);
}
"""


def test_an_allocator_that_answers_before_the_agent_is_named_with_what_to_do(folder):
    launcher = support.compile_text(BEHIND_OUR_BACK, folder / "launcher", "-O1")
    library = allocator("jemalloc")
    recorded = record(folder, [launcher, library, support.program("guest_cases"), "grow"], expect=3)
    assert library in recorded.done.stderr and "LD_PRELOAD=$LD_PRELOAD:" in recorded.done.stderr, shown(recorded.done)
    assert "replaced itself" not in recorded.done.stderr, shown(recorded.done)
    report = diagnose(recorded.root)
    assert any(library in note for note in report["understood"]["notes"]), report["understood"]
    # Quiet or not, this is what went wrong.
    quiet = record(folder, [launcher, library, support.program("guest_cases"), "grow"], "-q", expect=3)
    assert library in quiet.done.stderr, shown(quiet.done)


OWN_MALLOC = """
#include <dlfcn.h>
#include <stddef.h>
#include <vector>
extern "C" void* malloc(size_t bytes) {
  static auto* const next = reinterpret_cast<void* (*)(size_t)>(dlsym(RTLD_NEXT, "malloc"));
  return next(bytes);
}
int main() {
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(malloc(100));
}
"""


def test_a_program_whose_own_malloc_calls_the_next_one_is_recorded(folder):
    program = support.compile_text(OWN_MALLOC, folder / "own", "-O0", "-g")
    recorded = record(folder, [program])
    assert diagnose(recorded.root)["process"]["allocations"] > 1000, shown(recorded.done)
    assert "was seen" not in recorded.done.stderr, shown(recorded.done)


MERE_REFERENCE = """
#include <stdlib.h>
int main(int words, char**) {
  void* (*volatile allocate)(size_t) = &malloc;
  if (words > 1) free(allocate(100));
}
"""


def test_a_program_that_takes_the_address_of_malloc_does_not_define_it(folder):
    program = support.compile_text(MERE_REFERENCE, folder / "refers", "-O1", "-fno-pie", "-no-pie", "-Wl,--as-needed")
    symbols = support.run(["readelf", "--dyn-syms", "-W", program]).stdout
    values = [line.split()[1] for line in symbols.splitlines() if " UND malloc@" in line]
    assert values and int(values[0], 16) != 0, "the program has no address of its own for malloc" + symbols
    for words in ([], ["allocate"]):  # nothing that could be seen, and something
        recorded = record(folder, [program, *words])
        assert "defines malloc" not in recorded.done.stderr, shown(recorded.done)
        report = diagnose(recorded.root)
        assert report["process"]["allocations"] >= len(words), report["process"]
        assert not any("malloc" in note for note in report["understood"]["notes"]), report["understood"]


def linked_against(folder, name):
    library = pathlib.Path("/usr/lib/x86_64-linux-gnu") / allocator(name)
    program = support.compile_program(support.SRC / "tests/programs/guest_cases.cpp", folder / f"with-{name}",
                                      "-O2", "-g", f"-I{support.SRC}/include", "-pthread", "-Wl,--no-as-needed",
                                      str(library))
    check_allocator(record(folder, [program, "grow"]))


def test_growth_is_linked_where_the_kernel_compares_nothing_for_us(folder):
    report = diagnose(guest(folder, "sandbox").root)
    expect_links(report, grow_thread=1, grow_late=1)
    for name in ("grow_thread", "grow_late"):
        site, = support.sites(report, name)
        assert (site["checked_links"], site["content_links"]) == (0, 0), site


def test_a_program_linked_to_jemalloc_is_recorded(folder):
    linked_against(folder, "jemalloc")


def test_a_program_linked_to_tcmalloc_is_recorded(folder):
    linked_against(folder, "tcmalloc_minimal")


def test_a_program_on_standby_records_what_it_asks_for(folder):
    recorded = record(folder, [support.program("guest_cases"), "standby"], "--standby")
    expect_links(diagnose(recorded.root), grow_early=0, grow_thread=1, grow_late=1)
    recorded = record(folder, [support.program("guest_cases"), "standby"])
    expect_links(diagnose(recorded.root), grow_early=1, grow_thread=1, grow_late=1)


# What the recordings say.

def test_threads_have_their_names_in_a_timeline_however_they_got_them(folder):
    recorded = guest(folder, "pool")
    expect_links(diagnose(recorded.root), grow_thread=3, grow_late=1)
    trace = json.loads(ullage("diagnose", "--perfetto", recorded.root).stdout)["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in trace if event["name"] == "thread_name"}
    grew = {event["tid"] for event in trace if event["ph"] == "b" and "grow_thread" in event["args"]["site"]}
    assert sorted(names[tid] for tid in grew) == ["by-another", "by-itself", "by-prctl"], names
    assert names[trace[0]["pid"]] == "guest_cases", names


def test_recorder_and_report_count_the_same_events(folder):
    recorded = guest(folder, "many_threads")
    said = re.search(r"([\d ]+) events in", recorded.done.stderr)[1]
    assert int(said.replace(" ", "")) == diagnose(recorded.root)["process"]["events"], said


def test_memory_that_only_grows_is_named_though_it_is_freed_at_the_end(folder):
    report = diagnose(guest(folder, "teardown").root)
    found = [finding for finding in report["findings"] if finding["detector"] == "unbounded-growth"]
    assert len(found) == 1, [finding["detector"] for finding in report["findings"]]
    assert "keep_one" in str(found[0]), found[0]


def test_recordings_without_stacks_are_not_judged(folder):
    program = [support.program("guest_cases"), "grow"]
    whole = record(folder, program)
    # Room for events, but none for a table of calling contexts.
    limit = (64 << 10, 64 << 10)
    blind = record(folder, program, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    done = ullage("diagnose", "--fail-on=any", blind.root, expect=3)
    assert "no stacks" in done.stderr and "ulimit -f" in done.stderr, shown(done)
    for pair in ((whole.root, blind.root), (blind.root, whole.root)):
        done = ullage("diff", "--fail-on=worse,new", *pair, expect=3)
        assert blind.root in done.stderr and "could not judge" in done.stderr, shown(done)
    ullage("diff", "--fail-on=worse,new", whole.root, whole.root)


def test_what_is_no_recording_cannot_be_compared(folder):
    whole = record(folder, [support.program("guest_cases"), "grow"])
    text = folder / "notes.txt"
    text.write_text("no recording\n")
    for other in (text, folder / "missing.ulg"):
        done = ullage("diff", whole.root, other, expect=3)
        assert other.name in done.stderr, shown(done)


if __name__ == "__main__":
    support.main(globals())

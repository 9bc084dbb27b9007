#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs of every habit: what they fork, execute, overwrite and interrupt is recorded all the same.

programs/process_cases.cpp holds one case per argument; each call of one of its grow_* functions makes
exactly LINKS growths.
"""
import errno
import os
import pathlib
import resource
import shutil
import stat

import support
from support import diagnose, links, record, shown, ullage

LINKS = 14


def cases(folder, *words, **options):
    return record(folder, [support.program("process_cases"), *words], **options)


def expect_links(recorded, **wanted):
    """Growths of each function over all recordings, and none of them in two."""
    reports = recorded.reports()
    for function, calls in wanted.items():
        seen = [links(report, function) for report in reports]
        assert sum(seen) == calls * LINKS, f"{function}: {seen} of {calls * LINKS}" + shown(recorded.done)
    return reports


def one(recorded):
    assert len(recorded.paths) == 1, recorded.paths
    return recorded


# Children.

def test_a_fork_gives_two_whole_recordings(folder):
    recorded = cases(folder, "fork")
    reports = expect_links(recorded, grow_parent=2, grow_child=2)
    assert len(reports) == 2, recorded.paths
    for report in reports:
        assert bool(links(report, "grow_parent")) != bool(links(report, "grow_child")), "mixed up"
        assert report["understood"]["segments_damaged"] == 0, report["understood"]


def test_children_of_a_busy_threaded_process_are_recorded(folder):
    recorded = cases(folder, "fork_storm")
    expect_links(recorded, grow_parent=1, grow_child=20)
    assert len(recorded.paths) == 21, recorded.paths


def test_vfork_and_exec_leave_the_parents_recording_whole(folder):
    recorded = cases(folder, "vfork")
    expect_links(recorded, grow_parent=2, grow_child=1)
    assert links(diagnose(recorded.root), "grow_parent") == 2 * LINKS


def test_posix_spawn_is_followed(folder):
    expect_links(cases(folder, "spawn"), grow_parent=2, grow_child=1)


SPAWNS = """
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
using Words = char* const[];
#define OLD(name) extern "C" int old_##name(pid_t*, const char*, const void*, const void*, Words, Words); \\
  __asm__(".symver old_" #name ", " #name "@GLIBC_2.2.5");
OLD(posix_spawn)
OLD(posix_spawnp)
int main(int, char** words) {
  pid_t pid = 0;
  int status = 0, error = 0;
  char* const* child = words + 2;
  if (!strcmp(words[1], "old")) error = old_posix_spawn(&pid, words[2], nullptr, nullptr, child, environ);
  if (!strcmp(words[1], "oldp")) error = old_posix_spawnp(&pid, words[2], nullptr, nullptr, child, environ);
  if (!strcmp(words[1], "new")) error = posix_spawn(&pid, words[2], nullptr, nullptr, child, environ);
  if (!strcmp(words[1], "newp")) error = posix_spawnp(&pid, words[2], nullptr, nullptr, child, environ);
  if (error != 0) return 100 + error;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}
"""


def test_each_version_of_posix_spawn_does_what_it_does_without_us(folder):
    program = support.compile_text(SPAWNS, folder / "spawns", "-O1")
    script = folder / "script"  # without "#!": the old versions give it to the shell
    script.write_text(f"{support.program('process_cases')} grow; exit 7\n")
    script.chmod(0o755)
    bare = [support.run([program, how, script]).returncode for how in ("old", "oldp", "new", "newp")]
    assert bare == [7, 7, 100 + errno.ENOEXEC, 100 + errno.ENOEXEC], bare
    for how, code in zip(("old", "oldp", "new", "newp"), bare):
        recorded = record(folder, [program, how, script], expect=code)
        expect_links(recorded, grow_parent=1 if code == 7 else 0)


def test_what_a_process_did_before_exec_is_kept(folder):
    recorded = cases(folder, "exec")
    expect_links(recorded, grow_parent=1, grow_child=1)
    assert links(diagnose(recorded.root), "grow_child") == LINKS, "out.ulg is the last program"


def test_a_recording_that_ends_by_exec_says_so(folder):
    for how in ("execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve", "execveat"):
        first, last = sorted(cases(folder, "exec_by", how).reports(), key=lambda r: links(r, "grow_child"))
        assert links(first, "grow_parent") == links(last, "grow_child") == LINKS, how
        assert first["process"]["ended"] == "became another program", (how, first["process"])
        assert last["process"]["ended"] == "normally", (how, last["process"])
    alone = one(record(folder, [support.program("process_cases"), "exec"], "--no-follow"))
    report, = expect_links(alone, grow_parent=1)
    assert report["process"]["ended"] == "became another program", report["process"]


def test_a_process_that_becomes_another_program_again_and_again_keeps_each_recording(folder):
    for times in (2, 4):
        out = folder / str(times)
        out.mkdir()
        recorded = record(out, [support.program("exec_chain"), str(times), "250"])  # ms: some looks of the recorder
        assert len(recorded.paths) == times + 1, recorded.paths
        expect_links(recorded, grow_parent=times + 1, grow_child=1)
        last = diagnose(recorded.root)
        assert links(last, "grow_parent") == links(last, "grow_child") == LINKS, "out.ulg is the last program"
        assert last["process"]["ended"] == "normally", last["process"]
        assert "replaced itself" not in recorded.done.stderr, shown(recorded.done)
        assert f"ullage diagnose {recorded.root}" in recorded.done.stderr, shown(recorded.done)
        images = [os.path.basename(path) for path in recorded.paths if path != recorded.root]
        pid = min(images, key=len).split(".")[1]
        assert sorted(images) == sorted(f"out.{pid}{f'-{i}' if i else ''}.ulg" for i in range(times)), images


def test_an_exec_that_fails_is_not_an_end(folder):
    report, = expect_links(one(cases(folder, "exec_fails", expect=137)), grow_parent=1)
    assert report["process"]["ended"].startswith("killed"), report["process"]


def test_a_wrapper_script_does_not_hide_the_program(folder):
    program = support.program("process_cases")
    recorded = record(folder, ["bash", "-c", f"true; exec {program} grow"])
    expect_links(recorded, grow_parent=1)
    assert links(diagnose(recorded.root), "grow_parent") == LINKS
    assert f"ullage diagnose {recorded.root}" in recorded.done.stderr, shown(recorded.done)


INSISTS = """
if [ "$LD_PRELOAD" != "$2" ]; then
  echo again
  tries=$((${tries:-0} + 1))
  export tries
  [ "$tries" -le 20 ] || exit 1
  LD_PRELOAD=$2 exec sh "$1" "$@"
fi
echo done
"""


def test_a_wrapper_that_insists_on_its_own_preload_gets_its_way_after_a_few_times(folder):
    library = support.compile_text("int nothing;", folder / "mine.so", "-shared", "-fPIC")
    script = folder / "insists.sh"
    script.write_text(INSISTS)
    command = ["sh", script, script, library]
    bare = support.run(command)
    assert bare.stdout == "again\ndone\n", shown(bare)
    # Whether there is a recording that could tell how often it was, or not (yet).
    for options in ([], ["--standby"]):
        recorded = record(folder, command, *options, timeout=60)
        said = recorded.done.stdout.split()
        assert said == ["again"] * 9 + ["done"], shown(recorded.done)


def test_children_that_cannot_be_recorded_are_counted(folder):
    recorded = one(record(folder, [support.program("fork_unable")]))
    assert "3 child processes could not be recorded" in recorded.done.stderr, shown(recorded.done)
    recorded = cases(folder, "fork")
    assert "could not be recorded" not in recorded.done.stderr, shown(recorded.done)


def test_a_program_is_named_as_it_was_called(folder):
    link = folder / "nickname"
    link.symlink_to(support.program("process_cases"))
    recorded = one(record(folder, [link, "grow"]))
    assert "nickname, process" in recorded.done.stderr, shown(recorded.done)


def test_no_follow_records_the_first_program_only(folder):
    for case in ("fork", "vfork", "spawn"):
        recorded = one(record(folder, [support.program("process_cases"), case], "--no-follow"))
        expect_links(recorded, grow_parent=2, grow_child=0)


# Threads and stacks.

def test_hundreds_of_short_lived_threads_are_cheap_and_complete(folder):
    recorded = one(cases(folder, "threads"))
    report, = expect_links(recorded, grow_thread=240)
    assert report["process"]["threads"] >= 240, report["process"]["threads"]
    size = os.path.getsize(recorded.root)
    assert size < 40 * report["process"]["events"] + (1 << 20), f"{size} B"


def test_threads_that_leave_or_are_cancelled_are_complete(folder):
    expect_links(one(cases(folder, "thread_ends")), grow_thread=40)


def test_memory_asked_for_by_the_last_destructors_is_recorded(folder):
    # Of 5 threads x 2 destructors, an atexit handler and a static destructor, those that run after
    # the agent left a thread may pass unrecorded; the program's own end may not.
    recorded = one(cases(folder, "late"))
    seen = links(diagnose(recorded.root), "grow_late")
    assert 2 * LINKS <= seen <= 12 * LINKS and seen % LINKS == 0, seen


def test_coroutine_stacks_are_told_apart(folder):
    support.need_reading_of_own_memory()
    expect_links(one(cases(folder, "coroutines")), grow_coroutine=10)


# Libraries that come and go.

PLUGIN = """
#include <vector>
void* volatile escaped;
__attribute__((noinline)) void grow_%(name)s() {
  std::vector<long> v;
  for (int i = 0; i < 20000; ++i) v.push_back(i);
  escaped = v.data();
}
%(padding)s
extern "C" void plugin_run() {
  grow_%(name)s();
  escaped = nullptr;
}
"""


def test_libraries_that_reuse_each_others_addresses_keep_their_names(folder):
    padding = "__attribute__((used, noinline)) int pad(int x) { return x * 3 + (x >> 2); }"
    plugins = [support.compile_text(PLUGIN % {"name": name, "padding": extra}, folder / f"{name}.so",
                                    "-shared", "-fPIC", "-O2", "-g")
               for name, extra in (("first", ""), ("second", padding))]
    expect_links(one(cases(folder, "plugins", *plugins)), grow_first=20, grow_second=20)


# Signals.

def test_signals_at_any_moment_neither_stop_nor_spoil_a_recording(folder):
    recorded = one(cases(folder, "signal_storm"))
    report = diagnose(recorded.root)
    seen = links(report, "grow_parent")
    # An allocator call that a signal interrupts may miss its partner in the handler, no more.
    assert seen >= 0.99 * 200 * LINKS, seen
    assert report["understood"]["segments_damaged"] == 0, report["understood"]


def test_handlers_that_allocate_are_recorded(folder):
    expect_links(one(cases(folder, "handler")), grow_parent=1, grow_handler=10)


def test_handlers_on_an_alternate_stack_are_recorded(folder):
    support.need_reading_of_own_memory()
    expect_links(one(cases(folder, "alternate_stack")), grow_parent=1, grow_handler=10)


def test_a_program_may_overwrite_its_environment(folder):
    expect_links(one(cases(folder, "title")), grow_parent=1, grow_late=1)


def test_a_program_may_switch_recording_while_blocks_come_and_go(folder):
    expect_links(one(cases(folder, "pauses")), grow_parent=1)


def test_a_handler_that_jumps_away_does_not_silence_its_thread(folder):
    expect_links(one(cases(folder, "jumps")), grow_late=1)


def test_operators_that_a_program_replaces_in_part_stay_its_own(folder):
    program = support.program("own_operators")
    bare = support.run([program], check=True).stdout
    recorded = record(folder, [program])
    assert recorded.done.stdout == bare, shown(recorded.done)


# How it ends.

def test_a_vfork_that_fails_is_not_the_end_of_its_parent(folder):
    recorded = one(cases(folder, "vfork_fails", expect=137))
    report, = expect_links(recorded, grow_parent=1)
    assert report["process"]["ended"] != "normally", report["process"]["ended"]


def test_a_killed_program_loses_nothing_and_its_exit_code_is_the_shells(folder):
    for case, code in (("killed", 137), ("aborts", 134)):
        recorded = one(cases(folder, case, expect=code))
        expect_links(recorded, grow_parent=1)


def test_exit_codes_are_passed_on(folder):
    expect_links(one(cases(folder, "exits_42", expect=42)), grow_parent=1)
    record(folder, ["false"], expect=1)


def test_input_and_output_are_the_programs_own(folder):
    text = "".join(f"line {i}\n" for i in range(20000))
    out = folder / "cat.ulg"
    done = support.subprocess.run([support.BIN, "record", "-o", str(out), "--", "cat"], input=text, text=True,
                                  capture_output=True, timeout=support.TIMEOUT_S, check=False)
    assert done.returncode == 0 and done.stdout == text, done.stderr
    done = ullage("record", "-q", "-o", out, "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n"), shown(done)


def test_recordings_are_readable_by_their_owner_only(folder):
    old = os.umask(0)
    try:
        recorded = cases(folder, "fork")
    finally:
        os.umask(old)
    for path in recorded.paths:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        assert mode == 0o600, f"{path}: {mode:o}"


# Where recording is impossible.

def impossible(folder, command, *words, **options):
    out = folder / "impossible.ulg"
    done = ullage("record", "-o", out, "--", *command, expect=3, **options)
    for word in words:
        assert word.lower() in done.stderr.lower(), f"'{word}' is not in the message" + shown(done)
    return done


def test_a_static_program_is_refused_with_what_to_do_instead(folder):
    source = "#include <vector>\nint main() { std::vector<int> v(100); return v[3]; }\n"
    program = support.compile_text(source, folder / "static", "-static")
    impossible(folder, [program], "static")


def test_a_setuid_program_is_refused(folder):
    if os.geteuid() != 0:
        raise support.Skip("only root can make a program setuid to somebody else")
    program = folder / "setuid"
    shutil.copy(support.program("process_cases"), program)
    os.chown(program, 65534, 65534)
    os.chmod(program, 0o4755)
    impossible(folder, [program, "grow"], "setuid")


def test_an_address_sanitizer_program_is_refused(folder):
    source = "#include <vector>\nint main() { std::vector<int> v(100); return v[3]; }\n"
    program = support.compile_text(source, folder / "asan", "-fsanitize=address")
    impossible(folder, [program], "sanitizer")


def test_a_child_built_with_a_sanitizer_runs_as_it_would_alone_and_is_named(folder):
    source = """
#include <cstdio>
#include <vector>
int main(int count, char**) {
  std::vector<int> v(100);
  for (int i = 0; i < 1000; ++i) v.push_back(i);
  std::puts("it ran");
  return count > 1 ? v.data()[5000] : v[3];
}
"""
    program = support.compile_text(source, folder / "asan", "-fsanitize=address")
    for script, code in (("{}; exit $?", 0), ("exec {}", 0), ("{} wrong 2>/dev/null; exit $?", 1)):
        recorded = record(folder, ["sh", "-c", script.format(program)], expect=code,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        assert ("it ran" in recorded.done.stdout) == (code == 0), shown(recorded.done)
        assert "sanitizer" in recorded.done.stderr, shown(recorded.done)
        assert "replaced itself" not in recorded.done.stderr, shown(recorded.done)


def test_a_program_that_does_not_exist_is_named(folder):
    impossible(folder, ["./no-such-program"], "no-such-program")
    impossible(folder, [str(folder)], str(folder))


def test_an_output_folder_that_cannot_be_written_is_named(folder):
    (folder / "file").write_text("")
    for out in (folder / "missing/out.ulg", folder / "file/out.ulg", "/proc/out.ulg"):
        done = ullage("record", "-o", out, "--", "true", expect=3)
        assert str(pathlib.Path(out).parent) in done.stderr, shown(done)


def test_an_output_whose_name_is_too_long_is_told_so(folder):
    for length in (240, 300):
        done = ullage("record", "-o", folder / ("x" * length), "--", "true", expect=3)
        assert "too long" in done.stderr and "-o" in done.stderr, shown(done)
        assert "folder" not in done.stderr.split("too long")[1], shown(done)
    ullage("record", "-o", folder / ("x" * 200 + ".ulg"), "--", "true")


def test_a_program_that_stays_asleep_in_standby_keeps_its_exit_code(folder):
    out = folder / "asleep.ulg"
    done = ullage("record", "--standby", "-o", out, "--", support.program("process_cases"), "exits_42",
                  expect=42)
    assert "start()" in done.stderr and "not loaded" not in done.stderr, shown(done)
    assert not out.exists()


# Full disks.

def many(folder, out, **options):
    return support.run([support.BIN, "record", "-o", out, "--", support.program("process_cases"), "many"],
                       **options)


def test_a_full_disk_ends_the_recording_and_not_the_program(folder):
    if os.geteuid() != 0:
        raise support.Skip("only root can mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    if support.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk]).returncode != 0:
        raise support.Skip("no permission to mount a tmpfs")
    try:
        done = many(folder, disk / "out.ulg")
        assert done.returncode == 0, shown(done)
        assert "disk" in done.stderr or "space" in done.stderr, "nobody was told" + shown(done)
        left = sorted(disk.iterdir())
        assert left, "nothing of the recording is left"
        reports = [diagnose(path) for path in left if path.suffix in (".ulg", ".live")]
        assert reports and reports[0]["process"]["events"] > 10000, [r["process"] for r in reports]
        assert "disk" in reports[0]["process"]["ended"], reports[0]["process"]["ended"]
    finally:
        support.run(["umount", disk])


def test_a_limit_on_file_sizes_ends_the_recording_and_not_the_program(folder):
    # The last two are met by a segment of 2 MiB; what is below them is used all the same.
    events = []
    for kib in (1024, 2200, 3900):
        out = folder / str(kib)
        out.mkdir()

        def limit(limit_bytes=kib << 10):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        done = many(out, out / "out.ulg", preexec_fn=limit)
        assert done.returncode == 0, shown(done)
        assert "ulimit -f" in done.stderr, "nobody was told" + shown(done)
        left = sorted(out.glob("*.ulg")) + sorted(out.glob("*.live"))
        assert left, shown(done)
        events.append(diagnose(left[0])["process"]["events"])
    assert events[0] > 1000 and events[2] > 1.5 * events[1] > 1.5 * events[0], events


if __name__ == "__main__":
    support.main(globals())

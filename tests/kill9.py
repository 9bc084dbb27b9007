#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at a random moment, of the program or of its recorder: what happened before it is read.

The program counts its own allocator calls in a mapped file, so the truth is known to the call.
The moments come from a seed, which is printed: ULLAGE_SEED=N repeats them.
"""
import fcntl
import os
import pathlib
import random
import select
import signal
import struct
import subprocess
import time

import support

SEED = int(os.environ.get("ULLAGE_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = 20 if support.FULL else 4
# The last calls before a kill may be counted by the program and not yet by the agent, or the other
# way round: one on each side per thread, and the calls of the C library's start.
SLACK_CALLS = 100


def start(folder, out):
    counter = folder / "calls"
    counter.write_bytes(bytes(8))
    recorder = subprocess.Popen(
        [support.BIN, "record", "-q", "-o", str(out), "--", support.program("counted"), str(counter)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    support.wait_until(lambda: calls(counter) > 1000 or recorder.poll() is not None, "the program started")
    assert recorder.poll() is None, recorder.stderr.read()
    return recorder, counter


def calls(counter):
    return struct.unpack("<Q", counter.read_bytes())[0]


def child_of(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1, children
    return int(children[0])


def check(report, counted, what):
    decoded = report["process"]["events"]
    print(f"      {what}: {counted} calls, {decoded} events decoded")
    assert decoded >= 0.9999 * counted - SLACK_CALLS, f"{what}: {counted} calls, {decoded} decoded"
    assert decoded <= counted + 10000, f"{what}: more events than calls: {decoded} of {counted}"
    assert report["understood"]["segments_damaged"] == 0, report["understood"]


def test_a_killed_program_loses_at_most_one_event_in_ten_thousand(folder):
    moments = random.Random(SEED)
    print(f"      ULLAGE_SEED={SEED}")
    for round_number in range(ROUNDS):
        out = folder / f"{round_number}.ulg"
        recorder, counter = start(folder, out)
        try:
            time.sleep(moments.uniform(0.0, 1.0))
            os.kill(child_of(recorder.pid), signal.SIGKILL)
            assert recorder.wait(timeout=support.TIMEOUT_S) == 137, recorder.stderr.read()
        finally:
            support.stop(recorder)
        check(support.diagnose(out), calls(counter), f"round {round_number}")


def test_a_killed_recorder_leaves_recordings_that_finish_completes(folder):
    moments = random.Random(SEED + 1)
    for round_number in range(max(2, ROUNDS // 4)):
        out = folder / f"r{round_number}.ulg"
        recorder, counter = start(folder, out)
        program = child_of(recorder.pid)
        try:
            time.sleep(moments.uniform(0.0, 0.7))
            support.stop(recorder)
        finally:
            os.kill(program, signal.SIGKILL)
        support.wait_until(lambda pid=program: gone(pid), "the program ended")
        live = sorted(folder.glob(f"r{round_number}.*.live"))
        assert len(live) == 1, live
        check(support.diagnose(live[0]), calls(counter), f"round {round_number}, live")
        done = support.ullage("record", "--finish", out, expect=None)
        finished = sorted(folder.glob(f"r{round_number}*.ulg"))
        assert len(finished) == 1 and not live[0].exists(), support.shown(done)
        check(support.diagnose(finished[0]), calls(counter), f"round {round_number}, finished")


def finish(out, *options, expect):
    done = support.ullage("record", *options, "--finish", out, expect=expect)
    return done, sorted(out.parent.glob(f"{out.stem}.*.live")), sorted(out.parent.glob(f"{out.stem}*.ulg"))


def test_finish_leaves_a_program_that_still_runs_alone_and_completes_it_later(folder):
    out = folder / "out.ulg"
    recorder, counter = start(folder, out)
    program = child_of(recorder.pid)
    try:
        support.stop(recorder)
        for options in ([], ["-q"]):
            done, live, finished = finish(out, *options, expect=3)
            assert f"pid {program}) still runs" in done.stderr, support.shown(done)
            assert len(live) == 1 and not finished, (live, finished)
        before = calls(counter)
        check_read = support.diagnose(live[0])["process"]["events"]
        assert check_read >= before - SLACK_CALLS, f"{before} calls, {check_read} read from the live file"
        support.wait_until(lambda: calls(counter) > before + 1000, "the program goes on")
    finally:
        os.kill(program, signal.SIGKILL)
    support.wait_until(lambda: gone(program), "the program ended")
    done, live, finished = finish(out, expect=0)
    assert len(finished) == 1 and not live, support.shown(done)
    check(support.diagnose(finished[0]), calls(counter), "finished")


def test_finish_leaves_what_a_recorder_still_follows_to_it(folder):
    out = folder / "out.ulg"
    recorder, counter = start(folder, out)
    program = child_of(recorder.pid)
    try:
        support.wait_until(lambda: list(folder.glob("*.part")), "the recorder follows its program")
        # Stopped and not killed: it holds what it follows, and looks at nothing.
        os.kill(recorder.pid, signal.SIGSTOP)
        os.kill(program, signal.SIGKILL)
        support.wait_until(lambda: gone(program), "the program ended")
        done, live, finished = finish(out, expect=3)
        assert "still runs" in done.stderr and "completes it" in done.stderr, support.shown(done)
        assert len(live) == 1 and not finished, (live, finished)
        os.kill(recorder.pid, signal.SIGCONT)
        assert recorder.wait(timeout=support.TIMEOUT_S) == 137
    finally:
        support.stop(recorder)
    assert not list(folder.glob("*.live")) and not list(folder.glob("*.part")), list(folder.iterdir())
    check(support.diagnose(out), calls(counter), "by its recorder")


# Each step waits for a line from the other side.
PARENT = "read x <{0}/begin; /bin/true; echo >{0}/child_ended; read x <{0}/end"


def test_finish_leaves_a_child_to_a_recorder_that_has_not_seen_it_yet(folder):
    out = folder / "out.ulg"
    pipes = {}
    for name in ("begin", "child_ended", "end"):
        os.mkfifo(folder / name)
        pipes[name] = os.open(folder / name, os.O_RDWR)
    recorder = subprocess.Popen(
        [support.BIN, "record", "-q", "-o", str(out), "--", "sh", "-c", PARENT.format(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        (live,) = support.wait_until(lambda: list(folder.glob("*.live")), "the program started")
        support.wait_until(lambda: held(live), "the recorder follows it")
        os.kill(recorder.pid, signal.SIGSTOP)
        os.write(pipes["begin"], b"\n")
        assert select.select([pipes["child_ended"]], [], [], support.TIMEOUT_S)[0], "the child does not end"
        done, files, finished = finish(out, expect=3)
        assert len(files) > 1 and not finished, support.shown(done)
        assert done.stderr.count("that follows it still runs") == len(files), support.shown(done)
    finally:
        os.kill(recorder.pid, signal.SIGCONT)
        os.write(pipes["end"], b"\n")
        code = recorder.wait(timeout=support.TIMEOUT_S)
        for pipe in pipes.values():
            os.close(pipe)
    assert code == 0, recorder.stderr.read()
    assert len(list(folder.glob("out*.ulg"))) == len(files) and not list(folder.glob("*.live")), list(folder.iterdir())


def held(path):
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_finish_does_what_it_can_and_names_what_it_can_not(folder):
    out = folder / "out.ulg"
    recorder, counter = start(folder, out)
    program = child_of(recorder.pid)
    support.stop(recorder)
    os.kill(program, signal.SIGKILL)
    support.wait_until(lambda: gone(program), "the program ended")
    broken = folder / "out.0badc0de.1.0.live"  # comes first
    broken.write_bytes(b"no recording" * 1000)
    done, live, finished = finish(out, expect=3)
    assert broken.name in done.stderr, support.shown(done)
    assert live == [broken] and len(finished) == 1, support.shown(done)
    check(support.diagnose(finished[0]), calls(counter), "finished")


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


if __name__ == "__main__":
    support.main(globals())

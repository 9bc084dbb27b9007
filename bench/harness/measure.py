# SPDX-License-Identifier: Apache-2.0
"""Runs one process tree and says what it cost.

Promise      CPU is user + system time of the command and of every descendant, also of those whose
             parent ended first: the command runs under a small warden process that is a child
             subreaper (prctl), waits until nobody is left, and reads RUSAGE_CHILDREN.
             Peak RSS is that of the largest single process of the tree (what the kernel keeps).
Not counted  A descendant whose parent ignores SIGCHLD: the kernel throws its usage away.
             The warden itself and the driver of a case (the client that feeds a server).
Floor        Peak RSS starts at about 10 MiB: a forked child counts as Python until it execs.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from .problem import Problem

# One measured run may take this long; then the whole tree is killed and the task stops.
# The slowest run we know (heaptrack under load) takes 30 s.
RUN_TIMEOUT_S = 300

# Descendants that outlive the command (a background compressor) have this long to finish.
ORPHAN_TIMEOUT_S = 60

# A driver that is still there this long after its server has ended is killed and reported.
DRIVER_GRACE_S = 10

# How much of a failing command's output an error message shows.
ERROR_TAIL_BYTES = 2000

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    cpu_s: float
    wall_s: float
    rss_mib: float
    exit_code: int


def run_tree(argv, *, cwd, env, log_path, driver=None, timeout_s=RUN_TIMEOUT_S):
    """Runs argv (and beside it, uncounted, driver) and returns its Usage.

    Output of both goes to log_path. Raises Problem on a timeout, a failing command or driver.
    """
    with open(log_path, "wb") as log:
        driver_process = _start_driver(driver, cwd, env, log)
        try:
            usage = _run_under_warden(argv, cwd, env, log, timeout_s)
            if usage.exit_code != 0:
                raise Problem(f"{_shown(argv)}: {_ending(usage.exit_code)}.\n{tail(log_path)}")
            if driver_process is not None:
                _finish_driver(driver, driver_process, log_path)
        finally:
            if driver_process is not None and driver_process.poll() is None:
                driver_process.kill()
                driver_process.wait()
    return usage


def tail(path):
    """The end of a log, indented, for an error message."""
    with open(path, "rb") as log:
        text = log.read()[-ERROR_TAIL_BYTES:].decode("utf-8", "replace").strip()
    return "\n".join("  | " + line for line in text.splitlines()) or "  | (it printed nothing)"


def _shown(argv):
    shown = " ".join(os.path.basename(argv[0]) if i == 0 else a for i, a in enumerate(argv))
    return shown if len(shown) <= 200 else shown[:197] + "..."


def _ending(exit_code):
    if exit_code < 0:
        return f"ended by signal {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


def _start_driver(driver, cwd, env, log):
    if driver is None:
        return None
    return subprocess.Popen(driver, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log)


def _finish_driver(driver, process, log_path):
    try:
        code = process.wait(DRIVER_GRACE_S)
    except subprocess.TimeoutExpired:
        raise Problem(f"{_shown(driver)}: still running {DRIVER_GRACE_S} s after its server ended; "
                      f"killed.\n{tail(log_path)}") from None
    if code != 0:
        raise Problem(f"{_shown(driver)}: {_ending(code)}.\n{tail(log_path)}")


def _run_under_warden(argv, cwd, env, log, timeout_s):
    answer_read, answer_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    warden = os.fork()
    if warden == 0:
        os.close(answer_read)
        _be_the_warden(argv, cwd, env, log, timeout_s, answer_write)  # does not return
    os.close(answer_write)
    try:
        with os.fdopen(answer_read, "rb") as pipe:
            answer = pipe.read()
    except KeyboardInterrupt:
        os.kill(warden, signal.SIGTERM)
        raise
    finally:
        os.waitpid(warden, 0)
    if not answer:
        raise Problem(f"{_shown(argv)}: the measuring process died before it could answer.")
    answer = json.loads(answer)
    if "problem" in answer:
        raise Problem(f"{_shown(argv)}: {answer['problem']}\n{tail(log.name)}")
    return Usage(**answer)


def _be_the_warden(argv, cwd, env, log, timeout_s, answer_fd):
    """The child's whole life: run, wait for everyone, answer, exit."""
    answer = {"problem": "the measuring process failed."}
    try:
        signal.signal(signal.SIGTERM, lambda *_: (_kill_descendants(), os._exit(1)))
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        answer = _run_and_account(argv, cwd, env, log, timeout_s)
    except OSError as error:
        answer = {"problem": f"could not be started: {error}"}
    finally:
        os.write(answer_fd, json.dumps(answer).encode())
        os._exit(0)


def _run_and_account(argv, cwd, env, log, timeout_s):
    start = time.monotonic()
    process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=log)
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _kill_descendants()
        process.returncode = -signal.SIGKILL  # reaped above, behind Popen's back
        return {"problem": f"not finished after {timeout_s} s; killed."}
    if not _reap_orphans(ORPHAN_TIMEOUT_S):
        _kill_descendants()
        return {"problem": f"left processes behind that were still running {ORPHAN_TIMEOUT_S} s "
                           "after it ended; killed."}
    wall_s = time.monotonic() - start
    total = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu_s": total.ru_utime + total.ru_stime, "wall_s": wall_s,
            "rss_mib": total.ru_maxrss / 1024, "exit_code": code}


def _reap_orphans(timeout_s):
    """Waits until this process has no children left. False if that took too long."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)


def _kill_descendants():
    """Ends everything below this process, generation by generation: orphans come to us."""
    while True:
        children = _children_of(os.getpid())
        if not children:
            return
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in children:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass


def _children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []

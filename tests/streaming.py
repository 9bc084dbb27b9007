#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reading a recording takes memory for the blocks that live in it, whatever its size."""
import os
import signal
import struct
import subprocess

import support

# The program keeps at most 512 blocks alive, and makes this many calls before it is killed.
CALLS = (300_000, 4_000_000)
# What a reading may take more for thirteen times as many events: none of it is theirs.
MORE_BYTES_MAX = 6 << 20


def recorded(folder, at_least):
    counter, out = folder / "calls", folder / f"{at_least}.ulg"
    counter.write_bytes(bytes(8))
    recorder = subprocess.Popen(
        [support.BIN, "record", "-q", "-o", str(out), "--", support.program("counted"), str(counter)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        support.wait_until(lambda: struct.unpack("<Q", counter.read_bytes())[0] > at_least, f"{at_least} calls")
        with open(f"/proc/{recorder.pid}/task/{recorder.pid}/children", encoding="ascii") as children:
            os.kill(int(children.read().split()[0]), signal.SIGKILL)
        assert recorder.wait(timeout=support.TIMEOUT_S) == 137, recorder.stderr.read()
    finally:
        support.stop(recorder)
    return out


def reading(path):
    """The events of a recording, and the most memory that reading it took."""
    reader = subprocess.Popen([support.BIN, "diagnose", "--json", str(path)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    report = support.json.loads(reader.stdout.read())
    _, status, usage = os.wait4(reader.pid, 0)
    reader.returncode = os.waitstatus_to_exitcode(status)
    assert reader.returncode == 0
    return report["process"]["events"], usage.ru_maxrss << 10


def test_thirteen_times_as_many_events_take_the_same_memory(folder):
    paths = [recorded(folder, calls) for calls in CALLS]
    (few, small), (many, large) = map(reading, paths)
    sizes = [os.path.getsize(path) for path in paths]
    print(f"      {few} events, {sizes[0]} B: {small >> 10} KiB; {many} events, {sizes[1]} B: {large >> 10} KiB")
    assert many > 4 * few and sizes[1] > sizes[0] + 2 * MORE_BYTES_MAX, "the larger is not large enough"
    assert large < small + MORE_BYTES_MAX, f"{small} B of memory, then {large} B"


if __name__ == "__main__":
    support.main(globals())

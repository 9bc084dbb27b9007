# SPDX-License-Identifier: Apache-2.0
"""From starting a server over data that is there to its first right answers."""

import random
import signal
import subprocess
import time

from servers import Client, copied, free_port, kept, load, redis, running, ullage

VALUE = b"v" * 100
MASK = (1 << 64) - 1


def key_name(i):
    """The generator's name of entry `i` (generator.h)."""
    x = (i + 0x9e3779b97f4a7c15) & MASK
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & MASK
    return f"{x ^ (x >> 31):016x}"[::-1]


def until(port, ready):
    while True:
        try:
            client = Client(port)
            while not ready(client):
                time.sleep(0.0005)
            return
        except (OSError, EOFError):
            time.sleep(0.0005)


def first_answers(command, port, keys, prefix=""):
    """Milliseconds from starting it to its first PONG, and to the value of a key of old."""
    key = key_name(random.randrange(keys))
    began = time.monotonic()
    with running(command, port, wait=False):
        until(port, lambda client: client.ask("PING") == b"PONG")
        pong = time.monotonic() - began
        until(port, lambda client: client.ask("GET", key) == VALUE)
        value = time.monotonic() - began
        client = Client(port)
        for _ in range(1000):
            if client.ask("GET", key_name(random.randrange(keys))) != VALUE:
                raise SystemExit("restart.py: a value is not what it was")
    return f"{prefix}ping_ms {pong * 1e3:.6g} ms\n{prefix}first_get_ms {value * 1e3:.6g} ms\n"


def ours(options):
    keys = int(options[1])

    def fill(folder):
        port = free_port()
        with running(ullage(port, folder / "killed", 1024, 64), port, end=signal.SIGKILL) as server:
            load(port, server.pid, "fill", "--keys", keys)
            time.sleep(1)  # the window of 50 ms, many times
        subprocess.run(["cp", "-r", str(folder / "killed"), str(folder / "ended")], check=True)
        with running(ullage(port, folder / "ended", 1024, 64), port):
            pass

    source = kept(f"restart-ours-{keys}", fill)
    lines = ""
    for name, prefix in (("ended", ""), ("killed", "killed_")):
        port, folder = free_port(), copied(source / name, name)
        lines += first_answers(ullage(port, folder, 1024, 64), port, keys, prefix)
    return lines


def _redis(keys, *flags):
    def fill(folder):
        port = free_port()
        with running(redis(port, "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "no",
                           "--auto-aof-rewrite-percentage", "0"), port) as server:
            load(port, server.pid, "fill", "--keys", keys)
            client = Client(port)
            client.socket.settimeout(300)
            if client.ask("SAVE") != b"OK":
                raise SystemExit("restart.py: redis could not save")

    port, folder = free_port(), kept(f"restart-redis-{keys}", fill)
    return first_answers(redis(port, "--dir", str(folder), *flags), port, keys)


def redis_rdb(options):
    return _redis(int(options[1]), "--appendonly", "no")


def redis_aof(options):
    return _redis(int(options[1]), "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")

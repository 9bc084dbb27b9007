# SPDX-License-Identifier: Apache-2.0
"""Instructions for each operation on keys in memory, counted by callgrind, thread by thread."""

import os
import re
import subprocess
import sys
import time

from servers import OUT, free_port, load, running, ullage

KEYS = 20_000
COUNT = 100_000


def ours(options):
    """`with-cold` or `without-cold`. The busiest thread is the one that serves."""
    port = free_port()
    command = ullage(port, OUT / "data" if options[0] == "with-cold" else None, hot_mib=256)
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
                f"--callgrind-out-file={OUT}/calls"]
    lines = ""
    with running(valgrind + command, port) as server:
        load(port, server.pid, "fill", "--keys", KEYS)
        time.sleep(5)  # what was filled in is written
        for kind in ("get", "set"):
            before = set(OUT.glob("calls.*"))
            control(server.pid, "--instr=on")
            load(port, server.pid, kind, "--keys", KEYS, "--count", COUNT, "--pipeline", 16)
            control(server.pid, "--instr=off")
            control(server.pid, "--dump")
            counts = dict.fromkeys((path.suffix[-2:] for path in OUT.glob("calls.*")), 0)
            for path in set(OUT.glob("calls.*")) - before:
                counts[path.suffix[-2:]] += total(path)
            if kind == "get":
                serving = max(counts, key=counts.get)
            per_op = COUNT * 1.1  # the generator warms up with a tenth
            lines += f"{kind}_instructions {counts[serving] / per_op:.6g} count\n"
            lines += (f"{kind}_all_threads_instructions {sum(counts.values()) / per_op:.6g} "
                      "count\n")
    if os.environ.get("KEEP_CALLS"):
        subprocess.run(f"cp {OUT}/calls.* {os.environ['KEEP_CALLS']}", shell=True, check=True)
    return lines


def control(pid, what):
    done = subprocess.run(["callgrind_control", what, str(pid)], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"hot_path.py: callgrind_control {what}: {done.stdout}{done.stderr}")


def total(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"totals: (\d+)", line)
            if found:
                return int(found.group(1))
    return 0

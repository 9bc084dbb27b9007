# SPDX-License-Identifier: Apache-2.0
"""Starts the servers of this task on free loopback ports, and asks them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

WORK = Path(os.environ["WORK"])
OUT = Path(os.environ["OUT"])
START_S = 120
STOP_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """One connection that asks one thing at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.lines = self.socket.makefile("rb")

    def ask(self, *words):
        """Bytes, a number, None, or an error as a string that begins with '-'."""
        packed = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            packed += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(packed)
        return self._reply()

    def _reply(self):
        line = self.lines.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.lines.read(int(rest) + 2)[:-2]
        if kind == b":":
            return int(rest)
        return "-" + rest.decode() if kind == b"-" else rest

    def info(self, section):
        text = self.ask("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def ullage(port, folder=None, hot_mib=1024, cold_mib=64, http_port=None, flags=()):
    command = [os.environ["ULLAGE_BIN"], "serve", f"--server.resp_port={port}",
               "--server.threads=1", f"--residency.hot={hot_mib}MiB"]
    if folder:
        command += [f"--persistence.directory={folder}", f"--residency.cold={cold_mib}MiB"]
    if http_port:
        command += [f"--server.http_port={http_port}"]
    return command + list(flags)


def redis(port, *flags):
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
            "--daemonize", "no", *flags]


@contextlib.contextmanager
def running(command, port, env=None, end=signal.SIGTERM, wait=True, cpus=None):
    """A server, on these processors; ended with `end`, or killed if that takes too long."""
    log = OUT / f"server-{port}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(on_cpus(command, cpus), stdin=subprocess.DEVNULL, stdout=file,
                                   stderr=file, env={**os.environ, **(env or {})})
    try:
        if wait:
            wait_for(port, process, log)
        yield process
        if process.poll() is not None:
            sys.exit(f"{command[0]} ended with {process.returncode}: {log.read_text()[-1000:]}")
    finally:
        if process.poll() is None:
            process.send_signal(end)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port, process, log):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}: {log.read_text()[-1000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"the server did not open its port in {START_S} s")


def halves():
    """Processors for who asks, and for who answers; None where there is only one."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[:len(cpus) // 2], cpus[len(cpus) // 2:]) if len(cpus) > 1 else (None, None)


def on_cpus(command, cpus):
    return ["taskset", "-c", ",".join(map(str, cpus)), *command] if cpus else command


def load(port, pid, kind, *options, program="load", cpus=None):
    """Runs the generator; its lines `metric value unit`."""
    command = [str(WORK / program), kind, *map(str, options), "--port", str(port), "--pid",
               str(pid)]
    result = subprocess.run(on_cpus(command, cpus), stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"the load {kind} ended with {result.returncode}")
    return result.stdout


def cpu_s(pid):
    """User and system time of a process and its children, in steps of 10 ms."""
    total = 0
    for each in [pid, *children(pid)]:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def children(pid):
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kept(name, make):
    """$WORK/name, made once by `make(folder)`: what several runs begin with."""
    folder = WORK / name
    if not folder.exists():
        part = WORK / (name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        make(part)
        part.rename(folder)
    return folder


def copied(folder, name):
    """A copy in $OUT. RocksDB never changes a table that it has written: those are linked."""
    target = OUT / name
    for path in sorted(folder.rglob("*")):
        to = target / path.relative_to(folder)
        if path.is_dir():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".sst":
            os.link(path, to)
        else:
            shutil.copyfile(path, to)
    return target

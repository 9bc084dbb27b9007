#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve.py SERVER LOAD...: starts one of the servers on a free loopback port, with one thread and
nothing written to disk, runs the load generator against it, and leaves lines `metric value unit`
in $OUT/metrics. {BUDGET} in the load's options is the memory limit that the server was given."""

import os
import signal
import socket
import subprocess
import sys
import time

SLOW_US = 100  # commands that take longer are asked for after the load


def redis_like(program):
    def command(port, budget):
        limit = ["--maxmemory", str(budget), "--maxmemory-policy", "allkeys-lru"] if budget else []
        return [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                "no", "--slowlog-log-slower-than", str(SLOW_US), "--slowlog-max-len", "100000",
                "--daemonize", "no"] + limit
    return command


def memcached(port, budget):
    megabytes = (budget or 8 << 30) >> 20
    return ["memcached", "-p", str(port), "-l", "127.0.0.1", "-U", "0", "-t", "1", "-m",
            str(megabytes), "-u", "nobody", "-c", "20000"]


def ours(port, budget):
    return [os.environ["ULLAGE_BIN"], "serve", f"--server.resp_port={port}", "--server.threads=1",
            "--server.http_port=0", f"--residency.hot={budget or 8 << 30}",
            f"--server.slowlog_slower_than={SLOW_US}us", "--server.slowlog_max_len=100000"]


SERVERS = {"ours": ours, "redis": redis_like("redis-server"),
           "valkey": redis_like("valkey-server"), "memcached": memcached}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"serve.py: the server ended with {process.returncode}; see server.log")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("serve.py: the server did not open its port in 20 s")


def longest_command_us(port):
    """The longest command that SLOWLOG kept, or SLOW_US: nothing took longer than that."""
    return max([SLOW_US] + [entry[2] for entry in command(port, "SLOWLOG", "GET", "-1")])


def command(port, *words):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        packed = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
        s.sendall(b"*%d\r\n" % len(words) + packed)
        return reply(s.makefile("rb"))


def longest_by_thread(port):
    """The longest command of ours by the CPU time of its thread: what it did, without what it waited."""
    fields = dict(line.split(":", 1) for line in command(port, "INFO", "growth").decode().split("\r\n")
                  if ":" in line)
    return float(fields["command_cpu_us_max"])


def reply(lines):
    line = lines.readline()
    kind, rest = line[:1], line[1:].strip()
    if kind == b"*":
        return [reply(lines) for _ in range(int(rest))]
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return lines.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    if kind == b"-":
        sys.exit(f"serve.py: {line.decode().strip()}")
    return rest


def main():
    name, load = sys.argv[1], sys.argv[2:]
    budget = int(os.environ.get("BUDGET", "0"))
    port = free_port()
    with open("server.log", "wb") as log:
        server = subprocess.Popen(SERVERS[name](port, budget), stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
    try:
        wait_for(port, server)
        by_thread = name == "ours" and load[0] == "grow"
        if by_thread:  # costs a call of the kernel for each command
            command(port, "CONFIG", "SET", "latency-monitor-threshold", "1")
        protocol = "memcache" if name == "memcached" else "resp"
        program = [os.path.join(os.environ["WORK"], "load")] + load
        program += ["--port", str(port), "--pid", str(server.pid), "--protocol", protocol]
        if budget:
            program += ["--budget", str(budget)]
        result = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"serve.py: the load ended with {result.returncode}")
        lines = result.stdout
        if by_thread:  # before the slow log is asked for: a long one takes long itself
            lines += f"longest_command_cpu_us {longest_by_thread(port)} us\n"
        if protocol == "resp":
            lines += f"longest_command_us {longest_command_us(port)} us\n"
        with open("metrics", "w", encoding="utf-8") as out:
            out.write(lines)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()

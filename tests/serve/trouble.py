# SPDX-License-Identifier: Apache-2.0
"""What the system may do to a store: no descriptors, a clock that is set, a stderr that nobody reads."""
import fcntl
import os
import resource
import signal
import socket
import subprocess
import time

import support
import wire

# The wall clock is ahead by as many seconds as the file CLOCK_FILE says.
CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec* time) {
  const int done = (int)syscall(SYS_clock_gettime, clock, time);
  if (clock != CLOCK_REALTIME) return done;
  char text[32] = "";
  const int fd = open(getenv("CLOCK_FILE"), O_RDONLY);
  if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) time->tv_sec += atol(text);
  if (fd >= 0) close(fd);
  return done;
}
"""


def info(client, *sections):
    text = client.ask("INFO", *sections).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_wall_clock_that_is_set_stops_nothing_and_cuts_nobody(folder):
    support.need("cc")
    source, library, ahead = folder / "clock.c", folder / "clock.so", folder / "ahead"
    source.write_text(CLOCK)
    ahead.write_text("0\n")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
    with wire.store("--server.timeout=60s", "--server.threads=2",
                    before=("env", f"LD_PRELOAD={library}", f"CLOCK_FILE={ahead}")) as server:
        with server.client() as client, server.client() as other:
            assert other.ask("PING") == "PONG"
            assert abs(int(client.ask("TIME")[0]) - time.time()) < 60, "the test's clock is not the server's"
            for seconds in (-3600, 3600):
                ahead.write_text(f"{seconds}\n")
                assert abs(int(client.ask("TIME")[0]) - seconds - time.time()) < 60
                for i in range(20):
                    client.ask("SET", f"k{i}", "v", "PX", "20")
                support.wait_until(lambda: client.ask("DBSIZE") == 0, "expiry goes on")
                time.sleep(0.3)
                assert other.ask("PING") == "PONG", "it was cut, as if silent"
                for line in client.ask("CLIENT", "LIST").decode().splitlines():
                    fields = dict(word.split("=", 1) for word in line.split())
                    assert int(fields["age"]) < 600 and int(fields["idle"]) < 600, line
                assert int(info(client, "server")["uptime_in_seconds"]) < 600
                assert client.ask("CLIENT", "PAUSE", "100", "WRITE") == "OK"
                assert client.ask("SET", "k", "v") == "OK"
                assert client.ask("DEL", "k") == 1


def test_the_age_of_a_client_is_never_less_than_nothing(_folder):
    with wire.store("--server.threads=2") as server, server.client() as client:
        kept = []
        for _ in range(400):
            kept.append(wire.Client(server.port))
            kept[-1].send("PING")
            for line in client.ask("CLIENT", "LIST").decode().splitlines():
                fields = dict(word.split("=", 1) for word in line.split())
                assert int(fields["age"]) < 600 and int(fields["idle"]) < 600, line
            if len(kept) > 10:
                kept.pop(0).socket.close()
        for other in kept:
            other.socket.close()


def test_who_listens_or_is_kept_waiting_may_be_silent(_folder):
    with wire.store("--server.timeout=1s") as server:
        with server.client() as monitor, server.client() as writer, server.client() as idle, server.client() as client:
            assert monitor.ask("MONITOR") == "OK"
            assert writer.ask("PING") == idle.ask("PING") == "PONG"
            assert client.ask("CLIENT", "PAUSE", "2500", "WRITE") == "OK"
            writer.send("SET", "k", "v")
            support.wait_until(lambda: client.ask("PING") and info(client, "stats")["idle_disconnections"] == "1",
                               "who is merely silent is closed")
            assert writer.read() == "OK", "who was kept waiting was closed"
            assert writer.ask("GET", "k") == b"v"
            with server.client() as late:
                late.ask("ECHO", "seen")
            monitor.socket.settimeout(wire.REPLY_SECONDS_MAX)
            lines = ""
            while "seen" not in lines:
                lines = monitor.read()


def test_clients_are_no_more_than_descriptors_whatever_is_read_again(folder):
    contract = folder / "ullage.toml"
    contract.write_text('[server]\nmax_key = 15000\n')
    prlimit, = support.need("prlimit")
    with wire.store("--contract", str(contract), before=(prlimit, "--nofile=600:600")) as server:
        with server.client() as client:
            asked = lambda name: client.ask("CONFIG", "GET", name)[1]
            most = asked("maxclients")
            assert int(most) < 600
            contract.write_text('[server]\nmax_key = 14000\n')
            server.process.send_signal(signal.SIGHUP)
            support.wait_until(lambda: asked("server.max_key") == b"14000", "the file was read again")
            assert asked("maxclients") == most
            assert client.ask("CONFIG", "SET", "timeout", "100") == "OK"
            assert asked("maxclients") == most
            assert "try with " + most.decode() in client.error("CONFIG", "SET", "maxclients", "5000")
            assert asked("maxclients") == most


def test_without_descriptors_whoever_comes_is_told_so_and_nothing_spins(_folder):
    with wire.store() as server, server.client() as client:
        assert client.ask("PING") == "PONG"
        in_use = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (in_use + 2, hard))
        others = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
        told = 0
        for other in others:
            other.settimeout(1)
            try:
                told += other.recv(100) == b"-ERR max number of clients reached\r\n"
            except (TimeoutError, socket.timeout):
                pass  # one of those that still fit
        assert 8 <= told <= 11, told
        assert int(info(client, "stats")["rejected_connections"]) == told
        before = cpu_seconds(server.process)
        time.sleep(1)
        assert cpu_seconds(server.process) - before < 0.3, "it turns without end"
        line = ""
        while "a connection was refused: the system says no" not in line:
            line = server.process.stderr.readline()
        assert "Too many open files" in line, line
        for other in others:
            other.close()
        # Once there are descriptors again, it goes on.
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (in_use + 50, hard))
        with server.client() as late:
            assert late.ask("PING") == "PONG"


def test_a_stderr_that_nobody_reads_stops_nobody(_folder):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ if hasattr(fcntl, "F_SETPIPE_SZ") else 1031, 4096)
    process = subprocess.Popen([support.BIN, "serve", "--server.resp_port=0", "--residency.hot=32MiB",
                                "--server.requirepass=secret"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=writer, text=True)
    try:
        os.close(writer)
        line = process.stdout.readline()
        port = int(line.split("127.0.0.1:")[1].split(",")[0])
        with wire.Client(port) as client:
            fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)
            # Different events are not limited together: five lines a second of one are enough to fill 4 KiB.
            end = time.monotonic() + 12
            while time.monotonic() < end:
                assert client.error("AUTH", "a" * 900, "wrong").startswith("WRONGPASS")
                time.sleep(0.05)
            assert client.ask("AUTH", "secret") == "OK"
            assert os.read(reader, 1 << 16)
            client.error("AUTH", "somebody", "wrong")
            support.wait_until(lambda: b"unwritten=" in told(reader, client), "how many were left out is told")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(reader)


def told(reader, client):
    client.error("AUTH", "somebody", "wrong")
    try:
        return os.read(reader, 1 << 16)
    except BlockingIOError:
        return b""

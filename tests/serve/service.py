# SPDX-License-Identifier: Apache-2.0
"""The store as a service: what systemd and the journal are told, and how it ends."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import support
import wire

UNIT = support.SRC / "ops/systemd/ullage.service"


class Journal:
    """What a server writes to stderr, read all the time."""

    def __init__(self, process):
        self.lines = []
        self.thread = threading.Thread(target=lambda: self.lines.extend(iter(process.stderr.readline, "")))
        self.thread.start()

    def wait_for(self, text):
        support.wait_until(lambda: any(text in line for line in self.lines), f"{text} is told")
        return next(line for line in self.lines if text in line)


def test_systemd_is_told_what_happens(folder):
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        process = subprocess.Popen([support.BIN, "serve", "--server.resp_port=0", "--residency.hot=64MiB"],
                                   env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            assert heard.recv(1000) == b"READY=1"
            assert heard.recv(1000) == b"WATCHDOG=1" == heard.recv(1000)
            process.send_signal(signal.SIGHUP)
            told = []
            while told[-1:] != [b"READY=1"]:
                told.append(heard.recv(1000))
            assert any(word.startswith(b"RELOADING=1\nMONOTONIC_USEC=") for word in told), told
            process.send_signal(signal.SIGTERM)
            while told[-1] != b"STOPPING=1":
                told.append(heard.recv(1000))
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def test_a_thread_that_hangs_is_not_told_as_alive(folder):
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(60)
        port = wire.free_port()
        process = subprocess.Popen(
            [support.BIN, "serve", f"--server.resp_port={port}", "--residency.hot=64MiB", "--server.threads=2"],
            env={**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert heard.recv(1000) == b"READY=1" and heard.recv(1000) == b"WATCHDOG=1"
            with wire.Client(port) as client:
                client.send("DEBUG", "SLEEP", "4")
                time.sleep(1)
                heard.setblocking(False)
                try:  # what was said before it hung
                    while heard.recv(1000):
                        pass
                except BlockingIOError:
                    pass
                heard.setblocking(True)
                heard.settimeout(1)
                try:
                    raise AssertionError(heard.recv(1000))
                except (TimeoutError, socket.timeout):
                    pass
                assert client.read() == "OK"
                heard.settimeout(60)
                assert heard.recv(1000) == b"WATCHDOG=1"
        finally:
            process.kill()
            process.wait()


def test_events_are_lines_of_json_and_few_of_one_kind(folder):
    with wire.store("--server.log_format=json", "--server.requirepass=secret", "--contract",
                    str(contract_of(folder, ""))) as server:
        journal = Journal(server.process)
        for i in range(50):
            with server.client() as client:
                assert client.error("AUTH", 'a "quoted"\nname', f"wrong{i}").startswith("WRONGPASS")
        time.sleep(1.1)
        with server.client() as client:
            client.error("AUTH", "again", "hidden-password")
        contract_of(folder, "[server]\nhttp_port = 2\n")
        server.process.send_signal(signal.SIGHUP)
        journal.wait_for("reload_refused")
        server.process.send_signal(signal.SIGTERM)
        journal.thread.join(60)
        events = [json.loads(line) for line in journal.lines]
        names = [event["event"] for event in events]
        assert {"started", "stopping"} <= set(names) and names[-1] == "stopped", names
        failed = [event for event in events if event["event"] == "auth_failed"]
        assert 2 <= len(failed) <= 20, len(failed)
        assert failed[0]["user"] == 'a "quoted"\nname' and failed[0]["level"] == "warning", failed[0]
        assert int(failed[-1]["left_out"]) > 10 and failed[-1]["user"] == "again", failed[-1]
        assert not any("hidden-password" in line for line in journal.lines)
        refused = next(event for event in events if event["event"] == "reload_refused")
        assert "server.http_port" in refused["message"] and "ullage.toml:2" in refused["message"], refused
        assert all({"time", "level", "event", "message"} <= set(event) for event in events)


def contract_of(folder, text):
    path = folder / "ullage.toml"
    path.write_text(text)
    return path


def test_root_is_told_that_it_is_not_needed(_folder):
    with wire.store() as server:
        journal = Journal(server.process)
        journal.wait_for("started")
        with server.client() as client:
            assert client.ask("PING") == "PONG"
        time.sleep(0.2)
        told = any("runs as root" in line for line in journal.lines)
        assert told == (os.geteuid() == 0), journal.lines
        server.process.send_signal(signal.SIGTERM)
        journal.thread.join(60)


def test_a_stop_lets_replies_go_out_and_waits_no_longer_than_it_may(_folder):
    with wire.store("--server.drain=60s", http=True) as server:
        with server.client() as client:
            client.ask("SET", "big", "x" * 30_000_000)
            client.send("GET", "big")
            time.sleep(0.2)  # it is under way, and does not fit into the sockets
            server.process.send_signal(signal.SIGTERM)

            def refused():
                try:
                    with wire.Client(server.port):
                        return False
                except ConnectionError:
                    return True

            support.wait_until(refused, "no more connections are taken")
            assert len(client.read()) == 30_000_000
        server.process.wait(60)
    with wire.store("--server.drain=1s") as server, server.client() as client:
        client.ask("SET", "big", "x" * 30_000_000)
        client.send("GET", "big")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0, "it waits for nobody for ever"


def test_the_unit_is_one_that_systemd_takes(folder):
    analyze, = support.need("systemd-analyze")
    unit = folder / "ullage.service"
    # The program is where it was built, not where the package puts it.
    unit.write_text(UNIT.read_text().replace("/usr/bin/ullage", support.BIN))
    done = support.run([analyze, "verify", "--man=no", unit])
    assert done.returncode == 0 and "ullage.service" not in done.stdout + done.stderr, support.shown(done)
    done = support.run([analyze, "security", "--offline=yes", "--threshold=20", unit])
    if "Unknown option" in done.stderr or "unrecognized option" in done.stderr:
        raise support.Skip("systemd-analyze is too old to look at a unit offline")
    assert done.returncode == 0, support.shown(done)


def test_it_serves_as_an_unprivileged_user(folder):
    setpriv, = support.need("setpriv")
    if os.geteuid() != 0:
        raise support.Skip("only root can become somebody else")
    program = folder / "ullage"
    shutil.copy(support.BIN, program)
    for path in (folder, program):
        pathlib.Path(path).chmod(0o755)
    old, support.BIN = support.BIN, str(program)
    try:
        with wire.store(before=(setpriv, "--reuid=65534", "--regid=65534", "--clear-groups",
                                "--no-new-privs")) as server, server.client() as client:
            assert client.ask("SET", "k", "v") == "OK"
            with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
                fields = dict(line.split(":", 1) for line in status)
            assert fields["Uid"].split()[0] == "65534" and int(fields["CapEff"], 16) == 0
    finally:
        support.BIN = old

# SPDX-License-Identifier: Apache-2.0
"""A Redis client that keeps replies as the bytes they were, and servers to talk to.

    with store("--server.threads=2") as server, server.client() as client:
        client.raw("SET", "k", "v")     # b"+OK\\r\\n"
        client.ask("GET", "k")          # b"v"
"""
import contextlib
import re
import signal
import socket
import subprocess

import support

# Longest wait for a reply, in seconds: a server under a sanitizer on a busy machine is slow.
REPLY_SECONDS_MAX = 60


class ReplyError(Exception):
    pass


class Client:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=REPLY_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    @staticmethod
    def packed(*words):
        words = [w if isinstance(w, bytes) else str(w).encode("latin-1") for w in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)

    def send(self, *words):
        self.socket.sendall(self.packed(*words))

    def _more(self):
        part = self.socket.recv(1 << 16)
        if not part:
            raise EOFError("the server closed the connection")
        self.buffer += part

    def _line(self, at):
        while True:
            end = self.buffer.find(b"\r\n", at)
            if end >= 0:
                return self.buffer[at:end], end + 2
            self._more()

    def _skip(self, at):
        """Where the reply that begins at `at` ends."""
        line, at = self._line(at)
        line = bytes(line)
        kind, rest = line[:1], line[1:]
        if kind in b"+-:,#(_":
            return at
        count = int(rest)
        if kind in b"$=!":
            if count < 0:
                return at
            while len(self.buffer) < at + count + 2:
                self._more()
            return at + count + 2
        if kind in b"*~>%|":
            for _ in range(max(count, 0) * (2 if kind in b"%|" else 1)):
                at = self._skip(at)
            return self._skip(at) if kind == b"|" else at
        raise AssertionError(f"not a reply: {line!r}")

    def read_raw(self):
        end = self._skip(0)
        reply = bytes(self.buffer[:end])
        del self.buffer[:end]
        return reply

    def raw(self, *words):
        self.send(*words)
        return self.read_raw()

    def read(self):
        value, _ = decoded(self.read_raw(), 0)
        if isinstance(value, ReplyError):
            raise value
        return value

    def ask(self, *words):
        self.send(*words)
        return self.read()

    def error(self, *words):
        """The error that a command must end in."""
        try:
            value = self.ask(*words)
        except ReplyError as problem:
            return str(problem)
        raise AssertionError(f"{words[:4]} succeeded with {value!r}")

    def silent(self, seconds=0.2):
        """Nothing arrives (unasked) for a while."""
        if self.buffer:
            return False
        self.socket.settimeout(seconds)
        try:
            self.buffer += self.socket.recv(1 << 16)
            return False
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.socket.settimeout(REPLY_SECONDS_MAX)

    def closed(self):
        """The server has closed, or closes, this connection."""
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True


def decoded(raw, at):
    end = raw.index(b"\r\n", at)
    kind, rest, at = raw[at:at + 1], raw[at + 1:end], end + 2
    if kind == b"+":
        return rest.decode("latin-1"), at
    if kind == b"-":
        return ReplyError(rest.decode("latin-1")), at
    if kind == b":":
        return int(rest), at
    if kind == b",":
        return float(rest), at
    if kind == b"#":
        return rest == b"t", at
    if kind == b"_":
        return None, at
    if kind == b"(":
        return int(rest), at
    count = int(rest)
    if count < 0:
        return None, at
    if kind in b"$=!":
        value = raw[at:at + count]
        return (value[4:] if kind == b"=" else value), at + count + 2
    values = []
    for _ in range(count * (2 if kind in b"%|" else 1)):
        value, at = decoded(raw, at)
        values.append(value)
    if kind == b"|":
        return decoded(raw, at)
    if kind == b"%":
        return dict(zip([v if not isinstance(v, list) else tuple(v) for v in values[::2]], values[1::2])), at
    return values, at


class Server:
    def __init__(self, process, port, http_port=None, first_lines=""):
        self.process, self.port, self.http_port, self.first_lines = process, port, http_port, first_lines
        found = re.search(r"over TLS: .* -p (\d+)", first_lines)
        self.tls_port = int(found.group(1)) if found else None
        found = re.search(r"https://\S+:(\d+)/", first_lines)
        self.https_port = int(found.group(1)) if found else None

    def client(self):
        return Client(self.port)


def _first_lines(process, wanted):
    lines = ""
    while wanted not in lines:
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise AssertionError(f"the server did not start: {lines}{process.stderr.read()}")
        lines += line
    return lines


@contextlib.contextmanager
def store(*flags, http=False, expect=0, signal_at_end=signal.SIGTERM, before=()):
    """`ullage serve` on a free port; stopped at the end, which must succeed."""
    command = [*before, support.BIN, "serve", "--server.resp_port=0"]
    if not any(flag.startswith("--residency.hot") for flag in flags):
        command.append("--residency.hot=256MiB")
    if not any(flag.startswith("--server.threads") for flag in flags):
        command.append("--server.threads=1")
    # What a sanitizer takes is many times the entries: there the bound is theirs alone.
    if support.os.environ.get("ULLAGE_SANITIZE") and not any(flag.startswith("--residency.process") for flag in flags):
        command.append("--residency.process=4GiB")
    command += ["--server.http_port=0"] if http else []
    process = subprocess.Popen([*command, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        lines = _first_lines(process, "end it:")
        port = int(re.search(r"ready on \S+:(\d+),", lines).group(1))
        found = re.search(r"http://\S+:(\d+)/ ", lines)
        yield Server(process, port, int(found.group(1)) if found else None, lines)
        if process.poll() is None:
            process.send_signal(signal_at_end)
        out, err = process.communicate(timeout=support.TIMEOUT_S)
        assert process.returncode == expect, f"ended with {process.returncode}\n{out}\n{err}"
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def redis(folder):
    """The distribution's redis-server, to compare with."""
    program, = support.need("redis-server")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
         "--enable-debug-command", "yes", "--daemonize", "no"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def answers():
            with contextlib.suppress(OSError, EOFError):
                with Client(port) as client:
                    return client.ask("PING") == "PONG"
            return False

        support.wait_until(answers, "redis-server answers")
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait()

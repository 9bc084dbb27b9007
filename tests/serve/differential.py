# SPDX-License-Identifier: Apache-2.0
"""The same commands to the distribution's redis-server and to ours: the same bytes must come back.

A script is a list of commands, a word as the shell reads it (`hex:00ff` for any bytes), and

    @client N        the next commands go over connection N
    @read            a push is read
    @sleep MS
    @bytes TEXT      sent as it is, one reply is read
    @closing TEXT    sent over a connection of its own, which must then be closed; all that comes is read
    @only 3          the script is for RESP3 (or 2)
"""
import pathlib
import re
import shlex
import time

# A client's number is its server's own affair.
CLIENT_ID = re.compile(rb"\$2\r\nid\r\n:\d+")
SCRIPTS = pathlib.Path(__file__).parent / "differential"


def names():
    return sorted(path.stem for path in SCRIPTS.glob("*.script"))


def steps(name):
    for number, line in enumerate((SCRIPTS / f"{name}.script").read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            yield number, line


def words_of(line):
    words = shlex.split(line) if "\\" not in line else line.split(" ")
    return [bytes.fromhex(word[4:]) if word.startswith("hex:") else word.encode("latin-1") for word in words]


def unescaped(text):
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Side:
    """One of the two servers, its connections opened as they are named."""

    def __init__(self, server, resp, evicts=False):
        self.server, self.resp = server, resp
        self.clients = {}
        self.evicter = server.client() if evicts else None
        self.now = self._client("1")
        self.now.ask("FLUSHALL")

    def _client(self, number):
        if number not in self.clients:
            self.clients[number] = client = self.server.client()
            if self.resp == 3:
                client.ask("HELLO", "3")
        return self.clients[number]

    def run(self, line):
        what, _, rest = line.partition(" ")
        if what == "@client":
            self.now = self._client(rest)
        elif what == "@sleep":
            time.sleep(int(rest) / 1000)
        elif what == "@read":
            return self.now.read_raw()
        elif what == "@bytes":
            self.now.socket.sendall(unescaped(rest))
            return self.now.read_raw()
        elif what == "@closing":
            return self.closing(unescaped(rest))
        elif what != "@only":
            if self.evicter is not None:
                self.evicter.ask("DEBUG", "EVICT")
            return self.now.raw(*words_of(line))
        return b""

    def closing(self, bytes_sent):
        with self.server.client() as client:
            client.socket.sendall(bytes_sent)
            got = b""
            while True:
                try:
                    part = client.socket.recv(1 << 16)
                except ConnectionResetError:
                    part = b""
                if not part:
                    return got
                got += part

    def close(self):
        for client in [*self.clients.values(), *filter(None, [self.evicter])]:
            client.socket.close()


def differences(name, resp, redis, ours, evicts=False):
    """Lines of the script whose replies differ, with both; `evicts`: each finds our memory empty."""
    lines = list(steps(name))
    if any(line == f"@only {5 - resp}" for _, line in lines):
        return []
    sides = Side(redis, resp), Side(ours, resp, evicts)
    found = []
    for number, line in lines:
        try:
            expected, got = (side.run(line) for side in sides)
        except OSError as problem:
            found.append(f"{name}.script:{number}: {line}: {problem}; what was wrong before: {found[-1:]}")
            break
        expected, got = CLIENT_ID.sub(b"id", expected), CLIENT_ID.sub(b"id", got)
        if expected != got:
            found.append(f"{name}.script:{number} (RESP{resp}): {line}\n    redis: {expected!r}\n    ours:  {got!r}")
    for side in sides:
        side.close()
    return found

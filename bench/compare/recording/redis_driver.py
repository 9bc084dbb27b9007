# SPDX-License-Identifier: Apache-2.0
"""Fills the redis-server behind a unix socket with keys and shuts it down.

  redis_driver.py SOCKET KEYS

The server is the measured one; this client is not. It talks to nothing but that socket.
"""
import socket
import sys
import time

# A server under a recorder takes a second to open its socket; much longer means it is not coming.
CONNECT_TIMEOUT_S = 30
# DEBUG POPULATE of a million keys takes 1 s bare and 6 s under heaptrack.
REPLY_TIMEOUT_S = 120


def connect(path):
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.settimeout(REPLY_TIMEOUT_S)
        try:
            server.connect(path)
            return server
        except OSError as error:
            server.close()
            if time.monotonic() > deadline:
                sys.exit(f"redis_driver: no server at {path} after {CONNECT_TIMEOUT_S} s: {error}")
            time.sleep(0.02)


def call(server, *words):
    """Sends one command; the first line of its reply, or '' if the server closed instead."""
    server.sendall(b"*%d\r\n" % len(words) +
                   b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
    reply = b""
    while not reply.endswith(b"\r\n"):
        chunk = server.recv(4096)
        if not chunk:
            break
        reply += chunk
    return reply.decode().strip()


def main(path, keys):
    server = connect(path)
    reply = call(server, "DEBUG", "POPULATE", keys)
    if reply != "+OK":
        sys.exit(f"redis_driver: DEBUG POPULATE answered {reply!r}")
    reply = call(server, "DBSIZE")
    if reply != f":{keys}":
        sys.exit(f"redis_driver: the server holds {reply!r} keys, expected {keys}")
    reply = call(server, "SHUTDOWN", "NOSAVE")
    if reply:
        sys.exit(f"redis_driver: SHUTDOWN answered {reply!r}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

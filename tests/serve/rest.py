# SPDX-License-Identifier: Apache-2.0
"""HTTP as a client sends it: whole requests, and bytes as they are.

    with rest.Http(server) as http:
        answer = http("PUT", "/v1/keys/a", b"value", {"If-None-Match": "*"})
        answer.status, answer.headers["ETag"], answer.body, answer.json()
"""
import http.client
import json
import socket
import urllib.parse

import wire


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


class Http:
    """One connection, kept open while the server does."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=wire.REPLY_SECONDS_MAX)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.connection.close()

    def __call__(self, method, target, body=None, headers=None):
        self.connection.request(method, target, body=body, headers=headers or {})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def path(key):
    """The address of a key of any bytes."""
    return "/v1/keys/" + urllib.parse.quote_from_bytes(key if isinstance(key, bytes) else key.encode(), safe="")


def raw(server, data, pieces=None):
    """Everything the server says to these bytes until it closes, or nothing more comes."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=wire.REPLY_SECONDS_MAX) as connection:
        try:
            step = pieces or len(data) or 1
            for at in range(0, len(data), step):
                connection.sendall(data[at:at + step])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has said why before
        told = b""
        try:
            while part := connection.recv(1 << 16):
                told += part
        except ConnectionResetError:
            pass
        return told


def statuses(told):
    """The status codes in a connection's bytes, bodies left aside."""
    found = []
    while told:
        head, _, told = told.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        found.append(int(lines[0].split(b" ")[1]))
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        told = told[int(fields.get(b"content-length", 0)):]
    return found

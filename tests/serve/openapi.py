# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document is true: every path, method and status in it is met, every answer is as it says.

What a test asks is noted beside the operation it belongs to; at the end, nothing in the document is left.
"""
import base64
import contextlib
import json
import re
import signal
import socket

import rest
import support
import wire

STREAMS_MAX = 32  # http.h: kStreamsMax


class Checked:
    """Asks, checks each answer against the document, and remembers what was met."""

    def __init__(self, server):
        try:
            import jsonschema
        except ImportError:
            raise support.Skip("python3-jsonschema is not installed") from None
        self.schemas = jsonschema
        self.server = server
        with rest.Http(server) as http:
            self.document = http("GET", "/v1/openapi.json").json()
        self.met = set()

    def resolved(self, part):
        """With what its references refer to in their place."""
        if isinstance(part, list):
            return [self.resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            found = self.document
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            return self.resolved(found)
        return {name: self.resolved(value) for name, value in part.items()}

    def template(self, target):
        path = target.split("?")[0]
        if path in self.document["paths"]:
            return path
        return next(t for t in self.document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", ".+", t), path))

    def __call__(self, method, target, body=None, headers=None, expect=200):
        with rest.Http(self.server) as http:
            answer = http(method, target, body, headers)
        assert answer.status == expect, (method, target, answer)
        self.check(method, target, answer)
        return answer

    def check(self, method, target, answer):
        path, status = self.template(target), str(answer.status)
        operation = self.document["paths"][path][method.lower()]
        assert status in operation["responses"], f"{method} {path} answers {status}, which is not in the document"
        told = self.resolved(operation["responses"][status])
        for name, header in told.get("headers", {}).items():
            if name == "Ullage-TTL-Ms" and name not in answer.headers:
                continue
            value = answer.headers[name]
            self.valid(int(value) if header["schema"]["type"] == "integer" else value, header["schema"])
        if method != "HEAD" and answer.status not in (204, 304):
            kind = (answer.headers["Content-Type"] or "").split(";")[0]
            content = told.get("content", {})
            assert (kind in content) if content else not answer.body, (method, path, answer)
            if "schema" in content.get(kind, {}):
                self.valid(json.loads(answer.body), content[kind]["schema"])
        self.met.add((path, method, status))

    def valid(self, value, schema):
        self.schemas.Draft202012Validator(schema).validate(value)

    def growths(self, text):
        self.valid(json.loads(text), self.resolved(self.document["components"]["schemas"]["Growths"]))

    def promised(self):
        methods = ("get", "head", "put", "delete", "post")
        return {(path, method.upper(), status) for path, item in self.document["paths"].items()
                for method in methods if method in item for status in item[method]["responses"]}


def events(server, wanted):
    """The data of events until there was one of each wanted kind."""
    found = {}
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=wire.REPLY_SECONDS_MAX) as stream:
        stream.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        while not wanted <= found.keys():
            part = stream.recv(1 << 16)
            assert part, told
            told += part
            for event in told.split(b"\n\n")[1:-1]:
                lines = dict(line.split(b": ", 1) for line in event.split(b"\n"))
                found[lines.get(b"event", b"").decode()] = lines.get(b"data", b"").decode()
    return found


def ask_for_values(check, client):
    one, two = check("PUT", "/v1/keys/a?ttl=1h", b"1", expect=201).headers["ETag"], '"x"'
    check("PUT", "/v1/keys/a?ttl=keep", b"1", expect=204)
    check("PUT", "/v1/keys/a", b"1", {"If-Match": two}, expect=412)
    check("PUT", "/v1/keys/a?ttl=5", b"1", expect=400)
    check("PUT", "/v1/keys/a", b"x" * 2048, expect=413)
    for method in ("GET", "HEAD"):
        check(method, "/v1/keys/a")
        check(method, "/v1/keys/a", headers={"If-None-Match": one}, expect=304)
        check(method, "/v1/keys/none", expect=404)
    check("GET", "/v1/keys/%zz", expect=400)
    check("GET", "/v1/keys/a", headers={"If-Match": two}, expect=412)
    check("DELETE", "/v1/keys/a", headers={"If-Match": two}, expect=412)
    check("DELETE", "/v1/keys/a?db=x", expect=400)
    check("DELETE", "/v1/keys/a", expect=204)
    check("DELETE", "/v1/keys/a", expect=404)
    client.ask("SET", b"\xff", b"\xff"), client.ask("SET", "b", "text", "EX", 100)
    check("GET", "/v1/keys?prefix=b&limit=10")
    check("GET", "/v1/keys")
    check("GET", "/v1/keys?limit=0", expect=400)
    batch = "/v1/keys:batchGet"
    asked = {"keys": ["b", "none", {"base64": base64.b64encode(b"\xff").decode()}], "db": 0}
    check.valid(asked, check.resolved(check.document["components"]["schemas"]["BatchRequest"]))
    check("POST", batch, json.dumps(asked))
    check("POST", batch, "{}", expect=400)
    check("POST", batch, b" " * (5 << 20), expect=413)


def ask_while_it_says_no(check, client):
    client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb")
    for i in range(3000):
        with contextlib.suppress(wire.ReplyError):
            client.ask("SET", f"fill:{i}", "x" * 1000)
    check("PUT", "/v1/keys/full", b"x" * 1000, expect=507)
    client.ask("CLIENT", "PAUSE", 60_000)
    check("PUT", "/v1/keys/a", b"1", expect=503)
    check("DELETE", "/v1/keys/a", expect=503)
    check("GET", "/v1/keys/a", expect=503)
    check("GET", "/v1/keys", expect=503)
    check("POST", "/v1/keys:batchGet", '{"keys": []}', expect=503)


def ask_as_somebody_else(check, client):
    """Every operation that asks who comes: as nobody, and as one who may nothing."""
    client.ask("ACL", "SETUSER", "nothing", "reset", "on", ">x")
    client.ask("CONFIG", "SET", "requirepass", "opener")
    for (path, method, status) in sorted(check.promised()):
        if status in ("401", "403"):
            who = {} if status == "401" else {"Authorization": "Bearer nothing:x"}
            body = '{"keys": ["a"]}' if method == "POST" else None
            check(method, path.replace("{key}", "a"), body, who, expect=int(status))
    client.ask("CONFIG", "SET", "requirepass", "")


def test_every_answer_is_as_the_openapi_document_says(_folder):
    with wire.store("--server.max_value=1KiB", "--residency.process=1GiB", "--server.threads=2", http=True) as server, server.client() as client:
        check = Checked(server)
        ask_for_values(check, client)
        for path in ("/v1/status", "/v1/history", "/v1/openapi.json", "/topology", "/metrics", "/healthz", "/readyz"):
            check("GET", path)
        told = events(server, {"status", "growth"})
        check.growths(told["growth"])
        check.valid(json.loads(told["status"]), check.resolved(check.document["components"]["schemas"]["Status"]))
        check.met.add(("/v1/events", "GET", "200"))
        with rest.Http(server) as http:
            page = http("GET", "/")
        if page.status == 200:
            check.check("GET", "/", page)
        held = [socket.create_connection(("127.0.0.1", server.http_port)) for _ in range(STREAMS_MAX)]
        for stream in held:
            stream.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stream.recv(100).startswith(b"HTTP/1.1 200 ")
        check("GET", "/v1/events", expect=503)
        for stream in held:
            stream.close()
        ask_as_somebody_else(check, client)
        ask_while_it_says_no(check, client)
        # /readyz while it stops: shown below.
        left = check.promised() - check.met - {("/readyz", "GET", "503"), ("/", "GET", "200")}
        assert not left, f"in the document and met by no test: {sorted(left)}"


def test_it_is_not_ready_while_it_stops_and_takes_no_new_requests(_folder):
    with wire.store("--server.threads=1", http=True) as server, server.client() as slow:
        check = Checked(server)
        slow.ask("SET", "big", "x" * 4_000_000)
        for _ in range(20):
            slow.send("GET", "big")  # and does not read: the server owes it replies
        support.wait_until(lambda: check("GET", "/v1/status").json()["commands_total"] >= 21, "the replies wait")
        server.process.send_signal(signal.SIGTERM)
        asked = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        support.wait_until(lambda: rest.statuses(rest.raw(server, asked)) == [503], "it says that it stops")
        check("GET", "/readyz", expect=503)
        answer = check("PUT", "/v1/keys/late", b"1", expect=503)
        assert answer.json()["type"] == "urn:ullage:problem:stopping", answer


def test_paths_and_methods_that_are_not_there_are_told_so(_folder):
    with wire.store(http=True) as server, rest.Http(server) as http:
        for method, path, status, allow in (("POST", "/v1/keys/a", 405, "GET, HEAD, PUT, DELETE"), ("DELETE", "/metrics", 405, "GET, HEAD"),
                                            ("GET", "/v1/keys:batchGet", 405, "POST"), ("GET", "/v2", 404, None),
                                            ("OPTIONS", "/v1/keys/a", 405, "GET, HEAD, PUT, DELETE"), ("GET", "/v1/keys/", 400, None)):
            answer = http(method, path)
            assert (answer.status, answer.headers["Allow"]) == (status, allow), (method, path, answer)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert set(answer.json()) == {"type", "title", "status", "detail", "next"}, answer

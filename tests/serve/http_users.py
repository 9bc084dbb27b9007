# SPDX-License-Identifier: Apache-2.0
"""Users at the HTTP door: who is not known is not let in, who is known sees and touches their own keys."""
import base64
import json
import socket

import rest
import wire

THREADS = ("--server.threads=1", "--server.threads=2")


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


APP = basic("app", "secret")


def with_users(admin, *more):
    """A user of keys app:*, and others' keys beside them."""
    admin.ask("ACL", "SETUSER", "app", "reset", "on", ">secret", "~app:*", "+get", "+set", "+del", "+mget", "+scan", *more)
    admin.ask("MSET", "app:1", "own", "hidden:1", "theirs", "hidden:2", "theirs")


def test_a_stranger_is_told_to_say_who_it_is(_folder):
    for threads in THREADS:
        with wire.store(threads, http=True) as server, server.client() as admin, rest.Http(server) as http:
            with_users(admin)
            assert http("GET", "/v1/keys/hidden:1").status == 200, "without a password everybody is the default user"
            admin.ask("CONFIG", "SET", "requirepass", "opener")
            for method, path in (("GET", "/v1/keys/hidden:1"), ("PUT", "/v1/keys/a"), ("DELETE", "/v1/keys/a"),
                                 ("GET", "/v1/keys"), ("POST", "/v1/keys:batchGet"), ("GET", "/v1/status"),
                                 ("GET", "/v1/history"), ("GET", "/v1/events"), ("GET", "/topology"), ("GET", "/")):
                for headers in ({}, basic("app", "wrong"), basic("nobody", "secret"), {"Authorization": "Basic !"},
                                {"Authorization": "Bearer wrong"}, {"Authorization": "Digest x"}):
                    answer = http(method, path, headers=headers)
                    assert answer.status == 401 and "Basic" in answer.headers["WWW-Authenticate"], (method, path, answer)
                    assert b"theirs" not in answer.body
            for headers in (basic("default", "opener"), {"Authorization": "Bearer opener"}):
                assert http("GET", "/v1/keys/hidden:1", headers=headers).body == b"theirs"
                assert http("GET", "/v1/status", headers=headers).status == 200
            for path in ("/healthz", "/readyz", "/metrics", "/v1/openapi.json"):
                assert http("GET", path).status == 200, path


def test_a_user_reads_writes_lists_and_erases_its_own_keys_only(_folder):
    for threads in THREADS:
        with wire.store(threads, http=True) as server, server.client() as admin, rest.Http(server) as http:
            with_users(admin)
            assert http("GET", "/v1/keys/app:1", headers=APP).body == b"own"
            assert http("PUT", "/v1/keys/app:2", b"x", APP).status == 201
            assert http("DELETE", "/v1/keys/app:2", headers=APP).status == 204
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                for more in ({}, {"If-Match": "*"}, {"If-None-Match": "*"}):
                    answer = http(method, "/v1/keys/hidden:1", b"x" if method == "PUT" else None, {**APP, **more})
                    assert answer.status == 403 and b"theirs" not in answer.body, (method, more, answer)
            assert http("GET", "/v1/keys?limit=1000", headers=APP).json()["keys"] == ["app:1"]
            assert http("GET", "/v1/keys?prefix=hidden", headers=APP).json()["keys"] == []
            asked = json.dumps({"keys": ["app:1", "hidden:1"]})
            assert http("POST", "/v1/keys:batchGet", asked, APP).status == 403
            assert http("POST", "/v1/keys:batchGet", '{"keys": ["app:1"]}', APP).status == 200
            assert admin.ask("GET", "hidden:1") == b"theirs"
            refused = admin.ask("ACL", "LOG")
            assert any(b"hidden:1" in entry for entry in refused), "it is in no log"


def test_a_user_without_a_command_has_none_of_its_forms(_folder):
    with wire.store(http=True) as server, server.client() as admin, rest.Http(server) as http:
        with_users(admin, "-set", "-mget", "-scan")
        assert http("GET", "/v1/keys/app:1", headers=APP).status == 200
        assert http("PUT", "/v1/keys/app:1", b"x", APP).status == 403
        assert http("POST", "/v1/keys:batchGet", '{"keys": ["app:1"]}', APP).status == 403
        assert http("GET", "/v1/keys", headers=APP).status == 403
        for name in ("http.get", "http.set", "http.mget"):
            assert "unknown command" in admin.error(name, "app:1"), "a client of RESP found it"
        assert b"http.get" not in admin.ask("COMMAND", "LIST")


def test_what_the_server_tells_of_itself_is_for_those_who_may_ask(_folder):
    with wire.store(http=True) as server, server.client() as admin, rest.Http(server) as http:
        admin.ask("CONFIG", "SET", "slowlog-log-slower-than", "0")
        with_users(admin)
        for path in ("/v1/status", "/v1/history", "/v1/events", "/topology", "/"):
            assert http("GET", path, headers=APP).status == 403, path
        with_users(admin, "+info")
        told = http("GET", "/v1/status", headers=APP)
        assert told.status == 200 and told.json()["slow"] == [] and b"hidden" not in told.body, told
        admin.ask("GET", "hidden:1")
        assert b"hidden:1" in http("GET", "/v1/status").body, "the default user sees slow commands"
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=wire.REPLY_SECONDS_MAX) as stream:
            stream.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: " + APP["Authorization"].encode() + b"\r\n\r\n")
            assert stream.recv(100).startswith(b"HTTP/1.1 200 ")
            admin.ask("ACL", "DELUSER", "app")
            while stream.recv(1 << 16):
                pass  # it ends, for its user is gone

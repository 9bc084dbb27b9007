# SPDX-License-Identifier: Apache-2.0
"""The HTTP door at its limits: hostile bytes, slow and many clients, a budget that says no."""
import socket
import threading
import time

import grants
import limits
import rest
import support
import wire

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
# http.h: kHttpConnectionsMax.
CONNECTIONS_MAX = 512


def test_what_could_be_read_in_two_ways_is_refused_and_closed(_folder):
    smuggled = b"DELETE /v1/keys/victim HTTP/1.1\r\nHost: x\r\n\r\n"
    put = b"PUT /v1/keys/a HTTP/1.1\r\nHost: x\r\n"
    with wire.store(http=True) as server, rest.Http(server) as http:
        assert http("PUT", "/v1/keys/victim", b"alive").status == 201
        for head in (put + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     put + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
                     put + b"Content-Length: 0\r\nContent-Length: 3\r\n\r\n",
                     put + b"Content-Length: 0, 3\r\n\r\n",
                     put + b"Content-Length: 0\r\n Transfer-Encoding: chunked\r\n\r\n",
                     put + b"Content-Length : 3\r\n\r\n",
                     put + b"X: a\nContent-Length: 3\r\n\r\n",
                     put + b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
                     put + b"Transfer-Encoding: chunked\r\n\r\n1;\rx\r\na\r\n0\r\n\r\n"):
            for pieces in (None, 1):
                told = rest.raw(server, head + smuggled, pieces)
                assert rest.statuses(told) == [400] and b"Connection: close" in told, (head, told)
        assert rest.statuses(rest.raw(server, put + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + smuggled)) == [501]
        assert rest.statuses(rest.raw(server, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n")) == [431]
        assert rest.statuses(rest.raw(server, b"\x16\x03\x01\x02\x00\x01\x00")) == [400], "TLS on this port"
        assert http("GET", "/v1/keys/victim").body == b"alive"


def test_requests_that_come_all_at_once_are_answered_in_their_order(_folder):
    with wire.store("--server.threads=3", http=True) as server:
        sent = b"".join(b"PUT /v1/keys/p%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d" % (i, i) +
                        b"GET /v1/keys/p%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(50))
        told = rest.raw(server, sent + GET + b"Connection: close\r\n\r\n")
        assert rest.statuses(told) == [201, 200] * 50 + [200], rest.statuses(told)
        bodies = [part[:2] for part in told.split(b"sandbox\r\n\r\n")[1:]]
        assert bodies == [b"%02d" % i for i in range(50)], bodies


def test_a_body_beyond_its_limit_is_refused_before_it_is_read(_folder):
    with wire.store("--server.max_value=1KiB", http=True) as server, rest.Http(server) as http:
        assert http("PUT", "/v1/keys/a", b"x" * 1024).status == 201
        answer = http("PUT", "/v1/keys/a", b"x" * 1025)
        assert answer.status == 413 and "1024 bytes" in answer.json()["detail"], answer
        told = rest.raw(server, b"PUT /v1/keys/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                        b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n0\r\n\r\n")
        assert rest.statuses(told) == [413], told
        told = rest.raw(server, b"GET /v1/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        assert rest.statuses(told) == [413], "a GET has no body"
        told = rest.raw(server, b"PUT /v1/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n")
        assert rest.statuses(told) == [413], "it was told to go on"
        assert len(http("GET", "/v1/keys/a").body) == 1024


def test_memory_comes_from_the_budget_or_not_at_all(_folder):
    with wire.store("--residency.hot=16MiB", http=True) as server, rest.Http(server) as http, server.client() as client:
        answer = http("PUT", "/v1/keys/a", b"x" * (32 << 20))
        assert answer.status == 507 and answer.json()["type"] == "urn:ullage:problem:budget-denied", answer
        client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        seen = set()
        for i in range(40):
            with rest.Http(server) as other:
                seen.add(other("PUT", f"/v1/keys/b{i}", b"x" * (1 << 20)).status)
        assert seen == {201, 507}, seen
        client.ask("FLUSHALL")
        support.wait_until(lambda: http_put(server, b"y" * 1000) in (201, 204), "there is memory again")
        clients = granted_to_clients(client)
        assert clients < 1 << 20, f"buffers of requests that are done are still granted: {clients}"


def test_a_full_store_tells_its_operator_everything(_folder):
    with wire.store("--residency.hot=32MiB", http=True) as server, rest.Http(server) as http, server.client() as client:
        client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        while b"OOM" not in client.raw("SET", f"k{client.ask('DBSIZE')}", b"x" * 8000):
            pass
        asked = ("/metrics", "/topology", "/v1/status", "/v1/history", "/v1/openapi.json", "/healthz", "/readyz", "/")
        for path in asked:
            for accept in ("*/*", "application/openmetrics-text"):
                answer = http("GET", path, headers={"Accept": accept})
                assert answer.status == 200 or path == "/" and b"no-live-page" in answer.body, (path, answer)
        held = [socket.create_connection(("127.0.0.1", server.http_port)) for _ in range(20)]

        def ask_and_read_nothing():
            for connection in held:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 80)
            assert {connection.recv(15) for connection in held} == {b"HTTP/1.1 200 OK"}
            http("GET", "/healthz")  # behind all of them

        grown = grants.grown_since(server.process, ask_and_read_nothing)
        assert grants.SANITIZED or grown < len(held) * 32 * 1024, f"{grown}: a part of each answer is there, not the whole"
        client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        within = lambda: grants.SANITIZED or limits.resident_bytes(server.process) <= 1.02 * (32 << 20)
        support.wait_until(within, "entries go for what the process takes beside them")
        assert granted_to_clients(client) < 1 << 20
        for connection in held:
            connection.close()


def test_answers_that_nobody_reads_stay_within_the_budget(_folder):
    hot, value, count = 32 << 20, b"v" * (4 << 20), 60
    flags = ("--residency.hot=32MiB", "--residency.process=96MiB")
    with wire.store(*flags, http=True) as server, rest.Http(server) as http, server.client() as client:
        assert http("PUT", "/v1/keys/large", value).status == 201
        for i in range(3):
            assert http("PUT", f"/v1/keys/l{i}", value).status == 201
        client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        before = resident_max(server)
        ask = b'{"keys": ["large", "none"]}'
        requests = (b"GET /v1/keys/large HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"POST /v1/keys:batchGet HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(ask), ask))
        held = [socket.create_connection(("127.0.0.1", server.http_port)) for _ in range(count)]
        for i, connection in enumerate(held):
            connection.sendall(requests[i % 2])
        statuses = [int(connection.recv(20)[9:12]) for connection in held]
        assert set(statuses) == {200, 503}, statuses
        assert resident_max(server) < before + hot, (before, resident_max(server), statuses)
        for connection in held:
            connection.close()
        support.wait_until(lambda: granted_to_clients(client) < 1 << 20, "answers that are gone are granted no more")
        assert http("GET", "/v1/keys/large").body == value
        answer = http("POST", "/v1/keys:batchGet", ask).json()
        assert [entry.get("value") for entry in answer["entries"]] == [value.decode(), None]


def resident_max(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def granted_to_clients(client):
    return int(client.ask("INFO", "budget").decode().split("budget_granted_clients_bytes:")[1].split("\r\n")[0])


def http_put(server, value):
    with rest.Http(server) as http:
        return http("PUT", "/v1/keys/again", value).status


def test_one_that_goes_away_while_its_key_is_asked_for_harms_nobody(_folder):
    with wire.store("--server.threads=2", http=True) as server, rest.Http(server) as http:
        assert http("PUT", "/v1/keys/a", b"x" * 200_000).status == 201
        for _ in range(200):
            with socket.create_connection(("127.0.0.1", server.http_port)) as gone:
                gone.sendall(b"GET /v1/keys/a HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        assert http("GET", "/v1/keys/a").status == 200
        support.wait_until(lambda: http("GET", "/v1/status").json()["errands"] <= 2, "errands end")


def test_a_busy_data_thread_holds_up_its_keys_and_nothing_else(_folder):
    with wire.store(http=True) as server, server.client() as client:
        with rest.Http(server) as http:
            assert http("PUT", "/v1/keys/a", b"x").status == 201
        client.send("DEBUG", "SLEEP", "3")
        got = []

        def read():
            with rest.Http(server) as http:
                got.append(http("GET", "/v1/keys/a").body)

        begin = time.monotonic()
        reader = threading.Thread(target=read)
        reader.start()
        with rest.Http(server) as http:
            answered = 0
            while not got and time.monotonic() - begin < 2:
                assert http("GET", "/healthz").status == 200
                answered += 1
        assert not got and answered > 5, "the sleep did not hold the key up, or it held up /healthz"
        reader.join()
        assert got == [b"x"] and client.read() == "OK"


def test_more_connections_than_there_may_be_are_told_so(_folder):
    with wire.store(http=True) as server:
        held = [socket.create_connection(("127.0.0.1", server.http_port)) for _ in range(CONNECTIONS_MAX)]
        for connection in held[:1] + held[-1:]:
            connection.sendall(GET + b"\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        told = rest.raw(server, b"")
        assert rest.statuses(told) == [503] and b"too-many-connections" in told, told
        for connection in held:
            connection.close()
        support.wait_until(lambda: rest.statuses(rest.raw(server, GET + b"Connection: close\r\n\r\n")) == [200],
                           "others are let in again")

# SPDX-License-Identifier: Apache-2.0
"""/v1/keys of `ullage serve`: values, conditions, lists, batches; what is refused; many at once."""
import base64
import hashlib
import random
import socket
import threading
import time

import rest
import wire

THREADS = ("--server.threads=1", "--server.threads=3")


def tag(value):
    return f'"{hashlib.blake2b(value, digest_size=16).hexdigest()}"'


def test_a_value_is_written_read_and_erased_byte_for_byte(_folder):
    values = {"plain": b"hello", "empty": b"", "key with / and ?&#%+": b"x", b"\x00\xff\r\n": bytes(range(256)) * 40,
              "large": random.Random(7).randbytes(3_000_000)}
    for threads in THREADS:
        with wire.store(threads, http=True) as server, rest.Http(server) as http, server.client() as client:
            for key, value in values.items():
                at = rest.path(key)
                assert http("GET", at).status == 404
                put = http("PUT", at, value)
                assert put.status == 201 and put.headers["ETag"] == tag(value), put
                assert http("PUT", at, value).status == 204, "it was there"
                got = http("GET", at)
                assert got.status == 200 and got.body == value and got.headers["ETag"] == tag(value), (key, got)
                assert got.headers["Content-Type"] == "application/octet-stream", got
                head = http("HEAD", at)
                assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(value))), head
                name = key if isinstance(key, bytes) else key.encode()
                assert client.ask("GET", name) == value, "Redis clients see the same"
                assert http("DELETE", at).status == 204
                assert http("DELETE", at).status == 404 and client.ask("EXISTS", name) == 0
            client.ask("SET", b"from\xferedis", b"\x80")
            assert http("GET", rest.path(b"from\xferedis")).body == b"\x80"


def test_a_body_may_come_in_chunks_and_wait_to_be_asked_for(_folder):
    with wire.store(http=True) as server, rest.Http(server) as http:
        http.connection.request("PUT", "/v1/keys/c", body=iter([b"one ", b"two ", b"x" * 100_000]), encode_chunked=True,
                                headers={"Transfer-Encoding": "chunked"})
        answer = http.connection.getresponse()
        assert (answer.status, answer.read()) == (201, b"")
        assert http("GET", "/v1/keys/c").body == b"one two " + b"x" * 100_000
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=wire.REPLY_SECONDS_MAX) as asking:
            asking.sendall(b"PUT /v1/keys/e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            told = asking.recv(1000)
            assert told == b"HTTP/1.1 100 Continue\r\n\r\n", told
            asking.sendall(b"abc")
            assert asking.recv(1000).startswith(b"HTTP/1.1 201 "), "the body was taken"


def test_the_time_that_is_left_is_told_kept_and_ends(_folder):
    with wire.store(http=True) as server, rest.Http(server) as http, server.client() as client:
        assert http("PUT", "/v1/keys/t?ttl=30s", b"v").status == 201
        left = int(http("GET", "/v1/keys/t").headers["Ullage-TTL-Ms"])
        assert 20_000 < left <= 30_000, left
        assert 20_000 < client.ask("PTTL", "t") <= 30_000
        assert http("PUT", "/v1/keys/t?ttl=keep", b"w").status == 204
        assert 0 < client.ask("PTTL", "t") <= 30_000
        assert http("PUT", "/v1/keys/t", b"x").status == 204
        assert client.ask("PTTL", "t") == -1 and "Ullage-TTL-Ms" not in http("GET", "/v1/keys/t").headers
        assert http("PUT", "/v1/keys/t?ttl=60ms", b"y").status == 204
        deadline = time.monotonic() + 30
        while http("GET", "/v1/keys/t").status != 404:
            assert time.monotonic() < deadline, "it does not expire"
            time.sleep(0.02)
        for ttl in ("5", "0s", "-1s", "soon", "1us", ""):
            answer = http("PUT", f"/v1/keys/t?ttl={ttl}", b"v")
            assert answer.status == 400 and "ttl" in answer.json()["detail"], answer


def test_conditions_hold_on_the_value_that_is_there(_folder):
    for threads in THREADS:
        with wire.store(threads, http=True) as server, rest.Http(server) as http:
            def put(value, **fields):
                return http("PUT", "/v1/keys/a", value, {k.replace("_", "-"): v for k, v in fields.items()}).status

            one, two = tag(b"1"), tag(b"2")
            assert put(b"1", If_Match="*") == 412, "there is none yet"
            assert put(b"1", If_Match=one) == 412
            assert put(b"1", If_None_Match="*") == 201
            assert put(b"2", If_None_Match="*") == 412
            assert put(b"2", If_Match=two) == 412
            assert put(b"2", If_Match=f'"x", {one}') == 204
            assert put(b"3", If_Match=f"W/{two}") == 412, "a weak tag is not good enough"
            assert put(b"3", If_None_Match=f"W/{two}") == 412
            assert put(b"2", If_None_Match=one) == 204
            assert http("GET", "/v1/keys/a").body == b"2"
            for method, empty in (("GET", False), ("HEAD", True)):
                same = http(method, "/v1/keys/a", headers={"If-None-Match": f'"x", W/{two}'})
                assert (same.status, same.body, same.headers["ETag"]) == (304, b"", two), same
                other = http(method, "/v1/keys/a", headers={"If-None-Match": one})
                assert other.status == 200 and (other.body == b"") == empty, other
                assert http(method, "/v1/keys/a", headers={"If-Match": one}).status == 412
            assert http("DELETE", "/v1/keys/a", headers={"If-Match": one}).status == 412
            assert http("DELETE", "/v1/keys/a", headers={"If-Match": two}).status == 204
            assert put(b"1", If_Match=one, If_None_Match=two) == 400
            assert put(b"1", If_Match="no quotes") == 400


def test_a_document_is_read_as_its_json(_folder):
    with wire.store(http=True) as server, rest.Http(server) as http, server.client() as client:
        client.ask("JSON.SET", "d", "$", '{"a": [1, 2.5, "\\u00e4"], "b": null}')
        got = http("GET", "/v1/keys/d")
        assert got.headers["Content-Type"] == "application/json" and got.json() == {"a": [1, 2.5, "\xe4"], "b": None}, got
        assert got.headers["ETag"] == tag(got.body)
        entry, = http("POST", "/v1/keys:batchGet", '{"keys": ["d"]}').json()["entries"]
        assert entry["kind"] == "ReJSON-RL" and entry["etag"] == tag(got.body) and entry["value"] == got.body.decode(), entry
        assert http("PUT", "/v1/keys/d", b"x", {"If-Match": tag(b"else")}).status == 412
        client.ask("JSON.SET", "d", "$.b", "7")
        assert http("DELETE", "/v1/keys/d", headers={"If-Match": got.headers["ETag"]}).status == 412, "it has changed"
        assert http("PUT", "/v1/keys/d", b"x", {"If-Match": http("GET", "/v1/keys/d").headers["ETag"]}).status == 204
        assert client.ask("GET", "d") == b"x"


def test_of_many_who_create_one_key_exactly_one_does(_folder):
    for threads in THREADS:
        with wire.store(threads, http=True) as server:
            for key in range(10):
                made = []

                def create(who, key=key, made=made):
                    with rest.Http(server) as http:
                        if http("PUT", f"/v1/keys/{key}", b"%d" % who, {"If-None-Match": "*"}).status == 201:
                            made.append(who)

                racers = [threading.Thread(target=create, args=(i,)) for i in range(8)]
                for racer in racers:
                    racer.start()
                for racer in racers:
                    racer.join()
                with rest.Http(server) as http:
                    assert len(made) == 1 and http("GET", f"/v1/keys/{key}").body == b"%d" % made[0], made


def test_keys_are_listed_by_prefix_each_exactly_once(_folder):
    for threads in THREADS:
        with wire.store(threads, http=True) as server, rest.Http(server) as http, server.client() as client:
            wanted = {f"user:{i}" for i in range(3000)}
            client.socket.sendall(b"".join(client.packed("SET", key, "v") for key in [*wanted, *map(str, range(3000))]))
            for _ in range(6000):
                assert client.read() == "OK"
            client.ask("SET", "user*:x", "v"), client.ask("SET", "[\\^?", "v")
            assert http("GET", "/v1/keys?prefix=user*").json()["keys"] == ["user*:x"], "a prefix is no pattern"
            assert http("GET", "/v1/keys?prefix=%5B%5C%5E%3F").json()["keys"] == ["[\\^?"]
            seen, cursor, answers = [], "", 0
            while cursor is not None:
                part = http("GET", f"/v1/keys?prefix=user%3A&limit=70{cursor and '&cursor=' + cursor}").json()
                assert len(part["keys"]) <= 3 * 70, len(part["keys"])
                seen += part["keys"]
                cursor = part["cursor"]
                answers += 1
            assert len(seen) == len(set(seen)) == 3000 and set(seen) == wanted, len(seen)
            assert answers >= 3000 // (2 * 70), answers
            client.ask("SELECT", 3), client.ask("SET", b"\xff", b"v")
            assert http("GET", "/v1/keys?db=3").json() == {"keys": [{"base64": "/w=="}], "cursor": None}
            assert http("GET", "/v1/keys?db=4").json() == {"keys": [], "cursor": None}
            for query in ("limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=-1", "cursor=", "cursor=99999999999999999999",
                          "db=16", "perfix=a", "db=1&db=2", "prefix=%zz"):
                assert http("GET", "/v1/keys?" + query).status == 400, query


def test_a_batch_answers_in_the_order_of_its_keys(_folder):
    for threads in THREADS:
        with wire.store(threads, http=True) as server, rest.Http(server) as http, server.client() as client:
            keys = [f"k{i}" for i in range(500)]
            for key in keys[::2]:
                client.ask("SET", key, key.upper(), "PX", 60_000)
            client.ask("SET", b"\xff", b"\xfe")
            entries = http("POST", "/v1/keys:batchGet", rest.json.dumps(
                {"keys": [*keys, {"base64": base64.b64encode(b"\xff").decode()}, "k0"]})).json()["entries"]
            assert [e["key"] for e in entries[:500]] == keys
            assert [e["found"] for e in entries[:500]] == [i % 2 == 0 for i in range(500)]
            assert entries[2]["value"] == "K2" and entries[2]["etag"] == tag(b"K2") and entries[2]["ttl_ms"] <= 60_000
            assert entries[500] == {"key": {"base64": "/w=="}, "found": True, "value": {"base64": "/g=="},
                                    "etag": tag(b"\xfe")}, entries[500]
            assert entries[501]["value"] == "K0", "a key may be there twice"
            big = 7 << 20
            for i in range(3):
                client.ask("SET", f"big{i}", "x" * big)
            entries = http("POST", "/v1/keys:batchGet", '{"keys": ["big0", "big1", "big2", "k0"]}').json()["entries"]
            left_out = [e for e in entries if e.get("omitted_bytes") == big]
            assert 1 <= len(left_out) <= 3 and entries[3]["value"] == "K0", [e.keys() for e in entries]
            assert http("POST", "/v1/keys:batchGet", '{"keys": []}').json() == {"entries": []}
            for body in ("", "[]", "{}", '{"keys": 1}', '{"keys": [1]}', '{"keys": [{"base64": "a"}]}', '{"keys": ["a"',
                         '{"keys": ["a"], "db": 16}', '{"keys": ["a"], "bd": 1}', '{"keys": [{"base64": "", "x": 1}]}',
                         rest.json.dumps({"keys": ["k"] * 1001}), "[" * 100_000):
                answer = http("POST", "/v1/keys:batchGet", body)
                assert answer.status == 400 and answer.json()["type"] == "urn:ullage:problem:bad-batch", (body[:50], answer)

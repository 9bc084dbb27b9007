# SPDX-License-Identifier: Apache-2.0
"""HTTP over a cold tier: what is not in memory is read, listed, changed under conditions, and shown."""
import json
import re
import resource
import time

import chromium
import keys_api
import live_page
import rest
import wire

COUNT = 3000  # of 1000 bytes each: more than memory holds


def tiered(folder, *flags, hot="2MiB"):
    return wire.store(f"--persistence.directory={folder}/cold", f"--residency.hot={hot}", *flags, http=True)


def value(i):
    return b"%06d" % i + b"v" * 1000


def test_keys_beyond_memory_are_the_same_over_http(folder):
    for threads in (1, 2):
        flags = (f"--server.threads={threads}",)
        where = folder / str(threads)
        where.mkdir()
        with tiered(where, *flags) as server, rest.Http(server) as http:
            with server.client() as client:
                client.socket.sendall(b"".join(client.packed("SET", f"k{i}", value(i)) for i in range(COUNT)))
                for _ in range(COUNT):
                    assert client.read() == "OK"
            assert http("PUT", "/v1/keys/k7", value(7)).status == 204
            assert http("PUT", "/v1/keys/new", value(7)).status == 201 and http("DELETE", "/v1/keys/new").status == 204
            for i in range(0, COUNT, 7):
                got = http("GET", f"/v1/keys/k{i}")
                assert got.status == 200 and got.body == value(i), (i, got)
        with tiered(where, *flags, hot="16MiB") as server, rest.Http(server) as http:
            # After a restart nothing is in memory.
            keys = [f"k{i}" for i in range(0, 900)]
            entries = http("POST", "/v1/keys:batchGet", json.dumps({"keys": keys})).json()["entries"]
            assert [e["value"].encode() for e in entries] == [value(i) for i in range(900)]
            assert http("PUT", "/v1/keys/k2000", b"x", {"If-None-Match": "*"}).status == 412, "it is there, in the cold tier"
            assert http("PUT", "/v1/keys/k2001", b"x", {"If-Match": keys_api.tag(value(2001))}).status == 204
            assert http("DELETE", "/v1/keys/k2002", headers={"If-Match": keys_api.tag(b"else")}).status == 412
            assert http("DELETE", "/v1/keys/k2002").status == 204 and http("GET", "/v1/keys/k2002").status == 404
            assert http("GET", "/v1/keys/k2001").body == b"x"
            seen, cursor = [], ""
            while cursor is not None:
                part = http("GET", f"/v1/keys?prefix=k&limit=500{cursor and '&cursor=' + cursor}").json()
                seen += part["keys"]
                cursor = part["cursor"]
            assert len(seen) == len(set(seen)) == COUNT - 1, (len(seen), len(set(seen)))


def test_a_disk_that_is_full_is_told_as_something_that_passes(folder):
    with tiered(folder, "--persistence.durability=always", "--persistence.prefixes=memory:=off", hot="16MiB") as server, \
            rest.Http(server) as http:
        assert http("PUT", "/v1/keys/hot", b"v").status == 201
        # As if the disk were full: no file may grow beyond this.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        for i in range(400):
            got = http("PUT", f"/v1/keys/key:{i}", b"v" * 1000)
            if got.status != 201:
                break
        assert got.status == 503 and got.headers["Retry-After"] == "1", got
        assert "MISCONF" in got.json()["detail"], got.json()
        assert http("GET", "/v1/keys/hot").body == b"v" and http("PUT", "/v1/keys/memory:k", b"v").status == 201
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        deadline = time.monotonic() + 20
        while (got := http("PUT", "/v1/keys/hot", b"w")).status != 204:
            assert got.status == 503 and time.monotonic() < deadline, got
            time.sleep(0.1)


def test_the_page_shows_the_cold_tier(folder):
    with tiered(folder) as server, rest.Http(server) as http, server.client() as client:
        live_page.need_page(server)
        live_page.write(client, 0, 5000, 900)
        for i in range(100):
            client.ask("GET", f"key:{i}")
        # The store looks at its own figures now and then.
        deadline = time.monotonic() + 20
        while True:
            tiers = {tier["name"]: tier for tier in http("GET", "/v1/status").json()["tiers"]}
            if tiers["cold"]["entries"] > 0 or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert tiers["cold"]["entries"] > 0 and tiers["cold"]["reads"] > 0, tiers
        names = [component["name"] for component in http("GET", "/topology").json()["components"]]
        assert re.search(r'^ullage_topology_bytes\{component="cold",memory="heap",figure="live"\} [1-9]',
                         http("GET", "/metrics").body.decode(), re.M)
        assert "cold" in names, names
        with chromium.Chromium() as chrome:
            page = live_page.opened(chrome, server)
            page.wait_for("!document.getElementById('cold').hidden")
            assert "entries" in page.value("document.getElementById('cold-facts').textContent")
            rows = page.value("[...document.querySelectorAll('#topology tbody tr')].map(r => r.cells[0].textContent)")
            assert "cold" in rows, rows
            live_page.quiet(page, server)

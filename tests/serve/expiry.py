# SPDX-License-Identifier: Apache-2.0
"""When entries end with a cold tier: not while the disk fails, not all together, not for all at once."""
import contextlib
import re
import resource
import time

import support

import rest
from persistence import fields, tiered


def unwritable(server, yes):
    """As if the disk were full: no file may grow beyond what it is."""
    most = 4096 if yes else resource.RLIM_INFINITY
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def fail_the_disk(server, client):
    unwritable(server, True)
    client.send("SET", "much", "v" * 100_000)
    client.read_raw()
    support.wait_until(lambda: fields(client, "tiers")["cold_writable"] == "0", "the disk fails")


def test_what_ends_while_the_disk_fails_is_served_within_the_window_and_no_longer(folder):
    flags = ("--persistence.durability=always", "--persistence.prefixes=memory:=off")
    with tiered(folder, *flags, "--persistence.stale_window=600s", name="long") as server, server.client() as client:
        for key in ("kept", "memory:k"):
            client.ask("SET", key, "v", "PX", 1500)
        fail_the_disk(server, client)
        if client.ask("GET", "kept") is None:
            raise AssertionError("the machine took too long to get here")
        time.sleep(1.6)
        for key in ("kept", "memory:k"):
            assert client.ask("GET", key) == b"v", "an old answer is better than none"
        unwritable(server, False)
        support.wait_until(lambda: client.ask("EXISTS", "kept", "memory:k") == 0, "they end when the disk is back")
    with tiered(folder, *flags, "--persistence.stale_window=300ms", name="short") as server, server.client() as client:
        client.ask("SET", "kept", "v", "PX", 1500)
        fail_the_disk(server, client)
        support.wait_until(lambda: client.ask("GET", "kept") is None, "the window is over, and the disk still fails")
        assert fields(client, "tiers")["cold_writable"] == "0"
    with tiered(folder, *flags, name="none") as server, server.client() as client:
        client.ask("SET", "kept", "v", "PX", 500)
        fail_the_disk(server, client)
        support.wait_until(lambda: client.ask("GET", "kept") is None, "without a window it ends when it ends")
        assert fields(client, "tiers")["cold_writable"] == "0"


def test_one_reader_of_a_hot_entry_is_sent_to_fetch_it_before_it_ends(folder):
    with tiered(folder, "--persistence.early_refresh=600s", "--server.threads=2", http=True) as server, \
            rest.Http(server) as http, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(8)]
        client = clients[0]

        def told(ask, times=40):
            """How many of so many readers heard that it is not there."""
            return [ask(clients[i % 8]) for i in range(times)].count(None)

        for name, ask in {"get": lambda c: c.ask("GET", "get"), "mget": lambda c: c.ask("MGET", "other", "mget")[1],
                          "http": lambda _: {200: 1, 404: None}[http("GET", "/v1/keys/http").status]}.items():
            client.ask("SET", name, "v", "EX", 500)
            assert told(ask, 1) == 0, "nobody is, of what is not asked for often"
            assert told(ask) == 1, name
            assert client.ask("EXISTS", name) == 1 and client.ask("TTL", name) > 0 and client.ask("STRLEN", name) == 1
            client.ask("SET", name, "w", "EX", 500)
            assert told(ask) == 1, "written anew, it ends anew"
            client.ask("SET", name, "w", "EX", 3600)
            assert told(ask) == 0, "it does not end soon"
            client.ask("SET", name, "w")
            assert told(ask) == 0, "it does not end"
        client.ask("SET", "get", "v", "EX", 500)
        for _ in range(10):
            client.ask("MULTI")
            client.ask("GET", "get")
            assert client.ask("EXEC") == [b"v"], "a transaction sees what is there"
        assert told(lambda c: c.ask("GET", "get")) == 1
        # A reader that does not write it anew: another one is told later on, and in the end all.
        client.ask("SET", "get", "v", "PX", 1500)
        heard = 0
        while client.ask("PTTL", "get") > 0:
            heard += client.ask("GET", "get") is None
        assert 3 <= heard, heard
        found = re.search(r"^ullage_server_early_refreshes_total (\d+)$", http("GET", "/metrics").body.decode(), re.M)
        assert int(found.group(1)) >= 5
    with tiered(folder, name="without") as server, server.client() as client:
        client.ask("SET", "k", "v", "EX", 1)
        assert client.ask("GET", "k") == b"v"
        while client.ask("PTTL", "k") > 100:
            assert client.ask("GET", "k") == b"v" or client.ask("PTTL", "k") < 100


def test_relative_expiries_are_shortened_at_random_and_absolute_ones_are_not(folder):
    with tiered(folder, "--persistence.ttl_jitter=0.2", http=True) as server, server.client() as client, \
            rest.Http(server) as http:
        hour = 3600_000
        ways = {
            "set": lambda key: client.ask("SET", key, "v", "EX", 3600),
            "setex": lambda key: client.ask("SETEX", key, 3600, "v"),
            "psetex": lambda key: client.ask("PSETEX", key, hour, "v"),
            "expire": lambda key: (client.ask("SET", key, "v"), client.ask("EXPIRE", key, 3600)),
            "pexpire": lambda key: (client.ask("SET", key, "v"), client.ask("PEXPIRE", key, hour)),
            "getex": lambda key: (client.ask("SET", key, "v"), client.ask("GETEX", key, "PX", hour)),
            "http": lambda key: http("PUT", f"/v1/keys/{key}?ttl=1h", b"v"),
        }
        for name, write in ways.items():
            left = []
            for i in range(60):
                write(f"{name}{i}")
                left.append(client.ask("PTTL", f"{name}{i}"))
            assert hour * 0.8 - 60_000 < min(left) < hour * 0.9, (name, min(left))
            assert hour * 0.9 < max(left) <= hour, (name, max(left))
        at = int(time.time() * 1000) + hour
        client.ask("SET", "absolute", "v", "PXAT", at)
        assert client.ask("PEXPIRETIME", "absolute") == at
        client.ask("EXPIREAT", "absolute", at // 1000)
        assert client.ask("EXPIRETIME", "absolute") == at // 1000

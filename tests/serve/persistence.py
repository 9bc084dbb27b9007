# SPDX-License-Identifier: Apache-2.0
"""A store with a cold tier: the same replies, the same data after a restart, and what a disk does to it."""
import pathlib
import resource
import signal
import threading
import time

import support

import differential
import wire


def tiered(folder, *flags, name="cold", **options):
    return wire.store(f"--persistence.directory={folder}/{name}", *flags, **options)


def fields(client, *sections):
    text = client.ask("INFO", *sections).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def in_threads(count, body):
    problems = []

    def run(i):
        try:
            body(i)
        except BaseException as problem:  # told by whoever waits
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def test_replies_are_redis_s_while_every_key_is_cold(folder):
    # Before each command, whatever is persisted leaves memory.
    for threads, durability in ((1, "always"), (3, "50ms")):
        with wire.redis(folder) as redis, tiered(
                folder, f"--server.threads={threads}", f"--persistence.durability={durability}",
                name=f"cold{threads}") as ours:
            found = []
            for name in differential.names():
                found += differential.differences(name, 2 + threads % 2, redis, ours, evicts=True)
            assert not found, f"{len(found)} replies differ with {threads} threads:\n" + "\n".join(found)


def test_replies_are_redis_s_in_a_small_memory_over_a_cold_tier(folder):
    with wire.redis(folder) as redis, tiered(folder, "--residency.hot=2MiB") as ours:
        found = []
        for name in differential.names():
            found += differential.differences(name, 3, redis, ours)
        assert not found, f"{len(found)} replies differ:\n" + "\n".join(found)


# What each command that writes is tried with: what is there before it, and its words. Keys begin with its name.
WRITES = {
    "set": ([], "SET {k} v"), "setnx": ([], "SETNX {k} v"), "setex": ([], "SETEX {k} 1000 v"),
    "psetex": ([], "PSETEX {k} 1000000 v"), "getset": (["SET {k} o"], "GETSET {k} v"),
    "getdel": (["SET {k} o"], "GETDEL {k}"), "getex": (["SET {k} o"], "GETEX {k} EX 1000"),
    "mset": ([], "MSET {k} v {k}2 w"), "msetnx": ([], "MSETNX {k} v {k}2 w"),
    "append": (["SET {k} o"], "APPEND {k} v"), "setrange": (["SET {k} long"], "SETRANGE {k} 2 v"),
    "incr": (["SET {k} 5"], "INCR {k}"), "decr": (["SET {k} 5"], "DECR {k}"),
    "incrby": (["SET {k} 5"], "INCRBY {k} 7"), "decrby": (["SET {k} 5"], "DECRBY {k} 7"),
    "incrbyfloat": (["SET {k} 5"], "INCRBYFLOAT {k} 0.5"), "setbit": (["SET {k} o"], "SETBIT {k} 3 1"),
    "bitop": (["SET {k}2 o"], "BITOP NOT {k} {k}2"), "del": (["SET {k} o"], "DEL {k}"),
    "unlink": (["SET {k} o"], "UNLINK {k}"), "expire": (["SET {k} o"], "EXPIRE {k} 1000"),
    "pexpire": (["SET {k} o"], "PEXPIRE {k} 1000000"), "expireat": (["SET {k} o"], "EXPIREAT {k} 33000000000"),
    "pexpireat": (["SET {k} o"], "PEXPIREAT {k} 33000000000000"),
    "persist": (["SET {k} o EX 1000"], "PERSIST {k}"), "rename": (["SET {k} o EX 1000"], "RENAME {k} {k}2"),
    "renamenx": (["SET {k} o"], "RENAMENX {k} {k}2"), "copy": (["SET {k} o EX 1000"], "COPY {k} {k}2"),
    "move": (["SET {k} o"], "MOVE {k} 1"), "flushdb": (["SELECT 5", "SET {k} o"], "FLUSHDB"),
    "swapdb": (["SELECT 7", "SET {k} o", "SELECT 0"], "SWAPDB 7 8"),
    "flushall": (["SET {k} o"], "FLUSHALL"), "function|flush": ([], "FUNCTION FLUSH"),
    "bitfield": (["SET {k} o"], "BITFIELD {k} SET u8 8 200"),
    "json.set": ([], "JSON.SET {k} $ {doc}"), "json.mset": ([], "JSON.MSET {k} $ {doc} {k}2 $ {doc}"),
    "json.merge": (["JSON.SET {k} $ {doc}"], "JSON.MERGE {k} $ {{\"m\":1}}"),
    "json.del": (["JSON.SET {k} $ {doc}"], "JSON.DEL {k} $.n"),
    "json.forget": (["JSON.SET {k} $ {doc}"], "JSON.FORGET {k} $.n"),
    "json.clear": (["JSON.SET {k} $ {doc}"], "JSON.CLEAR {k} $.a"),
    "json.numincrby": (["JSON.SET {k} $ {doc}"], "JSON.NUMINCRBY {k} $.n 2"),
    "json.nummultby": (["JSON.SET {k} $ {doc}"], "JSON.NUMMULTBY {k} $.n 3"),
    "json.toggle": (["JSON.SET {k} $ {doc}"], "JSON.TOGGLE {k} $.b"),
    "json.strappend": (["JSON.SET {k} $ {doc}"], "JSON.STRAPPEND {k} $.s \"y\""),
    "json.arrappend": (["JSON.SET {k} $ {doc}"], "JSON.ARRAPPEND {k} $.a 9"),
    "json.arrinsert": (["JSON.SET {k} $ {doc}"], "JSON.ARRINSERT {k} $.a 0 8"),
    "json.arrpop": (["JSON.SET {k} $ {doc}"], "JSON.ARRPOP {k} $.a"),
    "json.arrtrim": (["JSON.SET {k} $ {doc}"], "JSON.ARRTRIM {k} $.a 1 2"),
}
DOCUMENT = '{"n":1,"a":[1,2,3,4],"s":"x","b":true}'


def dump(client):
    """Everything that is there, and when it ends."""
    found = {}
    for db in range(16):
        client.ask("SELECT", db)
        for key in sorted(client.ask("KEYS", "*")):
            value = client.ask("JSON.GET", key) if client.ask("TYPE", key) == "ReJSON-RL" else client.ask("GET", key)
            found[db, key] = value, client.ask("PEXPIRETIME", key)
    client.ask("SELECT", 0)
    return found


def write_commands(client):
    return {entry[0] for entry in flattened(client.ask("COMMAND")) if "write" in entry[2]}


def flattened(entries):
    for entry in entries:
        yield entry
        if len(entry) > 9:
            yield from flattened(entry[9])


def test_the_effect_of_every_command_that_writes_outlives_a_restart(folder):
    with tiered(folder, "--server.threads=2", "--persistence.durability=always") as server, server.client() as client:
        names = {n.decode() if isinstance(n, bytes) else n for n in write_commands(client)}
        names = {n for n in names if not n.startswith("http.")}
        assert names <= set(WRITES), f"these have no line here: {sorted(names - set(WRITES))}"
        for name in sorted(set(WRITES) - {"flushall"}):
            before, words = WRITES[name]
            for line in [*before, words]:
                client.ask(*line.format(k=name, doc=DOCUMENT).split(" "))
            client.ask("SELECT", 0)
        client.ask("MULTI")
        client.ask("SET", "exec", "v")
        client.ask("EXPIRE", "exec", "1000")
        client.ask("EXEC")
        expected = dump(client)
        assert len(expected) > 25, expected
    with tiered(folder, "--server.threads=3") as server, server.client() as client:
        assert client.ask("DBSIZE") > 20
        assert dump(client) == expected
        client.ask("SET", "last", "v")
        client.ask("FLUSHALL")
        client.ask("SET", "after", "v")
    with tiered(folder) as server, server.client() as client:
        assert dump(client) == {(0, b"after"): (b"v", -1)}


def test_a_thousand_clients_of_one_cold_key_cost_one_read(folder):
    with tiered(folder) as server, server.client() as client:
        client.ask("SET", "k", "v" * 1000)
        client.ask("DEBUG", "EVICT")
        before = int(fields(client, "tiers")["cold_reads"])
        clients = [server.client() for _ in range(1000)]
        for each in clients:
            each.send("GET", "k")
        for each in clients:
            assert each.read() == b"v" * 1000
            each.socket.close()
        assert int(fields(client, "tiers")["cold_reads"]) == before + 1


def test_more_than_fits_into_memory_is_all_there(folder):
    keys, value = 30_000, "v" * 400
    with tiered(folder, "--residency.hot=8MiB", "--server.threads=2") as server, server.client() as client:
        for start in range(0, keys, 500):
            client.socket.sendall(b"".join(client.packed("SET", f"key:{i}", f"{i}:{value}")
                                           for i in range(start, start + 500)))
            for _ in range(500):
                assert client.read() == "OK"
        told = fields(client, "tiers", "stats")
        assert int(told["hot_evicted"]) > 10_000, told
        for start in range(0, keys, 300):
            got = client.ask("MGET", *(f"key:{i}" for i in range(start, start + 300)))
            assert got == [f"{i}:{value}".encode() for i in range(start, start + 300)], start
        seen, cursor = set(), b"0"
        while True:
            cursor, names = client.ask("SCAN", cursor, "COUNT", "1000")
            seen.update(names)
            if cursor == b"0":
                break
        assert seen == {f"key:{i}".encode() for i in range(keys)}
        assert abs(client.ask("DBSIZE") - keys) < keys / 2


def test_a_swap_is_answered_although_writes_that_nobody_waits_for_come_behind_it(folder):
    for threads in (1, 2):
        with tiered(folder, "--persistence.durability=no", f"--server.threads={threads}", name=f"swap{threads}") as server, \
                server.client() as client:
            for i in range(100):
                # In one piece, so that they are of one turn of the thread.
                client.socket.sendall(b"".join(client.packed("SWAPDB", 0, 1) + client.packed("SET", "count", i) for _ in range(5)))
                for _ in range(10):
                    assert client.read() == "OK", i


def test_a_restart_serves_at_once_and_warms_up(folder):
    with tiered(folder) as server, server.client() as client:
        for i in range(2000):
            client.ask("SET", f"key:{i}", "v")
        for _ in range(10):
            for i in range(100):
                client.ask("GET", f"key:{i}")
        time.sleep(1)
    assert (pathlib.Path(folder) / "cold" / "hot-keys").exists()
    with tiered(folder, "--persistence.warm_keys=100") as server, server.client() as client:
        assert client.ask("GET", "key:1999") == b"v"

        def warm():
            told = fields(client, "tiers")
            return int(told["cold_preloaded"]) + int(told["cold_found"]) >= 100

        support.wait_until(warm, "the hot keys are back in memory")
        where = [dict(zip(t[::2], t[1::2]))[b"tier"] for t in (client.ask("ULLAGE.TIER", f"key:{i}") for i in range(100))]
        assert where.count(b"hot") > 80, where.count(b"hot")


def test_where_an_entry_is_and_why(folder):
    with tiered(folder, "--persistence.prefixes=orders:=always,cache:=off") as server, server.client() as client:
        def tier(key):
            told = client.ask("ULLAGE.TIER", key)
            return None if told is None else {k.decode(): v for k, v in zip(told[::2], told[1::2])}

        client.ask("SET", "orders:1", "v", "EX", "1000")
        client.ask("SET", "cache:1", "v")
        began = int(time.time() * 1000)
        hot = tier("orders:1")
        assert hot["tier"] == b"hot" and hot["durability"] == b"always" and hot["why"] == b"written", hot
        assert began - 60_000 < hot["since_ms"] <= began, "since when, of what was written here as well"
        assert 0 < tier("cache:1")["since_ms"] <= began
        time.sleep(0.01)
        client.ask("APPEND", "orders:1", "v")
        client.ask("SETRANGE", "orders:1", 0, "w")
        assert tier("orders:1")["since_ms"] == hot["since_ms"], "written again it has been here all the time"
        client.ask("SET", "orders:1", "v", "EX", "1000")
        client.ask("SELECT", 1)
        client.ask("SET", "orders:1", "v")
        other = tier("orders:1")
        client.ask("DEL", "orders:1")
        client.ask("SELECT", 0)
        assert other["since_ms"] > hot["since_ms"] == tier("orders:1")["since_ms"], "another database, another key"
        client.ask("DEBUG", "EVICT")
        cold = tier("orders:1")
        assert cold["tier"] == b"cold" and cold["why"] == b"evicted" and cold["since_ms"] > 0, cold
        assert cold["expires_ms"] > 0 and cold["bytes"] == 1, cold
        assert tier("orders:1")["tier"] == b"cold", "looking does not bring it into memory"
        assert tier("cache:1")["durability"] == b"off"
        assert tier("orders:2") is None
        for key, words in (("orders:1", "in the cold tier"), ("cache:1", "evicting it loses it"),
                           ("orders:2", "GET would not ask"), ("cache:2", "in memory only"),
                           ("orders:1", "SET would be acknowledged when it is on the disk (always"),
                           ("cache:1", "SET would be acknowledged at once, and be kept in memory only"),
                           ("other", "SET would be acknowledged at once, and be on the disk within 50 ms (window")):
            assert words in client.ask("ULLAGE.EXPLAIN", key).decode(), client.ask("ULLAGE.EXPLAIN", key)
        client.ask("GET", "orders:1")
        assert tier("orders:1")["why"] == b"read"
        assert "read back from the cold tier" in client.ask("ULLAGE.EXPLAIN", "orders:1").decode()


def test_what_is_absent_is_asked_for_once_and_remembered_within_its_own_budget(folder):
    hot = 32 << 20
    with tiered(folder, "--server.threads=2", "--persistence.negative_ttl=600s", f"--residency.hot={hot}") as server, \
            server.client() as client:
        def figure(name):
            return int(fields(client, "tiers")[name])

        def reads_are(count):
            """A read is counted a moment after it was answered."""
            support.wait_until(lambda: figure("cold_reads") >= count, f"there were {count} reads")
            assert figure("cold_reads") == count, fields(client, "tiers")

        client.ask("SET", "present", "v")
        client.ask("DEBUG", "EVICT")
        for _ in range(50):
            assert client.ask("GET", "absent") is None and client.ask("EXISTS", "absent") == 0
        reads_are(1)
        assert figure("cold_negative_hits") == 99, fields(client, "tiers")
        client.ask("SET", "absent", "w")
        assert client.ask("GET", "absent") == b"w"
        client.ask("DEBUG", "EVICT")
        assert client.ask("GET", "absent") == b"w", "it is not absent any more"
        reads_are(2)
        assert client.ask("DEL", "absent") == 1 and client.ask("GET", "absent") is None
        reads_are(2)  # who erased it knows that it is gone
        for start in range(0, 200_000, 1000):
            client.socket.sendall(b"".join(client.packed("EXISTS", f"no{i}") for i in range(start, start + 1000)))
            assert sum(client.read() for _ in range(1000)) == 0
        support.wait_until(lambda: figure("cold_negative_entries") > 1000, "the figure is of the last tick")
        assert figure("cold_negative_entries") <= hot / 50 / 8, "at least 8 B each, of 2 % of residency.hot"
        assert client.ask("GET", "present") == b"v"
        reads_are(200_003)
        assert client.ask("EXISTS", "no199999") == 0
        reads_are(200_003)  # the last are remembered
        assert client.ask("EXISTS", "no0") == 0
        reads_are(200_004)  # the first made room for them
    with tiered(folder, "--persistence.negative_ttl=50ms") as server, server.client() as client:
        client.ask("DEBUG", "EVICT")
        def read_again():
            assert client.ask("GET", "absent") is None
            return int(fields(client, "tiers")["cold_reads"]) >= 2

        support.wait_until(read_again, "it is forgotten after its time, which is kept in seconds")


def test_preloading_brings_keys_into_memory(folder):
    names = pathlib.Path(folder) / "names"
    names.write_text("".join(f"file:{i}\n" for i in range(50)))
    with tiered(folder, "--server.threads=2") as server, server.client() as client:
        for kind in ("pattern", "file", "keys"):
            for i in range(50):
                client.ask("SET", f"{kind}:{i}", "v")
        client.ask("DEBUG", "EVICT")
        assert client.ask("ULLAGE.PRELOAD", "pattern:*") == "OK"
        assert client.ask("ULLAGE.PRELOAD", "FILE", names) == "OK"
        assert client.ask("ULLAGE.PRELOAD", "KEYS", *(f"keys:{i}" for i in range(50)), "absent") == 51
        support.wait_until(lambda: int(fields(client, "tiers")["cold_preloaded"]) == 150, "all are preloaded")
        reads = int(fields(client, "tiers")["cold_reads"])
        for kind in ("pattern", "file", "keys"):
            assert client.ask("MGET", *(f"{kind}:{i}" for i in range(50))) == [b"v"] * 50
        assert int(fields(client, "tiers")["cold_reads"]) == reads
        assert "can't be opened" in client.error("ULLAGE.PRELOAD", "FILE", "/nowhere")
    with wire.store() as server, server.client() as client:
        assert "no cold tier" in client.error("ULLAGE.PRELOAD", "x*")


def test_a_contract_that_makes_no_sense_is_refused(folder):
    for flags, words in (
            (["--persistence.durability=always"], "no persistence.directory"),
            ([f"--persistence.directory={folder}/x", "--persistence.prefixes=a:=soon"], "prefix \"a:\""),
            ([f"--persistence.directory={folder}/x", "--persistence.durability=1h"], "a window from"),
            (["--persistence.directory=/proc/nowhere"], "/proc/nowhere")):
        done = support.ullage("serve", "--server.resp_port=0", *flags, expect=None)
        assert done.returncode in (2, 3) and words in done.stderr, support.shown(done)


def line_with(server, words):
    """The next line of its log that has them."""
    while words not in (line := server.process.stderr.readline()):
        assert line, f"the log ended without {words!r}"
    return line


def test_a_full_disk_refuses_writes_and_serves_what_is_hot(folder):
    with tiered(folder, "--persistence.durability=always", "--persistence.prefixes=memory:=off") as server, \
            server.client() as client:
        client.ask("SET", "hot", "v")
        # As if the disk were full: no file may grow beyond this.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        problem = None
        for i in range(400):
            try:
                client.ask("SET", f"key:{i}", "v" * 1000)
            except wire.ReplyError as error:
                problem = str(error)
                break
        assert problem is not None and problem.startswith("MISCONF"), problem
        assert client.ask("GET", "hot") == b"v"
        assert client.ask("SET", "memory:k", "v") == "OK"
        assert client.error("SET", "hot", "w").startswith("MISCONF")
        assert fields(client, "tiers")["cold_writable"] == "0"
        said = line_with(server, "the cold tier has trouble")
        assert "writable=0" in said and "trouble=" in said, said
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        def recovered():
            try:
                return client.ask("SET", "hot", "w") == "OK"
            except wire.ReplyError:
                return False

        support.wait_until(recovered, "writes go on once there is room")
        line_with(server, "the cold tier can be read and written again")
    with tiered(folder) as server, server.client() as client:
        assert client.ask("GET", "hot") == b"w"


def test_replies_wait_for_the_disk_and_sessions_for_nothing_else(folder):
    with tiered(folder, "--persistence.durability=always", "--server.threads=2") as server:
        def body(i):
            with server.client() as client:
                for n in range(100):
                    client.socket.sendall(client.packed("INCR", f"n:{i}") + client.packed("GET", f"n:{i}")
                                          + client.packed("INCR", "shared"))
                    assert client.read() == n + 1
                    assert client.read() == str(n + 1).encode()
                    client.read()

        in_threads(8, body)
        with server.client() as client:
            assert client.ask("GET", "shared") == b"800"
            told = fields(client, "tiers")
            assert int(told["cold_syncs"]) > 0 and int(told["cold_held_replies"]) >= 800, told
    with tiered(folder) as server, server.client() as client:
        assert client.ask("GET", "shared") == b"800"

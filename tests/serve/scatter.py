# SPDX-License-Identifier: Apache-2.0
"""Commands on keys of several threads: each thread runs its part, nobody stands still, replies are as if one had run it."""
import contextlib
import random
import re
import socket
import struct
import threading
import time

import limits
import operation
import persistence
import rest
import support
import wire

KEYS = [f"key:{i}" for i in range(24)]


def counted(server, name):
    found = re.search(rf"^ullage_server_{name}_total (\S+)$", operation.get(server, "/metrics")[1], re.MULTILINE)
    return int(float(found.group(1)))


def test_commands_on_keys_of_several_threads_let_nobody_stand_still(_folder):
    with wire.store("--server.threads=3", http=True) as server, server.client() as client:
        client.ask("MSET", *[word for key in KEYS for word in (key, "v" + key)])
        client.ask("JSON.SET", "{d}1", "$", '{"a":1}')
        client.ask("JSON.SET", "document:2", "$", '{"a":2}')
        client.ask("JSON.SET", "third", "$", '{"a":3}')
        before = counted(server, "standstills"), counted(server, "scattered_commands")
        assert client.ask("MGET", *KEYS, "absent") == [b"v" + key.encode() for key in KEYS] + [None]
        assert client.ask("EXISTS", *KEYS, *KEYS, "absent") == 2 * len(KEYS)
        assert client.ask("TOUCH", *KEYS, "absent") == len(KEYS)
        # So many names that they are of several threads, whatever the hash's seed.
        names = ["{d}1", "document:2", "third"] + [f"absent:{i}" for i in range(20)]
        assert client.ask("JSON.MGET", *names, "$.a") == [b"[1]", b"[2]", b"[3]"] + [None] * 20
        assert client.ask("DEL", *KEYS[:12], "absent") == 12
        assert client.ask("UNLINK", *KEYS[8:]) == 12
        after = counted(server, "standstills"), counted(server, "scattered_commands")
        assert (after[0] - before[0], after[1] - before[1]) == (0, 6), (before, after)
        assert client.ask("MSETNX", *[word for key in KEYS for word in (key, "1")]) == 1
        assert counted(server, "standstills") > after[0], "the count would not show it"
        for command in ("mget", "exists", "touch", "del", "unlink"):
            assert limits.calls(client, command) == 1, command


def test_figures_and_a_scan_let_nobody_stand_still(_folder):
    with wire.store("--server.threads=3", http=True) as server, server.client() as client:
        for start in range(0, 6000, 100):
            limits.written(client, [("SET", f"k{i}", i) for i in range(start, start + 100)])
        client.error("INCR", "k1", "too many")
        before = counted(server, "standstills")
        assert client.ask("DBSIZE") == 6000
        client.socket.sendall(client.packed("SET", "one more", "x") + client.packed("DBSIZE"))
        assert (client.read(), client.read()) == ("OK", 6001), "what the client has written counts"
        told = client.ask("INFO", "everything").decode()
        assert "db0:keys=6001," in told and "errorstat_ERR:count=1" in told, told
        assert counted(server, "standstills") == before
        seen, cursor, calls = set(), "0", 0
        while calls == 0 or cursor != b"0":
            cursor, names = client.ask("SCAN", cursor, "COUNT", 10)
            seen.update(names)
            calls += 1
        assert len(seen) == 6001
        assert calls > 100, calls
        assert counted(server, "standstills") - before <= 2, "only from one thread's keys to the next one's"
        client.ask("KEYS", "none")
        assert counted(server, "standstills") > before, "the count would not show it"


def scanned(client, *words):
    seen, cursor, calls = [], b"0", 0
    while calls == 0 or cursor != b"0":
        cursor, names = client.ask("SCAN", cursor, *words)
        seen += names
        calls += 1
    return seen, calls


def listed(http):
    """All keys over HTTP, and in how many answers."""
    seen, cursor, calls = [], "", 0
    while cursor is not None:
        answer = http("GET", "/v1/keys?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status == 200, answer
        seen += answer.json()["keys"]
        cursor = answer.json()["cursor"]
        calls += 1
    return seen, calls


def test_figures_and_a_scan_let_nobody_stand_still_over_a_cold_tier(folder):
    with persistence.tiered(folder, "--server.threads=3", http=True) as server, server.client() as client, \
            rest.Http(server) as http:
        for start in range(0, 6000, 100):
            limits.written(client, [("SET", f"k{i}", i) for i in range(start, start + 100)])
        client.ask("DEBUG", "EVICT")
        before = counted(server, "standstills")
        assert client.ask("DBSIZE") == 6000, "the cold tier has them"
        client.socket.sendall(client.packed("SET", "one more", "x") + client.packed("DBSIZE"))
        assert (client.read(), client.read()) == ("OK", 6001), "what the client has written counts"
        assert "cold_writable:1" in client.ask("INFO", "everything").decode()
        seen, calls = scanned(client, "COUNT", 50)
        assert len(seen) == len(set(seen)) == 6001 and calls > 100, (len(seen), calls)
        names, _ = listed(http)
        assert len(names) == len(set(names)) == 6001, len(names)
        assert counted(server, "standstills") == before
        assert len(client.ask("KEYS", "*")) == 6001
        assert client.ask("RANDOMKEY") is not None
        assert counted(server, "standstills") == before + 2, "once each: not when they begin to ask the disk"


def test_what_anybody_was_told_is_written_counts_on_every_thread(folder):
    with persistence.tiered(folder, "--server.threads=3") as server, server.client() as client:
        client.ask("SET", "cold", "x")
        client.ask("DEBUG", "EVICT")
        writers, readers = [server.client() for _ in range(6)], [server.client() for _ in range(6)]
        for i in range(600):
            assert writers[i % 6].ask("SET", f"k{i}", i) == "OK"
            assert readers[i // 6 % 6].ask("DBSIZE") == i + 2, i
        for each in writers + readers:
            each.socket.close()


def test_what_is_acknowledged_in_a_turn_that_goes_on_counts_and_is_in_a_backup(folder):
    flags = ("--server.threads=2", "--persistence.durability=no", "--residency.hot=512MiB")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(persistence.tiered(folder, *flags, http=True))
        client = stack.enter_context(server.client())

        def shard(key):
            client.ask("SET", key, "x")
            told = client.ask("ULLAGE.TIER", key)
            return told[told.index(b"shard") + 1]

        one, other = [key for key in KEYS if shard(key) == 0][:2]
        new = next(f"new{i}" for i in range(100) if shard(f"new{i}") == 0)

        def at_home(each):
            before = counted(server, "posts")
            each.ask("GET", one)
            return counted(server, "posts") == before

        clients = [stack.enter_context(server.client()) for _ in range(40)]
        here = [each for each in clients if at_home(each)]
        away = [each for each in clients if each not in here]
        for key in (one, other):
            client.ask("SET", key, "ab" * 2000)
        for attempt in range(10):
            client.ask("DEL", new)
            client.ask("DEBUG", "EVICT")
            count = client.ask("DBSIZE")
            busy = client.packed("LCS", one, other, "LEN") * 5
            here[0].socket.sendall(busy)
            time.sleep(0.05)
            here[1].send("SET", new, "here")
            here[2].socket.sendall(busy)
            assert here[1].read() == "OK"
            away[0].send("DBSIZE")
            away[1].send("ULLAGE.BACKUP", "START", str(folder / f"copy{attempt}"))
            within = here[2].silent(0.001)
            assert away[0].read() == count + 1
            assert away[1].read() == "OK"
            for each in (here[0], here[2]):
                assert [each.read() for _ in range(5)] == [4000] * 5
            if within:
                break
        assert within, "its thread was never in the middle of a turn"

        def state():
            return client.ask("ULLAGE.BACKUP", "STATUS")[1]

        support.wait_until(lambda: state() != b"running", "the backup is made")
        assert state() == b"done", client.ask("ULLAGE.BACKUP", "STATUS")
    support.ullage("restore", folder / f"copy{attempt}", "--to", folder / "restored")
    with persistence.tiered(folder, name="restored") as server, server.client() as client:
        assert client.ask("GET", new) == b"here"


def test_a_scan_of_both_tiers_stands_only_between_the_threads_of_memory(folder):
    with persistence.tiered(folder, "--server.threads=3", "--persistence.prefixes=cache:=off", http=True) as server, \
            server.client() as client, rest.Http(server) as http:
        for start in range(0, 3000, 100):
            limits.written(client, [("SET", f"cache:{i}", i) for i in range(start, start + 100)])
            limits.written(client, [("SET", f"kept:{i}", i) for i in range(start, start + 100)])
        client.ask("DEBUG", "EVICT")
        before = counted(server, "standstills")
        seen, calls = scanned(client, "COUNT", 20)
        assert len(seen) == len(set(seen)) == 6000 and calls > 250, (len(seen), calls)
        assert counted(server, "standstills") - before <= 2, "only from one thread's keys to the next one's"
        before = counted(server, "standstills")
        names, _ = listed(http)
        assert len(names) == len(set(names)) == 6000, len(names)
        assert counted(server, "standstills") - before <= 2
        assert client.ask("DBSIZE") == 6000
        assert len(client.ask("KEYS", "cache:*")) == 3000


def test_a_scan_tells_what_was_there_throughout_while_tables_grow_and_shrink(_folder):
    with wire.store("--server.threads=3") as server, server.client() as client, server.client() as other:
        for start in range(0, 3000, 100):
            limits.written(client, [("SET", f"stays:{i}", i) for i in range(start, start + 100)])
        stays = {b"stays:%d" % i for i in range(3000)}
        for turn in range(3):
            seen, cursor, at = set(), b"0", 0
            while True:
                cursor, names = client.ask("SCAN", cursor, "COUNT", 50)
                seen.update(names)
                # Between two calls the tables grow by a third of what they were, in the last turn they shrink.
                if at < 60_000 and turn < 2:
                    limits.written(other, [("SET", f"{turn}:{i}", i) for i in range(at, at + 1000)])
                    at += 1000
                elif at < 60_000:
                    other.ask("UNLINK", *[f"{n}:{i}" for n in (0, 1) for i in range(at, at + 1000)])
                    at += 1000
                if cursor == b"0":
                    break
            assert stays <= seen, f"turn {turn}: {len(stays - seen)} of {len(stays)} were not told"
        assert other.ask("DBSIZE") == 3000 or at < 60_000


class Model:
    """What the replies to one client's commands must be."""

    def __init__(self, seed):
        self.random, self.values = random.Random(seed), {}

    def step(self):
        keys = [self.random.choice(KEYS) for _ in range(self.random.choice((1, 2, 3, 8)))]
        kind = self.random.choice(("SET", "SET", "GET", "MGET", "MGET", "DEL", "UNLINK", "EXISTS", "TOUCH", "MSET", "RENAME"))
        if kind == "SET":
            value = str(self.random.random()) * self.random.choice((1, 1, 1, 2000))
            self.values[keys[0]] = value.encode()
            return (kind, keys[0], value), "OK"
        if kind == "GET":
            return (kind, keys[0]), self.values.get(keys[0])
        if kind == "MGET":
            return (kind, *keys), [self.values.get(key) for key in keys]
        if kind in ("DEL", "UNLINK"):
            return (kind, *keys), sum(self.values.pop(key, None) is not None for key in keys)
        if kind == "MSET":
            self.values.update({key: b"m" for key in keys})
            return (kind, *[word for key in keys for word in (key, "m")]), "OK"
        if kind == "RENAME":
            source = keys[0]
            if source not in self.values:
                return ("EXISTS", source), 0
            self.values[KEYS[0]] = self.values.pop(source)
            return (kind, source, KEYS[0]), "OK"
        return (kind, *keys), sum(key in self.values for key in keys)


def follows_the_model(client, seed, rounds, before_each=lambda: None):
    model = Model(seed)
    client.ask("FLUSHALL")
    for _ in range(rounds):
        before_each()
        batch = [model.step() for _ in range(60)]
        client.socket.sendall(b"".join(client.packed(*words) for words, _ in batch))
        for words, reply in batch:
            got = client.read()
            assert got == reply, f"seed {seed}: {words} replied {got!r}, not {reply!r}"


def test_a_pipeline_over_all_threads_is_answered_as_if_it_was_one(folder):
    with wire.store("--server.threads=3") as server, server.client() as client:
        for seed in range(3):
            follows_the_model(client, seed, rounds=40)
    flags = (f"--persistence.directory={folder}/cold", "--server.threads=3")
    with wire.store(*flags) as server, server.client() as client, server.client() as evicter:
        follows_the_model(client, 7, rounds=25, before_each=lambda: evicter.ask("DEBUG", "EVICT"))


def test_a_client_may_leave_while_others_owe_its_reply(_folder):
    with wire.store("--server.threads=3") as server, server.client() as other:
        other.ask("MSET", *[word for key in KEYS for word in (key, "x" * 5000)])
        for i in range(200):
            client = wire.Client(server.port)
            client.socket.sendall(client.packed("MGET", *KEYS) * (i % 20 + 1) + client.packed("DEL", "a", "b", "c"))
            if i % 2:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        assert other.ask("EXISTS", *KEYS) == len(KEYS)
        support.wait_until(lambda: b"connected_clients:1\r\n" in other.ask("INFO", "clients"), "all of them are gone")


def test_nobody_sees_half_of_what_changes_at_once(_folder):
    with wire.store("--server.threads=3", http=True) as server:
        keys, done, problems = KEYS[:9], threading.Event(), []

        def write(how):
            with server.client() as client:
                for i in range(400):
                    pairs = [word for key in keys for word in (key, str(i))]
                    if how == "MSET":
                        client.ask("MSET", *pairs)
                    else:
                        client.socket.sendall(client.packed("MULTI") + client.packed("MSET", *pairs[:8])
                                              + client.packed("MSET", *pairs[8:]) + client.packed("EXEC"))
                        assert [client.read() for _ in range(4)] == ["OK", "QUEUED", "QUEUED", ["OK", "OK"]]
                    client.ask("RENAME", "one name", "another") if i % 2 else client.ask("RENAME", "another", "one name")

        def look():
            with server.client() as client:
                while not done.is_set():
                    values = client.ask("MGET", *keys)
                    if len(set(values)) != 1:
                        problems.append(values)
                    there = client.ask("EXISTS", "one name", "another")
                    if there != 1:
                        problems.append(there)

        for how in ("MSET", "EXEC"):
            done.clear()
            with server.client() as client:
                client.ask("MSET", *[word for key in keys for word in (key, "start")])
                client.ask("DEL", "one name")
                client.ask("SET", "another", "value")
            readers = [threading.Thread(target=look) for _ in range(3)]
            for reader in readers:
                reader.start()
            write(how)
            done.set()
            for reader in readers:
                reader.join()
            assert not problems, f"{how}: {len(problems)} torn, such as {problems[0]}"
        assert counted(server, "scattered_commands") > 0


def test_replies_that_nobody_wants_and_errors_are_as_ever(_folder):
    with wire.store("--server.threads=3") as server, server.client() as client:
        client.ask("MSET", *[word for key in KEYS for word in (key, "1")])
        for words in (("CLIENT", "REPLY", "SKIP"), ("MGET", *KEYS), ("EXISTS", *KEYS)):
            client.send(*words)
        assert client.read() == len(KEYS)
        for words in (("CLIENT", "REPLY", "OFF"), ("DEL", *KEYS[:4]), ("CLIENT", "REPLY", "ON")):
            client.send(*words)
        assert client.read() == "OK"
        assert client.ask("EXISTS", *KEYS) == len(KEYS) - 4
        client.ask("ACL", "SETUSER", "few", "on", ">secret", "~key:1*", "+@all")
        with server.client() as few:
            few.ask("AUTH", "few", "secret")
            assert few.ask("EXISTS", *[key for key in KEYS if key.startswith("key:1")]) == 10  # key:1 is gone
            for command in ("MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"):
                assert few.error(command, *KEYS).startswith("NOPERM"), command
        assert client.ask("EXISTS", *KEYS) == len(KEYS) - 4


def test_who_listens_is_told_in_the_order_of_the_keys(_folder):
    with wire.store("--server.threads=3") as server, server.client() as client, server.client() as listener:
        client.ask("HELLO", "3")
        client.ask("CLIENT", "TRACKING", "ON")
        client.ask("MSET", *[word for key in KEYS for word in (key, "1")])
        client.ask("MGET", *KEYS)
        assert client.ask("DEL", *KEYS) == len(KEYS)  # the reply, then what it brought about
        assert [client.read() for _ in KEYS] == [[b"invalidate", [key.encode()]] for key in KEYS]
        client.ask("CLIENT", "TRACKING", "OFF")
        client.ask("CONFIG", "SET", "notify-keyspace-events", "Eg")
        listener.ask("SUBSCRIBE", "__keyevent@0__:del")
        client.ask("MSET", *[word for key in KEYS for word in (key, "1")])
        assert client.ask("UNLINK", *KEYS) == len(KEYS)
        told = [listener.read()[2] for _ in KEYS]
        assert told == [key.encode() for key in KEYS], told

# SPDX-License-Identifier: Apache-2.0
"""JSON documents: what each command replies, by tables, and that the store's promises hold for them."""
import json
import pathlib
import random
import shlex

import real_clients
import support
import wire

HERE = pathlib.Path(__file__).parent
THREADS = ("--server.threads=1", "--server.threads=3")


def plain(value):
    """A reply as the JSON that the tables show."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    return value


def differences(client, name, before=lambda: None):
    """Lines whose replies are others; `before` is called before each command."""
    found = []
    for number, line in enumerate((HERE / "documents" / f"{name}.table").read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("@resp "):
            client.ask("HELLO", line.split()[1])
            continue
        command, _, expected = line.rpartition(" => ")
        words = [word.encode() for word in shlex.split(command)]
        before()
        try:
            got = plain(client.ask(*words))
            same = not expected.startswith("!") and got == json.loads(expected) and type(got) is type(json.loads(expected))
        except wire.ReplyError as problem:
            got = "!" + str(problem)
            same = got == expected
        if not same:
            found.append(f"{name}.table:{number}: {command}\n    expected: {expected}\n    got:      "
                         f"{got if str(got).startswith('!') else json.dumps(got)}")
    return found


def test_replies_to_json_commands_are_those_of_the_tables(_folder):
    for threads in THREADS:
        with wire.store(threads) as server:
            found = []
            for table in sorted((HERE / "documents").glob("*.table")):
                with server.client() as client:
                    client.ask("FLUSHALL")
                    found += differences(client, table.stem)
            assert not found, f"{len(found)} replies differ with {threads}:\n" + "\n".join(found)


def test_replies_are_the_same_while_every_document_is_cold(folder):
    if support.run([support.BIN, "contract", "explain", "persistence.directory"]).returncode != 0:
        raise support.Skip("this build keeps everything in memory")
    for threads in THREADS:
        with wire.store(threads, f"--persistence.directory={folder}/cold{threads[-1]}") as server:
            found = []
            for table in sorted((HERE / "documents").glob("*.table")):
                with server.client() as client, server.client() as evicter:
                    client.ask("FLUSHALL")
                    found += differences(client, table.stem, lambda evicter=evicter: evicter.ask("DEBUG", "EVICT"))
            assert not found, f"{len(found)} replies differ with {threads}:\n" + "\n".join(found)


def test_a_document_goes_where_its_key_goes(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as client:
            client.ask("JSON.SET", "a", "$", '{"k":[1,2]}')
            for i in range(20):  # to whatever shard
                assert client.ask("RENAME", "a" if i == 0 else f"a{i - 1}", f"a{i}") == "OK"
            assert client.ask("COPY", "a19", "b") == 1
            assert client.ask("MOVE", "b", "9") == 1
            client.ask("SELECT", "9")
            assert client.ask("JSON.ARRAPPEND", "b", "$.k", "3") == [3]
            assert client.ask("TYPE", "b") == "ReJSON-RL"
            client.ask("SELECT", "0")
            assert client.ask("JSON.GET", "a19") == b'{"k":[1,2]}'
            client.ask("SET", "text", "x")
            assert client.ask("SCAN", "0", "TYPE", "rejson-rl", "COUNT", "100")[1] == [b"a19"]
            assert client.ask("SCAN", "0", "TYPE", "string", "COUNT", "100")[1] == [b"text"]
            assert client.ask("MEMORY", "USAGE", "a19") > 10


def test_a_changed_part_leaves_the_time_to_live(_folder):
    with wire.store() as server, server.client() as client:
        client.ask("JSON.SET", "k", "$", '{"a":1,"l":[],"s":"x","t":true}')
        client.ask("EXPIRE", "k", "1000")
        for words in (["SET", "k", "$.a", "2"], ["SET", "k", "$.new", '"' + "x" * 5000 + '"'],
                      ["SET", "k", "$.new2", '"' + "x" * 50000 + '"'], ["NUMINCRBY", "k", "$.a", "1"],
                      ["ARRAPPEND", "k", "$.l", "1"], ["STRAPPEND", "k", "$.s", '"y"'], ["TOGGLE", "k", "$.t"],
                      ["MERGE", "k", "$", '{"m":1}'], ["CLEAR", "k", "$.l"], ["DEL", "k", "$.new"],
                      ["DEL", "k", "$.new2"]):
            client.ask("JSON." + words[0], *words[1:])
            assert 900 < client.ask("TTL", "k") <= 1000, words
        client.ask("PEXPIRE", "k", "30")
        support.wait_until(lambda: client.ask("JSON.GET", "k") is None, "it ends")


def test_watched_documents_fail_a_transaction_when_a_part_changes(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as one, server.client() as other:
            one.ask("JSON.SET", "k", "$", '{"a":1}')
            for change in (["JSON.NUMINCRBY", "k", "$.a", "1"], ["JSON.DEL", "k", "$.b"]):
                one.ask("WATCH", "k")
                other.ask(*change)
                one.ask("MULTI")
                one.ask("JSON.SET", "k", "$.b", "5")
                one.ask("JSON.GET", "k")
                got = one.ask("EXEC")
                if change[0] == "JSON.DEL":  # there was no b: nothing has changed
                    assert got == ["OK", b'{"a":2,"b":5}'], got
                else:
                    assert got is None, got


def test_changes_are_told_to_those_who_listen(_folder):
    with wire.store() as server, server.client() as listener, server.client() as client, server.client() as cache:
        client.ask("CONFIG", "SET", "notify-keyspace-events", "KEA")
        listener.ask("PSUBSCRIBE", "__keyevent@0__:*")
        cache.ask("HELLO", "3")
        cache.ask("CLIENT", "TRACKING", "ON")
        for words, event in (
                (["JSON.SET", "k", "$", '{"a":1,"l":[1],"s":"","t":true,"o":{"x":1}}'], "json.set"),
                (["JSON.NUMINCRBY", "k", "$.a", "1"], "json.numincrby"),
                (["JSON.NUMMULTBY", "k", "$.a", "2"], "json.nummultby"),
                (["JSON.STRAPPEND", "k", "$.s", '"x"'], "json.strappend"),
                (["JSON.ARRAPPEND", "k", "$.l", "2"], "json.arrappend"),
                (["JSON.ARRINSERT", "k", "$.l", "0", "0"], "json.arrinsert"),
                (["JSON.ARRPOP", "k", "$.l"], "json.arrpop"),
                (["JSON.ARRTRIM", "k", "$.l", "0", "0"], "json.arrtrim"),
                (["JSON.TOGGLE", "k", "$.t"], "json.toggle"),
                (["JSON.CLEAR", "k", "$.o"], "json.clear"),
                (["JSON.MERGE", "k", "$", '{"m":1}'], "json.merge"),
                (["JSON.MSET", "k", "$.m", "2"], "json.mset"),
                (["JSON.DEL", "k", "$.m"], "json.del"),
                (["JSON.FORGET", "k"], "json.del")):
            cache.ask("JSON.GET", "k")
            client.ask(*words)
            assert listener.read()[2:] == [b"__keyevent@0__:" + event.encode(), b"k"], words
            assert cache.read() == [b"invalidate", [b"k"]] or event == "json.set", words
            if event == "json.set":
                cache.buffer.clear()
        client.ask("JSON.SET", "k", "$", "{}")
        listener.read()
        for words in (["JSON.SET", "k", "$.a.b", "1"], ["JSON.DEL", "k", "$.a"], ["JSON.ARRPOP", "k", "$"],
                      ["JSON.NUMINCRBY", "k", "$.a", "1"], ["JSON.CLEAR", "k", "$"], ["JSON.GET", "k"]):
            client.ask(*words)
        assert listener.silent(), "nothing has changed"


def test_what_the_budget_denies_leaves_the_document_as_it_was(_folder):
    with wire.store("--residency.hot=8MiB", "--residency.process=512MiB", "--server.threads=1") as server, server.client() as client:
        client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        client.ask("JSON.SET", "k", "$", '{"head":1,"l":[],"tail":"t"}')
        item = '"' + "x" * 20000 + '"'
        count = 0
        while True:
            try:
                count = client.ask("JSON.ARRAPPEND", "k", "$.l", item)[0]
            except wire.ReplyError as problem:
                assert str(problem).startswith("OOM"), problem
                break
            assert count < 1000
        assert count > 100
        assert client.ask("JSON.ARRLEN", "k", "$.l") == [count]
        assert client.ask("JSON.GET", "k", "$.head", "$.tail") == b'{"$.head":[1],"$.tail":["t"]}'
        assert client.error("JSON.SET", "k", "$.more", item).startswith("OOM")
        assert client.error("JSON.MERGE", "k", "$", '{"more":%s}' % item).startswith("OOM")
        assert client.ask("JSON.OBJKEYS", "k", ".") == [b"head", b"l", b"tail"]
        assert client.ask("JSON.ARRTRIM", "k", "$.l", "0", str(count // 2)) == [count // 2 + 1]
        assert client.ask("JSON.ARRAPPEND", "k", "$.l", item) == [count // 2 + 2], "there is room again"


def test_documents_are_bounded_in_depth_and_size(_folder):
    with wire.store("--server.max_value=1MiB") as server, server.client() as client:
        assert client.ask("JSON.SET", "deep", "$", "[" * 128 + "]" * 128) == "OK"
        assert "recursion limit" in client.error("JSON.SET", "deeper", "$", "[" * 129 + "]" * 129)
        client.ask("JSON.SET", "k", "$", '{"a":' * 100 + "[]" + "}" * 100)
        assert "deeper than 128" in client.error("JSON.ARRAPPEND", "k", "$" + ".a" * 100, "[" * 30 + "]" * 30)
        assert "deeper than 128" in client.error("JSON.SET", "k", "$" + ".a" * 100, "[" * 30 + "]" * 30)
        assert client.ask("JSON.ARRAPPEND", "k", "$" + ".a" * 100, "[" * 20 + "]" * 20) == [1]
        client.ask("JSON.SET", "big", "$", '["%s"]' % ("x" * 600_000))
        assert "server.max_value" in client.error("JSON.ARRAPPEND", "big", "$", '"%s"' % ("x" * 600_000))
        assert client.ask("JSON.ARRLEN", "big") == 1
        client.ask("JSON.SET", "d", "$", "[" * 60 + "1" + "]" * 60)
        assert "asks for more" in client.error("JSON.GET", "d", "$" + "..*" * 9)


def test_keys_of_several_shards_in_one_command(_folder):
    with wire.store("--server.threads=3") as server, server.client() as client:
        words = []
        for i in range(50):
            words += [f"k{i}", "$", '{"i":%d}' % i]
        assert client.ask("JSON.MSET", *words) == "OK"
        got = client.ask("JSON.MGET", *[f"k{i}" for i in range(60)], "$.i")
        assert got == [b"[%d]" % i for i in range(50)] + [None] * 10
        assert client.ask("COMMAND", "GETKEYS", "JSON.MSET", *words[:6]) == [b"k0", b"k1"]
        assert client.ask("COMMAND", "GETKEYS", "JSON.MGET", "a", "b", "$") == [b"a", b"b"]
        assert b"json" in client.ask("COMMAND", "DOCS", "JSON.GET")[1]


class Model:
    """A document as Python has it, and the same changes made to it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.document = {"list": [], "text": "", "object": {}, "number": 0}

    def value(self, depth=2):
        kind = self.random.randrange(8 if depth else 5)
        if kind == 0:
            return self.random.choice([None, True, False])
        if kind in (1, 2):
            return self.random.choice([self.random.randrange(-200, 200), self.random.randrange(1 << 40), 0.5])
        if kind in (3, 4):
            return "é\n\"x" * self.random.randrange(3) + "y" * self.random.choice([1, 10, 60, 70, 260, 3000])
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.random.randrange(5))]
        return {f"k{self.random.randrange(8)}": self.value(depth - 1) for _ in range(self.random.randrange(5))}

    def step(self):
        """A command, and the reply that it must have."""
        doc, rand = self.document, self.random
        what, text = rand.randrange(9), self.value()
        encoded = json.dumps(text)
        if what in (0, 1):
            doc["list"].append(text)
            return ["JSON.ARRAPPEND", "k", "$.list", encoded], [len(doc["list"])]
        if what == 2:
            at = rand.randrange(len(doc["list"]) + 1)
            doc["list"].insert(at, text)
            return ["JSON.ARRINSERT", "k", "$.list", str(at), encoded], [len(doc["list"])]
        if what == 3:
            if not doc["list"]:
                return ["JSON.ARRPOP", "k", "$.list", "0"], [None]
            at = rand.randrange(len(doc["list"]))
            return ["JSON.ARRPOP", "k", "$.list", str(at)], [doc["list"].pop(at)]
        if what == 4:
            more = "z" * rand.choice([1, 5, 100, 1000])
            doc["text"] += more
            return ["JSON.STRAPPEND", "k", "$.text", json.dumps(more)], [len(doc["text"])]
        if what == 5:
            name = f"n{rand.randrange(30)}"
            doc["object"][name] = text
            return ["JSON.SET", "k", f"$.object.{name}", encoded], "OK"
        if what == 6:
            name = f"n{rand.randrange(30)}"
            there = name in doc["object"]
            doc["object"].pop(name, None)
            return ["JSON.DEL", "k", f"$.object['{name}']"], int(there)
        if what == 7:
            by = rand.randrange(-1000, 1000)
            doc["number"] += by
            return ["JSON.NUMINCRBY", "k", "$.number", str(by)], [doc["number"]]
        keep = rand.randrange(40)
        if len(doc["list"]) > 60:
            doc["list"] = doc["list"][:keep]
            return ["JSON.ARRTRIM", "k", "$.list", "0", str(keep - 1)] if keep else \
                ["JSON.CLEAR", "k", "$.list"], [keep] if keep else 1
        return ["JSON.OBJLEN", "k", "$.object"], [len(doc["object"])]


def test_a_document_agrees_with_python_s_whatever_is_done_to_it(_folder):
    with wire.store("--server.threads=2") as server, server.client() as client:
        for seed in range(30 if support.FULL else 8):
            model = Model(seed)
            client.ask("JSON.SET", "k", "$", json.dumps(model.document))
            for number in range(300):
                words, expected = model.step()
                got = client.ask(*words)
                if words[0] == "JSON.ARRPOP":
                    got = [v if v is None else json.loads(v) for v in got]
                elif words[0] == "JSON.NUMINCRBY":
                    got = json.loads(got)
                assert got == expected, (seed, number, words, got, expected)
            assert json.loads(client.ask("JSON.GET", "k")) == model.document, seed


def test_a_large_document_grows_where_it_is(_folder):
    with wire.store("--residency.hot=256MiB") as server, server.client() as client:
        client.ask("JSON.SET", "k", "$", '{"l":[],"end":[1,2]}')
        item = json.dumps({"id": 1, "text": "x" * 200})
        for start in range(0, 20000, 500):
            client.socket.sendall(client.packed("JSON.ARRAPPEND", "k", "$.l", item) * 500)
            for i in range(500):
                assert client.read() == [start + i + 1]
        assert client.ask("JSON.ARRLEN", "k", "$..*")[:2] == [20000, 2]
        assert client.ask("JSON.GET", "k", "$.l[19999].id", "$.end") == b'{"$.l[19999].id":[1],"$.end":[[1,2]]}'
        assert len(json.loads(client.ask("JSON.GET", "k", "$.l"))[0]) == 20000


PYTHON_CLIENT = """
import sys
import redis
from redis.commands.json.path import Path
r = redis.Redis(port=int(sys.argv[1]))
j = r.json()
assert j.set("d", Path.root_path(), {"a": 1, "l": [1, 2], "s": "x", "t": True, "o": {"k": None}}) is True
assert j.set("d", Path.root_path(), {}, nx=True) is None
assert j.get("d") == {"a": 1, "l": [1, 2], "s": "x", "t": True, "o": {"k": None}}
assert j.get("d", "$.a") == [1] and j.get("d", Path("a"), Path("s")) == {"a": 1, "s": "x"}
assert j.get("absent") is None
assert j.numincrby("d", "$.a", 2) == [3] and j.nummultby("d", Path("a"), 2) == 6
assert j.strappend("d", "yz", "$.s") == [3] and j.strlen("d", "$.s") == [3]
assert j.arrappend("d", "$.l", 3, {"x": 1}) == [4] and j.arrlen("d", "$.l") == [4]
assert j.arrindex("d", "$.l", 3) == [2] and j.arrinsert("d", "$.l", 0, "zero") == [5]
assert j.arrpop("d", "$.l") == ['{"x":1}'] or j.arrpop("d", "$.l"), "popped"
assert j.arrtrim("d", "$.l", 0, 1) == [2]
assert j.toggle("d", "$.t") == [False] or j.toggle("d", "$.t"), "toggled"
assert j.objkeys("d", "$.o") in ([["k"]], [[b"k"]]) and j.objlen("d", "$.o") == [1]
assert j.type("d", "$.l") in (["array"], [b"array"])
assert j.mget(["d", "absent"], "$.a") == [[6], None]
assert j.clear("d", "$.l") == 1 and j.delete("d", "$.l") == 1 and j.forget("d") == 1
assert r.exists("d") == 0
pipe = j.pipeline()
pipe.set("p", Path.root_path(), {"n": 1})
pipe.get("p")
assert pipe.execute() == [True, {"n": 1}], "in a transaction"
"""


def test_python_redis_s_json_works(folder):
    real_clients.run_python_redis(folder, PYTHON_CLIENT, needs="redis.commands.json", settings=THREADS)

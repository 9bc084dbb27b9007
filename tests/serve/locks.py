# SPDX-License-Identifier: Apache-2.0
"""Users, passwords, and that nobody sees or changes keys that are not theirs, by any command there is."""
import contextlib
import socket

import support
import wire

SECRET = b"hidden"  # in every key, value, channel and message that the restricted user must not see
THREADS = ("--server.threads=1", "--server.threads=3")
# What may do no harm to ask for: these end or silence the connection that asks.
UNASKED = {"client|reply", "quit", "subscribe", "psubscribe", "monitor"}
# What commands without keys are asked with, besides words that fit any.
WORDS_OF = {
    "keys": [["*"], ["hidden*"]], "scan": [["0", "COUNT", "100000"], ["0", "MATCH", "hidden*"]],
    "randomkey": [[]] * 50, "config|get": [["*"]], "slowlog|get": [["-1"]], "acl|log": [["100"], []],
    "client|list": [[]], "client|info": [[]], "info": [["everything"], ["all"]], "latency|histogram": [[]],
    "latency|history": [["command"]], "pubsub|channels": [[], ["*"], ["__keyspace@0__:*"]],
    "pubsub|numsub": [["mine:ch"]], "debug": [["object", "hidden:1"], ["listpack", "hidden:1"]],
    "acl|list": [[]], "acl|getuser": [["app"], ["default"]], "ullage.mrc": [[]], "command": [[]],
}


def restricted(client):
    client.ask("ACL", "SETUSER", "app", "on", ">pw", "~mine:*", "&*", "+@all")


def as_app(server, resp=2):
    client = server.client()
    client.ask("HELLO", resp, "AUTH", "app", "pw")
    return client


def commands_of(client):
    """Every command and subcommand: name, arity, positions of keys."""
    found = []

    def add(rows):
        for row in rows:
            name, arity, _, first, last, step = (row[i] for i in range(6))
            found.append((name.decode(), arity, first, last, step))
            add(row[9])

    add(client.ask("COMMAND"))
    return found


def words_for(name, arity, rest):
    words = name.split("|")
    return words + rest + ["mine:x"] * (max(0, abs(arity) - len(words) - len(rest)))


def fill(client, prefix):
    for i in range(20):
        client.ask("SET", f"{prefix}:{i}", f"{prefix} value {i}")


def test_no_command_touches_a_key_that_is_not_the_user_s(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as admin:
            restricted(admin)
            fill(admin, "hidden")
            with as_app(server) as app:
                checked = 0
                for name, arity, first, last, step in commands_of(admin):
                    if first == 0:
                        continue
                    count = max(abs(arity), first + 2 * step + 1)
                    words = words_for(name, count, [])
                    end = len(words) + last if last < 0 else min(last, len(words) - 1)
                    for key in range(first, end + 1, step):
                        asked = list(words)
                        asked[key] = "hidden:1"
                        if arity > 0:
                            asked = asked[:arity]
                        expected = "NOPERM this user has no permissions to access one of the keys used as arguments"
                        assert app.error(*asked) == expected, asked
                        assert app.ask("MULTI") == "OK"
                        assert app.error(*asked) == expected, asked
                        assert app.error("EXEC").startswith("EXECABORT"), asked
                        checked += 1
                assert checked > 60, checked
            for i in range(20):
                assert admin.ask("GET", f"hidden:{i}") == f"hidden value {i}".encode()


def leave_traces(server, admin):
    """Secrets wherever a server may keep them. The clients that must stay connected."""
    admin.ask("CONFIG", "SET", "slowlog-log-slower-than", "0", "notify-keyspace-events", "KEA",
              "latency-monitor-threshold", "1")
    fill(admin, "hidden")
    admin.ask("SET", "mine:1", "own")
    listener = server.client()
    listener.ask("SUBSCRIBE", "__keyspace@0__:hidden:1")
    tracker = server.client()
    tracker.ask("HELLO", "3")
    tracker.ask("CLIENT", "TRACKING", "ON")
    tracker.ask("GET", "hidden:1")
    admin.ask("ACL", "SETUSER", "other", "on", ">hidden", "~x", "+get")
    with server.client() as other:
        other.ask("AUTH", "other", "hidden")
        other.error("GET", "hidden:1")  # into ACL LOG
    admin.ask("CONFIG", "SET", "requirepass", "hidden")
    return [listener, tracker]


def test_no_command_without_keys_tells_of_keys_or_values_of_others(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as admin:
            restricted(admin)
            traces = leave_traces(server, admin)
            told, refused = [], set()
            for name, arity, first, _, _ in commands_of(admin):
                if first != 0 or name in UNASKED:
                    continue
                for rest in WORDS_OF.get(name, []) + [[], ["hidden:1"], ["0", "hidden:1"], ["*"]]:
                    with as_app(server) as app:
                        app.socket.settimeout(10)
                        asked = words_for(name, arity, rest)
                        try:
                            reply = app.raw(*asked)
                        except (EOFError, socket.timeout, ConnectionError):
                            reply = b""
                    if b"NOPERM" in reply and b"needs allkeys" in reply:
                        refused.add(name)
                    # What the user said itself may come back.
                    own = reply.count(SECRET) if any("hidden" in word for word in asked) and len(reply) < 400 else 0
                    if reply.count(SECRET) > own:
                        told.append((asked, reply[:300]))
            assert not told, told
            assert {"flushall", "debug", "config|get", "slowlog|get", "acl|log", "acl|setuser"} <= refused, refused
            assert server.process.poll() is None
            for client in traces:
                client.socket.close()
            with as_app(server) as app:
                assert app.ask("KEYS", "*") == [b"mine:1"]
                assert app.ask("SCAN", "0", "COUNT", "100000")[1] == [b"mine:1"]
                assert app.ask("RANDOMKEY") in (b"mine:1", None)


def test_pushes_tell_of_one_s_own_keys_only(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as admin:
            restricted(admin)
            admin.ask("CONFIG", "SET", "notify-keyspace-events", "KEA")
            with as_app(server, 3) as hears, as_app(server, 3) as tracks:
                hears.ask("PSUBSCRIBE", "__key*")
                hears.ask("SUBSCRIBE", "__keyspace@0__:hidden:1")
                hears.ask("SUBSCRIBE", "__keyevent@0__:set")
                tracks.ask("CLIENT", "TRACKING", "ON", "BCAST")
                fill(admin, "hidden")
                admin.ask("DEL", "hidden:1", "hidden:2")
                admin.ask("SET", "mine:1", "own")
                got = b"".join(hears.read_raw() for _ in range(3))
                assert b"__keyspace@0__:mine:1" in got and SECRET not in got, got
                got = tracks.read_raw()
                assert b"mine:1" in got and SECRET not in got, got
                assert hears.silent() and tracks.silent(), (hears.buffer, tracks.buffer)
                # What is said over a channel by somebody is no key.
                admin.ask("PUBLISH", "hidden-channel", "x")
                hears.ask("SUBSCRIBE", "news")
                admin.ask("PUBLISH", "news", "all may hear this")
                assert b"all may hear this" in hears.read_raw()


def test_rules_are_asked_again_when_a_transaction_runs(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as admin:
            restricted(admin)
            with as_app(server) as app:
                app.ask("MULTI")
                for i in range(8):
                    assert app.ask("SET", f"mine:{i}", "v") == "QUEUED"
                admin.ask("ACL", "SETUSER", "app", "resetkeys", "~mine:1")
                replies = app.ask("EXEC")
                assert [str(r) for r in replies].count("OK") == 1, replies
                assert all("ACLs rules changed" in str(r) for r in replies if str(r) != "OK"), replies
            assert admin.ask("KEYS", "*") == [b"mine:1"]


def test_a_user_that_is_gone_is_disconnected(_folder):
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as admin:
            restricted(admin)
            clients = [as_app(server) for _ in range(6)]
            assert admin.ask("ACL", "DELUSER", "app") == 1
            for client in clients:
                with contextlib.suppress(ConnectionError, BrokenPipeError):
                    client.send("SET", "mine:1", "v")
                assert client.closed()
            assert admin.ask("GET", "mine:1") is None
            restricted(admin)
            with as_app(server) as app:
                app.ask("SUBSCRIBE", "news")
                admin.ask("ACL", "SETUSER", "app", "resetchannels")
                assert app.closed(), "it hears what it may not hear any more"
            with as_app(server) as app:
                app.send("ACL", "WHOAMI")
                assert app.read() == b"app"


def test_a_stranger_may_not_make_the_server_keep_much(_folder):
    with wire.store("--server.requirepass=secret") as server:
        with server.client() as client:
            assert client.error("GET", "k") == "NOAUTH Authentication required."
            client.socket.sendall(b"*100000\r\n")
            assert client.read_raw().startswith(b"-ERR Protocol error") and client.closed()
        with server.client() as client:
            client.socket.sendall(b"*2\r\n$3\r\nGET\r\n$100000000\r\n")
            assert client.read_raw().startswith(b"-ERR Protocol error") and client.closed()
        with server.client() as client:  # what is sent behind AUTH is a known client's
            many = [word for i in range(50) for word in (f"k{i}", "v" * 1000)]
            client.socket.sendall(client.packed("AUTH", "secret") + client.packed("MSET", *many))
            assert client.read() == "OK" and client.read() == "OK"
            assert client.ask("DBSIZE") == 50
            assert client.ask("RESET") == "RESET"
            assert client.error("GET", "k1") == "NOAUTH Authentication required."


def test_the_file_of_users_is_read_and_written(folder):
    path = folder / "users.acl"
    path.write_text("# who may come\nuser default off\nuser admin on >secret ~* &* +@all\n")
    with wire.store(f"--server.acl_file={path}") as server, server.client() as client:
        assert client.error("PING") == "NOAUTH Authentication required."
        assert client.ask("AUTH", "admin", "secret") == "OK"
        client.ask("ACL", "SETUSER", "app", "on", ">pw", "~a*", "+get")
        assert client.ask("ACL", "SAVE") == "OK"
        saved = path.read_text()
        assert "secret" not in saved and "user app on #" in saved and "user admin on #" in saved, saved
        path.write_text(saved + "user broken +nosuch\n")
        assert "users.acl:4: Error in ACL SETUSER modifier '+nosuch'" in client.error("ACL", "LOAD")
        assert client.ask("ACL", "USERS") == [b"admin", b"app", b"default"]
        path.write_text("\n".join(line for line in saved.splitlines() if " app " not in line))
        with server.client() as app:
            assert app.ask("AUTH", "app", "pw") == "OK"
            assert client.ask("ACL", "LOAD") == "OK"
            assert app.closed()
        assert client.ask("ACL", "USERS") == [b"admin", b"default"]
    for text, said in (("user default off\nuser default on\n", ":2: Duplicate user 'default'"),
                       ("usr x\n", ":1: line should start with user keyword"), (None, "can't read")):
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        done = support.ullage("serve", "--server.resp_port=0", f"--server.acl_file={path}", expect=3)
        assert said in done.stderr and "users.acl" in done.stderr, done.stderr


def test_categories_are_redis_s(folder):
    with wire.redis(folder) as redis, wire.store() as server:
        with redis.client() as theirs, server.client() as ours:
            assert theirs.ask("ACL", "CAT") == ours.ask("ACL", "CAT")
            known = {name for name, *_ in commands_of(ours)}
            for category in theirs.ask("ACL", "CAT"):
                expected = {name.decode() for name in theirs.ask("ACL", "CAT", category)} & known
                got = {name.decode() for name in ours.ask("ACL", "CAT", category)}
                own = {name for name in got if not theirs.ask("COMMAND", "INFO", name)[0]}
                assert got - own == expected, (category, expected ^ (got - own))


def test_a_password_that_is_set_while_it_runs_stays_over_a_reload(_folder):
    with wire.store() as server, server.client() as client:
        assert client.ask("CONFIG", "SET", "requirepass", "secret") == "OK"
        server.process.send_signal(wire.signal.SIGHUP)
        line = ""
        while "reloaded" not in line:
            line = server.process.stderr.readline()
        with server.client() as stranger:
            assert stranger.error("PING") == "NOAUTH Authentication required."
            assert stranger.ask("AUTH", "secret") == "OK"

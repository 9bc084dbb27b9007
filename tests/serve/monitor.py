# SPDX-License-Identifier: Apache-2.0
"""MONITOR: the same lines as Redis's, passwords hidden, and only for those who may see everything."""
import re

import support
import wire

WHEN_AND_WHO = re.compile(rb"^\+\d+\.\d{6} \[(\d+) 127\.0\.0\.1:\d+\]")
COMMANDS = [
    ("SET", "a", b"x\n\x00\xff\"\\'\t\x07\x08\r~"), ("AUTH", "secret"), ("AUTH", "default", "secret"),
    ("HELLO", "3", "AUTH", "default", "x"), ("HELLO", "2", "SETNAME", "q"), ("HELLO", "3", "AUTH", "default"), ("SELECT", "5"),
    ("GET", "a"), ("nosuch", "a"), ("GET",), ("INCR", "a"), ("INCR", "a b"), ("MULTI",), ("SET", "b", "1"), ("GET", "b"),
    ("MGET", "a", "b", "c", "d"), ("EXEC",), ("CLIENT", "GETNAME"), ("CLIENT", "LIST"), ("CONFIG", "GET", "x"),
    ("MSET", "a", "1", "b", "2"), ("MGET", "a", "b", "c", "d", "e"), ("EXISTS", "a", "b", "c"), ("DEL", "a", "b", "c", "d"),
    ("ping",), ("PING", "x" * 200), ("COMMAND", "COUNT"), ("SUBSCRIBE", "a"), ("GET", "a"), ("UNSUBSCRIBE", "a"), ("WATCH", "a"), ("UNWATCH",),
    ("MULTI",), ("NOSUCH",), ("EXEC",), ("MULTI",), ("SET", "b", "1"), ("DISCARD",), ("PUBLISH", "a", "b"), ("DBSIZE",),
    ("KEYS", "*"), ("SLOWLOG", "LEN"), ("ACL", "WHOAMI"), ("ACL", "SETUSER", "bob", ">pw"), ("CONFIG", "SET", "maxmemory", "0"),
    ("EXPIRE", "b", "100"), ("RENAME", "b", "c"), ("RESET",), ("ECHO", "")]


def seen(server):
    """What a monitor is shown of COMMANDS, up to a last one, without times and ports."""
    with server.client() as monitor, server.client() as client:
        assert monitor.ask("MONITOR") == "OK"
        for words in COMMANDS:
            client.raw(*words)
        client.raw("ECHO", "the end")
        lines = []
        while b"the end" not in b"".join(lines):
            line = monitor.read_raw()
            assert WHEN_AND_WHO.match(line), line
            lines.append(WHEN_AND_WHO.sub(rb"[\1]", line))
        monitor.ask("PING")  # it may still say something itself, ...
        return lines


def test_monitors_are_shown_what_redis_shows(folder):
    for threads in (1, 3):
        with wire.redis(folder) as redis, wire.store(f"--server.threads={threads}") as ours:
            theirs, mine = seen(redis), seen(ours)
            assert mine == theirs, [pair for pair in zip(mine, theirs) if pair[0] != pair[1]] or (mine, theirs)
    with wire.store(f"--persistence.directory={folder}/cold", "--server.threads=3") as ours:
        assert seen(ours) == theirs


def test_a_monitor_may_do_what_redis_lets_it(folder):
    def replies(server):
        with server.client() as monitor, server.client() as other:
            got = [other.raw("MULTI"), other.raw("MONITOR"), other.raw("EXEC"), monitor.raw("MONITOR")]
            got += [monitor.raw(*words) for words in (("GET", "a"), ("SET", "a", "1"), ("DEL", "a", "b"))]
            got += [monitor.raw("RESET"), monitor.raw("GET", "a"), monitor.raw("HELLO", "3")[:3], monitor.raw("MONITOR")]
            other.ask("SET", "a", "b")
            got.append(WHEN_AND_WHO.sub(rb"[\1]", monitor.read_raw()))
            other.ask("DEL", "a")
            return got

    with wire.redis(folder) as redis, wire.store("--server.threads=3") as ours:
        theirs, mine = replies(redis), replies(ours)
        assert mine == theirs, (mine, theirs)
        with ours.client() as monitor, ours.client() as other:
            monitor.ask("MONITOR")
            assert b" flags=O " in other.ask("CLIENT", "LIST")


def test_only_who_may_see_everything_may_watch(_folder):
    with wire.store("--server.threads=3") as server, server.client() as admin:
        admin.ask("ACL", "SETUSER", "some", "on", ">pw", "~mine:*", "+@all")
        admin.ask("ACL", "SETUSER", "few", "on", ">pw", "allkeys", "+@all", "-@dangerous")
        admin.ask("ACL", "SETUSER", "all", "on", ">pw", "allkeys", "allchannels", "+@all")
        for name in ("some", "few"):
            with server.client() as client:
                client.ask("AUTH", name, "pw")
                assert client.error("MONITOR").startswith("NOPERM"), name
        with server.client() as watcher:
            watcher.ask("AUTH", "all", "pw")
            watcher.ask("MONITOR")
            admin.ask("SET", "key", "1")
            assert b'"SET" "key" "1"' in watcher.read_raw()
            admin.ask("ACL", "SETUSER", "all", "resetkeys", "~mine:*")
            admin.ask("SET", "key", "2")
            assert watcher.closed(), "it may no longer see all keys"


def test_a_monitor_that_does_not_read_is_closed_at_its_bound(_folder):
    with wire.store("--server.threads=3", "--server.output_buffer=256KiB") as server, server.client() as client:
        slow = server.client()
        slow.ask("MONITOR")
        watched = b"flags=O "
        assert watched in client.ask("CLIENT", "LIST")

        def closed():
            for _ in range(20):
                client.ask("SET", "k", "x" * 50_000)
            return watched not in client.ask("CLIENT", "LIST")

        support.wait_until(closed, "the monitor is closed")
        slow.socket.close()


def test_no_password_is_in_the_slow_log(folder):
    with wire.redis(folder) as redis, wire.store() as ours:
        for server in (redis, ours):
            with server.client() as client:
                client.ask("CONFIG", "SET", "slowlog-log-slower-than", "0")
                client.ask("ACL", "SETUSER", "bob", "on", ">hunter2")
                client.ask("AUTH", "bob", "hunter2")
                client.raw("HELLO", "2", "AUTH", "bob", "hunter2")
            with server.client() as client:
                client.ask("CONFIG", "SET", "requirepass", "hunter2")
                client.ask("AUTH", "hunter2")
                told = repr(client.ask("SLOWLOG", "GET", "-1"))
                assert "hunter2" not in told and "requirepass" in told and "redacted" in told, told
                client.ask("CONFIG", "SET", "requirepass", "")

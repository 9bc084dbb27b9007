# SPDX-License-Identifier: Apache-2.0
"""Values of several MiB: taken over as they arrive, sent from where they lie, and room for them made by who has it."""
import threading
import time

import support
import wire

MIB = 1 << 20


def info(client, section):
    text = client.ask("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def pages_touched(process):
    """Pages that the process has been given so far."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[7])


def granted_large(client):
    return int(info(client, "budget")["budget_granted_large_bytes"])


def pattern(size, seed):
    return (b"%032d" % seed * (size // 32 + 1))[:size]


def test_a_large_value_is_neither_copied_when_it_is_written_nor_when_it_is_read(_folder):
    if support.os.environ.get("ULLAGE_SANITIZE"):
        return  # its allocator has pages of its own
    value = pattern(32 * MIB, 1)
    for threads in (1, 3):
        with wire.store(f"--server.threads={threads}", "--residency.hot=256MiB") as server, server.client() as client:
            for i in range(6):  # of three threads, keys of each
                words = client.packed("SET", f"k{i}", value)
                client.socket.sendall(words[:-2])
                time.sleep(0.2)  # all of it but its end is there
                before = pages_touched(server.process)
                client.socket.sendall(words[-2:])
                assert client.read() == "OK"
                touched = pages_touched(server.process) - before
                assert touched < 1000, f"{threads} threads: {touched} pages when it was written; a copy takes 8192"
                before = pages_touched(server.process)
                assert client.ask("GET", f"k{i}") == value
                touched = pages_touched(server.process) - before
                assert touched < 1000, f"{threads} threads: {touched} pages when it was read; a copy takes 8192"
                client.ask("DEL", f"k{i}")


def test_every_command_that_gives_a_key_a_value_takes_a_large_one(_folder):
    for threads in (1, 3):
        with wire.store(f"--server.threads={threads}", "--residency.hot=256MiB") as server, server.client() as client:
            for i in range(4):
                key, value, other = f"k{i}", pattern(3 * MIB + i, i), pattern(2 * MIB + 5 * i, 77)
                assert client.ask("SETEX", key, 1000, value) == "OK"
                assert client.ask("GETEX", key, "PERSIST") == value
                assert client.ask("SET", key, other, "GET") == value
                assert client.ask("GETSET", key, value) == other
                assert client.ask("GETRANGE", key, 5, -7) == value[5:-6]
                assert client.ask("SETNX", key, other) == 0
                assert client.ask("SETNX", key + "n", other) == 1
                assert client.ask("MSET", key, other, key + "m", value, key + "o", "small", key + "n", other) == "OK"
                assert client.ask("MGET", key, key + "m", key + "o", key + "n") == [other, value, b"small", other]
                assert client.ask("MULTI") == "OK"
                for words in (("SET", key, value), ("GET", key), ("GETDEL", key), ("GET", key)):
                    assert client.ask(*words) == "QUEUED"
                assert client.ask("EXEC") == ["OK", value, value, None]
                assert client.ask("GETDEL", key + "m") == value
                # One behind the other, and what is small between them.
                client.socket.sendall(client.packed("SET", key, value) + client.packed("GET", key) + client.packed("PING") +
                                      client.packed("SET", key, other) + client.packed("STRLEN", key) + client.packed("GET", key))
                assert [client.read() for _ in range(6)] == ["OK", value, "PONG", "OK", len(other), other]
                client.socket.sendall(client.packed("CLIENT", "REPLY", "SKIP") + client.packed("GET", key) + client.packed("PING"))
                assert client.read() == "PONG"
            client.ask("FLUSHALL")
            support.wait_until(lambda: granted_large(client) == 0, "all of it comes back")
            clients = int(info(client, "budget")["budget_granted_clients_bytes"])
            assert clients == 0, clients


def test_a_reply_that_is_on_its_way_stays_what_it_was(_folder):
    value = pattern(16 * MIB, 5)
    changes = [("SET", "k", "short"), ("DEL", "k"), ("APPEND", "k", "x" * 100), ("SETRANGE", "k", 100, "new"),
               ("SETBIT", "k", 17, 1), ("BITFIELD", "k", "SET", "u8", 0, 1), ("FLUSHALL",), ("RENAME", "k", "other"),
               ("SET", "k", pattern(16 * MIB, 6)), ("PEXPIRE", "k", 1), ("COPY", "other", "k", "REPLACE")]
    for threads in (1, 3):
        with wire.store(f"--server.threads={threads}", "--residency.hot=256MiB") as server, server.client() as client:
            for change in changes:
                client.ask("SET", "other", "y" * 20_000)
                assert client.ask("SET", "k", value) == "OK"
                with server.client() as slow, server.client() as gone:
                    for each in (slow, gone):
                        each.send("GET", "k")
                        each.buffer += each.socket.recv(100)  # it has begun
                    client.ask(*change)
                    for i in range(3):
                        assert client.ask("SET", f"next{i}", pattern(16 * MIB, 9)) == "OK"
                    gone.socket.close()
                    assert slow.read() == value, change
            client.ask("FLUSHALL")
            support.wait_until(lambda: granted_large(client) == 0, "all of it comes back")


def test_a_value_longer_than_the_output_buffer_can_be_read(_folder):
    """It is sent from where it lies, and fills no buffer."""
    for threads in 1, 3:
        with wire.store(f"--server.threads={threads}", "--residency.hot=256MiB", "--server.output_buffer=4MiB") as server, \
                server.client() as client:
            for i in range(3):
                value = pattern(20 * MIB, i)
                assert client.ask("SET", f"v{i}", value) == "OK"
                assert client.ask("GET", f"v{i}") == value, (threads, i)


def test_slowlog_and_monitor_show_a_large_word_as_it_was(_folder):
    value = pattern(4 * MIB, 3)
    with wire.store() as server, server.client() as client, server.client() as monitor:
        assert client.ask("CONFIG", "SET", "slowlog-log-slower-than", 0) == "OK"
        assert client.ask("SET", "k", value) == "OK"
        shown = [entry[3] for entry in client.ask("SLOWLOG", "GET", 10) if entry[3][0] == b"SET"][0]
        assert shown[2] == value[:128] + b"... (%d more bytes)" % (len(value) - 128), shown
        assert monitor.ask("MONITOR") == "OK"
        assert client.ask("SET", "k", value) == "OK"
        line = monitor.read()
        assert value[:60000].decode() in line, line[:200]
        assert client.ask("GET", "k") == value


def filled(client, count, size=80):
    for start in range(0, count, 500):
        client.socket.sendall(b"".join(client.packed("SET", f"f{i:07d}", "x" * size) for i in range(start, start + 500)))
        for _ in range(500):
            assert client.read() == "OK"


def test_three_threads_find_room_for_large_values_one_after_the_other(_folder):
    with wire.store("--server.threads=3", "--residency.hot=64MiB", "--residency.process=512MiB") as server, \
            server.client() as client:
        filled(client, 600_000)
        for i in range(40):
            assert client.ask("SET", f"large{i}", pattern(8 * MIB, i)) == "OK", i
            assert client.ask("GET", f"large{i}") == pattern(8 * MIB, i), i


def test_a_thread_that_has_little_gets_room_from_the_others(_folder):
    """What grows where it is, and replies that are made, need memory that other threads' entries have."""
    with wire.store("--server.threads=3", "--residency.hot=64MiB", "--residency.process=512MiB") as server, \
            server.client() as client:
        for round_ in range(3):
            client.ask("FLUSHALL")
            filled(client, 450_000, 100)
            for i in range(9):
                key = f"grown{round_}.{i}"
                assert client.ask("SETRANGE", key, 12 * MIB, "end") == 12 * MIB + 3, key
                assert client.ask("SETBIT", key, 8 * 20 * MIB, 1) == 0, key
                assert len(client.ask("MGET", key, key)[1] or b"") in (0, 20 * MIB + 1), key
                assert client.ask("DEL", key) in (0, 1)


def test_clients_that_read_slowly_take_no_more_than_the_store_has(_folder):
    with wire.store("--server.threads=3", "--residency.hot=64MiB", "--residency.process=512MiB") as server, \
            server.client() as client:
        slow = [server.client() for _ in range(12)]
        for i, each in enumerate(slow):
            assert client.ask("SET", f"k{i}", pattern(4 * MIB, i)) == "OK"
            each.send("GET", f"k{i}")
            each.buffer += each.socket.recv(1)
        for i in range(12):  # none of it can come back yet
            client.send("SET", f"k{i}", "short")
            client.read_raw()
        assert int(info(client, "budget")["budget_granted_bytes_max"]) <= 64 * MIB
        for i, each in enumerate(slow):
            assert each.read() == pattern(4 * MIB, i)
            each.socket.close()
        support.wait_until(lambda: granted_large(client) == 0, "it came back")


def test_many_write_and_read_large_values_at_once(_folder):
    with wire.store("--server.threads=3", "--residency.hot=128MiB", "--residency.process=1GiB") as server:
        problems = []

        def work(number):
            try:
                with server.client() as client:
                    for i in range(12):
                        value = pattern(MIB * (1 + (i + number) % 6), number)
                        key = f"k{(i * 7 + number) % 5}"
                        client.send("SET", key, value)
                        reply = client.read_raw()
                        assert reply == b"+OK\r\n", reply[:100]
                        got = client.ask("GET", key)
                        assert got is None or (got == (got[:32] * (len(got) // 32 + 1))[:len(got)]), "one whole value"
            except (AssertionError, EOFError, OSError) as problem:
                problems.append(repr(problem)[:300])
        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems


def test_large_values_come_and_go_whole_with_a_cold_tier(folder):
    for threads in (1, 3):
        for durability in ("50ms", "always"):
            where = folder / f"{threads}.{durability}"
            flags = (f"--server.threads={threads}", "--residency.hot=128MiB", f"--persistence.directory={where}",
                     f"--persistence.durability={durability}")
            values = [pattern(8 * MIB + i, i) for i in range(4)]
            other = pattern(3 * MIB, 99)
            with wire.store(*flags) as server, server.client() as client:
                for i, value in enumerate(values):
                    assert client.ask("SET", f"k{i}", value) == "OK"
                    assert client.ask("GET", f"k{i}") == value
                    assert client.ask("SET", f"k{i}", other, "GET") == value
                    assert client.ask("GETSET", f"k{i}", value) == other
                    assert client.ask("SETEX", f"d{i}", 100, other) == "OK"
                    assert client.ask("GETDEL", f"d{i}") == other
            with wire.store(*flags) as server, server.client() as client:
                for i, value in enumerate(values):
                    assert [client.ask("GET", f"k{i}") for _ in range(2)] == [value, value]
                    assert client.ask("EXISTS", f"d{i}") == 0

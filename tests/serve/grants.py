# SPDX-License-Identifier: Apache-2.0
"""What clients make the server hold is granted by the budget before it is there: replies on their way between
threads, commands that arrive slowly, words without bytes, messages to many."""
import threading

import support
import wire
from limits import calls, info, peak_bytes, resident_bytes

SANITIZED = bool(support.os.environ.get("ULLAGE_SANITIZE"))


def grown_since(process, act):
    """How far resident memory rose above where it was, while `act` ran."""
    with open(f"/proc/{process.pid}/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")
    before = resident_bytes(process)
    act()
    return peak_bytes(process) - before


def filled(client, count, size, prefix="k"):
    for start in range(0, count, 1000):
        batch = [client.packed("SET", f"{prefix}{i}", "x" * size) for i in range(start, min(count, start + 1000))]
        client.socket.sendall(b"".join(batch))
        for _ in batch:
            yield client.read_raw()


def test_a_range_of_a_large_value_needs_no_room_for_all_of_it(_folder):
    # The process beside the tier: while the value arrives it is there twice.
    flags = ("--server.threads=1", "--residency.hot=32MiB", "--residency.process=64MiB")
    with wire.store(*flags) as server, server.client() as client:
        client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert client.ask("SET", "big", "y" * (12 << 20)) == "OK"
        replies = list(filled(client, 50_000, 500))
        assert any(reply.startswith(b"-OOM") for reply in replies), "it is full"
        assert client.ask("GETRANGE", "big", 0, 10) == b"y" * 11


def test_what_a_client_only_announces_drives_nothing_out(_folder):
    size = 30 << 20
    flags = ("--server.threads=1", "--residency.hot=64MiB", "--residency.process=96MiB")
    with wire.store(*flags) as server, server.client() as client:
        assert all(reply == b"+OK\r\n" for reply in filled(client, 4000, 10_000))
        count = client.ask("DBSIZE")
        with server.client() as half:
            half.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size)
            for byte in (b"a", b"b"):
                half.socket.sendall(byte)
                support.wait_until(lambda: b" cmd=" in client.ask("CLIENT", "LIST"), "a turn has passed")
            assert client.ask("DBSIZE") == count
            assert int(info(client, "stats")["evicted_keys"]) == 0
            assert int(info(client, "budget")["budget_granted_clients_bytes"]) < 1 << 20
            come = int(info(client, "stats")["total_net_input_bytes"]) + (8 << 20)
            half.socket.sendall(b"c" * (8 << 20))
            support.wait_until(lambda: int(info(client, "stats")["total_net_input_bytes"]) >= come, "it has come")
            granted = int(info(client, "budget")["budget_granted_clients_bytes"])
            assert (8 << 20) - 65536 <= granted <= 17 << 20, "at most twice what is here"
            half.socket.sendall(b"c" * (size - (8 << 20) - 2) + b"\r\n")
            assert half.read() == "OK"
        assert client.ask("GETRANGE", "k", 0, 2) == b"abc"
        assert client.ask("STRLEN", "k") == size


def test_half_a_command_is_closed_after_its_time(_folder):
    with wire.store("--server.command_timeout=1s") as server, server.client() as half, server.client() as whole:
        assert whole.ask("PING") == "PONG"
        half.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf")
        assert half.closed()
        assert whole.ask("PING") == "PONG", "one between two commands may be silent"
        assert info(whole, "stats")["unfinished_command_disconnections"] == "1"
        assert whole.ask("CONFIG", "SET", "server.command_timeout", "0s") == "OK"
        assert whole.ask("CONFIG", "GET", "server.command_timeout") == [b"server.command_timeout", b"0s"]


def test_the_places_of_words_count_as_their_client_s(_folder):
    words = 500_000
    with wire.store("--server.threads=1", "--residency.hot=64MiB") as server, server.client() as client:
        with server.client() as other:
            other.socket.sendall(b"*1048576\r\n" + b"$0\r\n\r\n" * words)
            least = words * (16 + 6) - 65536
            support.wait_until(lambda: int(info(client, "budget")["budget_granted_clients_bytes"]) >= least,
                               "bytes and places are granted")
        support.wait_until(lambda: int(info(client, "budget")["budget_granted_clients_bytes"]) == 0, "and given back")
        greedy = [server.client() for _ in range(5)]
        for one in greedy:
            try:
                one.socket.sendall(b"*1048576\r\n" + b"$0\r\n\r\n" * (2 * words))
            except ConnectionError:
                pass
        support.wait_until(lambda: int(info(client, "stats")["evicted_clients"]) > 0, "who finds no room is closed")
        left = sum(b"cmd=NULL" in line for line in client.ask("CLIENT", "LIST").split(b"\n"))
        assert int(info(client, "stats")["evicted_clients"]) == len(greedy) - left, "each counts once"
        for one in greedy:
            one.socket.close()


def test_replies_on_their_way_between_threads_are_granted(_folder):
    size, budget, count = 3900 << 10, 64 << 20, 400
    for threads in (1, 2, 3):
        with wire.store(f"--server.threads={threads}", f"--residency.hot={budget}") as server, server.client() as client:
            for i in range(6):
                assert client.ask("SET", f"v{i}", "x" * size) == "OK"
            base = resident_bytes(server.process)
            with server.client() as deaf:  # it asks for 1.5 GB and reads nothing
                deaf.socket.sendall(b"".join(deaf.packed("GET", f"v{i % 6}") for i in range(count)))
                # Closed, or answered in whole: what is evicted for it is "no such key" then.
                # What lies in the store is sent from there and takes no memory: then server.output_buffer is the bound.
                closed = ("evicted_clients", "client_output_buffer_limit_disconnections")
                support.wait_until(lambda: calls(client, "get") == count or
                                   sum(int(info(client, "stats")[why]) for why in closed) == 1, "it has had its turn")
            told = int(info(client, "budget")["budget_granted_bytes_max"])
            assert told <= budget, told
            if not SANITIZED:
                grown = peak_bytes(server.process) - base
                assert grown < budget, f"{threads} threads: {grown / 2**20:.1f} MiB above {base / 2**20:.1f}"
            support.wait_until(lambda: int(info(client, "budget")["budget_granted_clients_bytes"]) == 0,
                               "what it held is given back")
            # And one that reads gets all of it.
            client.socket.sendall(b"".join(client.packed("GET", "v0") for _ in range(40)))
            for _ in range(40):
                value = client.read()
                assert value is None or len(value) == size


def test_a_large_command_goes_to_its_thread_as_it_is(_folder):
    size, budget = 10 << 20, 96 << 20
    with wire.store("--server.threads=2", f"--residency.hot={budget}") as server, server.client() as client:
        base = resident_bytes(server.process)
        for i in range(4):  # of both threads
            value = bytes([97 + i]) * size
            # Something small before and behind it, in the same breath.
            client.socket.sendall(client.packed("SET", "a", i) + client.packed("SET", f"q{i}", value) +
                                  client.packed("GET", "a"))
            assert [client.read(), client.read()] == ["OK", "OK"]
            assert client.read() in (b"%d" % i, None), "it may have gone for the large one"
            assert client.ask("GETRANGE", f"q{i}", size - 3, -1) == value[-3:]
        assert int(info(client, "budget")["budget_granted_clients_bytes"]) == 0
        if not SANITIZED:
            grown = peak_bytes(server.process) - base  # four values, and one on its way
            assert grown < 5.7 * size, f"{grown / 2**20:.1f} MiB"


def test_a_message_to_many_is_there_once(_folder):
    message, budget = "m" * (12 << 20), 64 << 20
    with wire.store("--server.threads=2", f"--residency.hot={budget}") as server, server.client() as client:
        listeners = [server.client() for _ in range(16)]
        for i, listener in enumerate(listeners):
            listener.ask(*(("SUBSCRIBE", "news"), ("PSUBSCRIBE", "new*"))[i % 2])

        def publish():
            assert client.ask("PUBLISH", "news", message) == len(listeners)

        grown = grown_since(server.process, publish)
        if not SANITIZED:
            assert grown < 40 << 20, f"{grown / 2**20:.1f} MiB"
        granted = int(info(client, "budget")["budget_granted_clients_bytes"])
        assert 12 << 20 <= granted < 20 << 20, granted
        for i, listener in enumerate(listeners):
            head = [b"message", b"news"] if i % 2 == 0 else [b"pmessage", b"new*", b"news"]
            got = listener.read()
            assert got[:-1] == head and got[-1] == message.encode()
            listener.socket.close()
        support.wait_until(lambda: int(info(client, "budget")["budget_granted_clients_bytes"]) == 0, "given back")


def test_one_who_tells_itself_hears_it_behind_its_reply(_folder):
    message = "m" * 100_000
    with wire.store("--server.threads=2") as server, server.client() as client:
        client.ask("HELLO", 3)
        client.ask("SUBSCRIBE", "news")
        client.send("PUBLISH", "news", message)
        first, second = client.read_raw(), client.read_raw()
        assert first == b":1\r\n"
        assert second == b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$100000\r\n" + message.encode() + b"\r\n"


def test_all_names_are_granted_before_they_are_there(_folder):
    count = 200_000
    with wire.store("--server.threads=1", "--residency.hot=96MiB") as server, server.client() as client:
        for start in range(0, count, 2000):
            client.socket.sendall(b"".join(client.packed("SET", f"a-rather-long-name-of-a-key:{i:012d}", "v")
                                           for i in range(start, start + 2000)))
            for _ in range(2000):
                assert client.read_raw() == b"+OK\r\n"
        names = []
        reader = threading.Thread(target=lambda: names.extend(client.ask("KEYS", "*")))

        def ask():
            reader.start()
            reader.join()

        grown = grown_since(server.process, ask)
        assert len(set(names)) == count
        if not SANITIZED:  # the reply has 10 MB
            assert grown < 16 << 20, f"{grown / 2**20:.1f} MiB"

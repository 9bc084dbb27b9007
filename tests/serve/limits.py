# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, half open, flooding or many: what each may take, and that others do not notice."""
import resource
import signal
import socket
import struct
import time

import support
import wire


def resident_bytes(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def info(client, section):
    text = client.ask("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def test_a_giant_pipeline_is_answered_in_order(_folder):
    for threads in (1, 3):
        with wire.store(f"--server.threads={threads}") as server, server.client() as client:
            count = 20000
            for start in range(0, count, 1000):
                client.socket.sendall(b"".join(client.packed("SET", f"k{i}", f"v{i}") + client.packed("GET", f"k{i}")
                                               for i in range(start, start + 1000)))
                for i in range(start, start + 1000):
                    assert client.read() == "OK"
                    assert client.read() == f"v{i}".encode()
            assert client.ask("DBSIZE") == count


def test_a_command_may_arrive_byte_by_byte(_folder):
    with wire.store() as server, server.client() as client, server.client() as other:
        for byte in client.packed("SET", "slow", "x" * 50):
            client.socket.sendall(bytes([byte]))
            assert other.ask("PING") == "PONG"
        assert client.read() == "OK"


def test_half_open_and_silent_connections_cost_others_nothing(_folder):
    with wire.store() as server, server.client() as other:
        half = [wire.Client(server.port) for _ in range(300)]
        for client in half:
            client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf")
        for i in range(1000):
            assert other.ask("SET", "k", i) == "OK"
        for client in half:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()  # a reset, in the middle of a command
        support.wait_until(lambda: info(other, "clients")["connected_clients"] == "1", "all of them are gone")
        assert other.ask("GET", "k") == b"999"


def test_a_client_that_does_not_read_is_closed_at_its_bound(_folder):
    with wire.store("--server.output_buffer=1MiB") as server, server.client() as slow, server.client() as other:
        other.ask("SET", "big", "x" * 100_000)
        try:
            for _ in range(2000):
                slow.send("GET", "big")
        except (ConnectionError, socket.timeout):
            pass
        support.wait_until(lambda: int(info(other, "stats")["client_output_buffer_limit_disconnections"]) == 1,
                           "the slow reader is closed")
        assert other.ask("STRLEN", "big") == 100_000


def test_a_pipeline_whose_replies_are_read_late_is_answered(_folder):
    with wire.store() as server, server.client() as client:
        client.ask("SET", "v", "x" * 1000)
        count = 20000  # 20 MB of replies, none of them read before the last command is sent
        client.socket.sendall(client.packed("GET", "v") * count)
        for _ in range(count):
            assert client.read() == b"x" * 1000


def test_a_subscriber_that_does_not_read_is_closed(_folder):
    with wire.store("--server.output_buffer=256KiB") as server, server.client() as slow, server.client() as other:
        slow.ask("SUBSCRIBE", "news")
        payload = "x" * 100_000
        support.wait_until(lambda: other.ask("PUBLISH", "news", payload) == 0, "the subscriber is closed")
        assert other.ask("PING") == "PONG"


def test_an_endless_command_is_closed_at_its_bound(_folder):
    with wire.store("--server.query_buffer=1MiB") as server, server.client() as client, server.client() as other:
        client.socket.sendall(b"*1000000\r\n")
        try:
            for _ in range(3000):
                client.socket.sendall(b"$1000\r\n" + b"x" * 1000 + b"\r\n")
        except ConnectionError:
            pass
        assert client.closed()
        assert int(info(other, "stats")["client_query_buffer_limit_disconnections"]) == 1


def test_buffers_that_the_budget_denies_close_their_client(_folder):
    with wire.store("--residency.hot=8MiB", "--residency.process=512MiB") as server, server.client() as client, server.client() as other:
        client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n")
        try:
            client.socket.sendall(b"x" * 1_000_000)
        except ConnectionError:
            pass
        assert client.closed()
        assert int(info(other, "stats")["evicted_clients"]) == 1
        assert other.ask("SET", "k", "v") == "OK"


def test_a_large_reply_finds_room_in_a_full_store(_folder):
    with wire.store("--residency.hot=8MiB", "--residency.process=512MiB") as server, server.client() as client:
        for i in range(9000):
            assert client.ask("SET", f"k{i}", "v" * 1000) == "OK"
        assert int(info(client, "stats")["evicted_keys"]) > 0, "it is full"
        names = [f"k{i}" for i in range(9000) if client.ask("EXISTS", f"k{i}") == 1][-3000:]
        assert len(names) == 3000
        # More than a socket takes at once: it waits in a buffer, for which entries go.
        assert client.ask("MGET", *names) == [b"v" * 1000] * len(names)
        assert client.ask("PING") == "PONG"
        assert int(info(client, "stats")["evicted_clients"]) == 0, "nobody was closed for it"


def written(client, commands):
    client.socket.sendall(b"".join(client.packed(*words) for words in commands))
    for words in commands:
        assert client.read() == "OK", words


def test_a_store_full_of_tiny_entries_takes_values_of_any_size(_folder):
    for threads in (1, 2):
        with wire.store(f"--server.threads={threads}", "--residency.hot=32MiB") as server, server.client() as client:
            for start in range(0, 700_000, 2000):
                written(client, [("SET", f"{i:07d}", "v") for i in range(start, start + 2000)])
            assert int(info(client, "stats")["evicted_keys"]) > 0, "it is full"
            for size in (3000, 15000, 30000, 60000):
                written(client, [("SET", f"{size}:{i}", "x" * size) for i in range(20)])
            assert client.ask("SETBIT", "bits", 16_000_000 // threads, 1) == 0
            assert client.ask("SETRANGE", "range", 5_000_000 // threads, "x") == 5_000_000 // threads + 1
            if threads > 1:
                continue
            # A buffer and a value of a mebibyte each, of cells of 24 B.
            before = client.ask("DBSIZE")
            assert client.ask("SET", "m", "x" * (1 << 20)) == "OK"
            assert before - client.ask("DBSIZE") < 1.3 * (2 << 20) / 24
            assert client.ask("SET", "m", "x" * (4 << 20)) == "OK"
            kept = client.ask("DBSIZE")
            client.error("SETRANGE", "n", 40 << 20, "x")
            assert client.ask("DBSIZE") > kept - 1000, "nothing goes for what can't be"


def test_the_process_stays_within_its_budget_while_sizes_drift(_folder):
    if support.os.environ.get("ULLAGE_SANITIZE"):
        return
    budget = 32 << 20
    for threads in (1, 2, 4):
        with wire.store(f"--server.threads={threads}", f"--residency.hot={budget}") as server, server.client() as client:
            for turn, size in enumerate((100, 400, 64, 3000, 900, 20_000, 100)):
                at_once = max(1, 30_000 // size)  # more is a buffer of the client's, granted as the entries are
                for start in range(0, min(2 * budget // size, 30_000), at_once):
                    written(client, [("SET", f"{turn % 2}:{i}", "x" * (size // 2 + i % size))
                                     for i in range(start, start + at_once)])
                support.wait_until(lambda: resident_bytes(server.process) < budget * 1.02, f"{threads} threads, {size} B: within it")
            assert int(info(client, "stats")["evicted_keys"]) > 0, "it is full"
            peak = peak_bytes(server.process)
            assert peak < budget * 1.02, f"{threads} threads: {peak / budget:.3f} of the budget"


def full(client, entries):
    for start in range(0, entries, 1000):
        client.socket.sendall(b"".join(client.packed("SET", f"k{i}", "x" * 500) for i in range(start, start + 1000)))
        for _ in range(1000):
            assert client.read() == "OK"
    assert int(info(client, "stats")["evicted_keys"]) > 0, "it is full"


def test_a_large_value_finds_room_in_a_full_store(_folder):
    # A document asks for six times its size; the process itself takes some 10 MiB of the 48.
    with wire.store("--residency.hot=48MiB") as server, server.client() as client:
        full(client, 150_000)
        for size in (100_000, 1_000_000, 4_000_000):
            assert client.ask("SET", "large", "y" * size) == "OK", size
            assert client.ask("STRLEN", "large") == size
            assert client.ask("JSON.SET", "document", "$", '["%s"]' % ("y" * size)) == "OK", size
            assert client.ask("JSON.MERGE", "document", "$", '["%s"]' % ("z" * size)) == "OK", size
            assert client.ask("JSON.STRLEN", "document", "$[0]") == [size]


def test_a_document_that_just_fits_finds_room_in_a_full_store(_folder):
    with wire.store("--residency.hot=96MiB") as server, server.client() as client:
        full(client, 250_000)
        budget = info(client, "budget")
        left = int(budget["budget_allowed_bytes"]) - int(budget["budget_granted_table_bytes"])
        # What is sent, what it becomes at most (three times that), and the entry; 5 % to spare. There is no room
        # for what would be good to have besides.
        size = int(left / 5.25)
        assert client.ask("JSON.SET", "document", "$", '["%s"]' % ("y" * size)) == "OK", size
        assert client.ask("JSON.STRLEN", "document", "$[0]") == [size]


def test_room_for_a_large_value_is_made_while_it_arrives(_folder):
    # Values of 8 MiB soon take more than the client's own thread has: others make room as well.
    for threads in (1, 2):
        with wire.store(f"--server.threads={threads}", "--residency.hot=64MiB", "--residency.process=512MiB") as server, \
                server.client() as client:
            for start in range(0, 600_000, 500):
                client.socket.sendall(b"".join(client.packed("SET", f"k{i:07d}", "x" * 80) for i in range(start, start + 500)))
                for _ in range(500):
                    assert client.read() == "OK"
            before = int(info(client, "stats")["evicted_keys"])
            assert before > 0, "it is full"
            evicted = 0
            for i in range(20):  # sometimes one of them goes for another, and no small entry does
                assert client.ask("SET", f"large{i}", "y" * (8 << 20)) == "OK"
                evicted = int(info(client, "stats")["evicted_keys"]) - before
                if evicted > 100_000:
                    break
            assert evicted > 100_000, evicted
            # Of 512 KiB for the buffer and as much for the value, and of what an operation does besides: 20 slabs.
            most = int(info(client, "growth")["growth_operation_moves_max"])
            assert most < 20 * 600, f"{threads} threads: {most} entries for one read, of {evicted}"


def test_large_values_go_in_and_come_out_whole(_folder):
    value = bytes(range(256)) * (32 << 12)  # 32 MiB
    with wire.store("--residency.hot=512MiB") as server, server.client() as client:
        assert client.ask("SET", "large", value) == "OK"
        assert client.ask("GET", "large") == value
        assert client.ask("APPEND", "large", b"end") == len(value) + 3
        assert client.ask("GETRANGE", "large", -4, -1) == value[-1:] + b"end"
        assert client.ask("DEL", "large") == 1


def test_words_beyond_their_bounds_are_refused(_folder):
    with wire.store("--server.max_value=1MiB", "--server.max_key=100") as server:
        with server.client() as client:
            client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n")
            assert client.read_raw() == b"-ERR Protocol error: invalid bulk length\r\n"
            assert client.closed()
        with server.client() as client:
            assert client.ask("SET", "k" * 100, "v") == "OK"
            assert "server.max_key" in client.error("SET", "k" * 101, "v")
            assert client.ask("SETRANGE", "k", 1048575, "x") == 1048576
            assert "maximum allowed size" in client.error("APPEND", "k", "x")


def test_more_clients_than_declared_are_told_so(_folder):
    with wire.store("--server.max_clients=3") as server:
        clients = [server.client() for _ in range(3)]
        for client in clients:
            assert client.ask("PING") == "PONG"
        with server.client() as late:
            assert late.read_raw() == b"-ERR max number of clients reached\r\n"
            assert late.closed()
        clients[0].socket.close()
        support.wait_until(lambda: len(clients[1].ask("CLIENT", "LIST").split(b"\n")) == 3, "one has left")
        with server.client() as next_one:
            assert next_one.ask("PING") == "PONG"


def test_silent_clients_are_closed_after_their_time(_folder):
    with wire.store("--server.timeout=1s") as server, server.client() as silent, server.client() as listener:
        listener.ask("SUBSCRIBE", "x")
        assert silent.closed()
        with server.client() as other:
            assert other.ask("PUBLISH", "x", "still there") == 1


def test_ten_thousand_connections_take_little_memory_and_are_all_served(_folder):
    wanted = 1500 if support.os.environ.get("ULLAGE_SANITIZE") else 10_000
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(wanted, hard - 100)  # both this program and the server hold so many
    if count < wanted:
        print(f"only {count} connections: {hard} files may be open here")
    with wire.store("--server.threads=2") as server:
        clients = []

        def connect(up_to):
            new = [wire.Client(server.port) for _ in range(up_to - len(clients))]
            for i, client in enumerate(new):
                client.send("SET", f"k{i}", i)
            for client in new:
                assert client.read() == "OK"
            clients.extend(new)

        # What the first ones bring about (tables, arenas, what threads hand to each other) is no client's.
        warm = min(count // 3, 1500)
        connect(warm)
        for client in clients:
            for i in range(16):
                client.send("SET", f"k{i}", i)
        for client in clients * 16:
            assert client.read() == "OK"
        before = resident_bytes(server.process)
        connect(count)
        per_client = (resident_bytes(server.process) - before) / (count - warm)
        for client in clients:
            client.socket.close()
        if not support.os.environ.get("ULLAGE_SANITIZE"):
            assert per_client < 4096, f"{per_client} B for each connection"


def calls(client, command):
    return int(info(client, "commandstats").get(f"cmdstat_{command}", "calls=0").split("calls=")[1].split(",")[0])


def peak_bytes(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def test_large_replies_are_granted_before_they_are_made(_folder):
    size, budget = 20 << 20, 64 << 20
    for threads in (1, 3):
        with wire.store(f"--server.threads={threads}", f"--residency.hot={budget}") as server, server.client() as client:
            base = resident_bytes(server.process)
            assert client.ask("SET", "large", "x" * size) == "OK"
            slow = [server.client() for _ in range(6)]
            for i, other in enumerate(slow):  # who never read
                other.send(*(("GET", "large"), ("MGET", "large", "a", "b", "c"))[i % 2])
            support.wait_until(lambda: calls(client, "get") + calls(client, "mget") == len(slow), "all are answered")
            told = int(info(client, "budget")["budget_granted_bytes_max"])
            assert told <= budget, told
            if not support.os.environ.get("ULLAGE_SANITIZE"):
                grown = peak_bytes(server.process) - base
                assert grown < budget * 1.05, f"{threads} threads: {grown / 2**20:.1f} MiB"
            for other in slow:
                other.socket.close()
            support.wait_until(lambda: client.ask("EXISTS", "large") == 0 or len(client.ask("GET", "large")) == size,
                               "what the readers held is free again")


def test_a_flood_does_not_keep_others_from_their_turn(_folder):
    with wire.store() as server, server.client() as flood, server.client() as other:
        flood.socket.setblocking(False)
        batch = flood.packed("SET", "k", "x" * 100) * 100
        turns = 0
        while turns < 200:
            try:
                flood.socket.send(batch)
            except BlockingIOError:
                pass
            try:
                flood.socket.recv(1 << 20)
            except BlockingIOError:
                pass
            assert other.ask("INCR", "turns") == turns + 1
            turns += 1


def test_sigterm_lets_replies_under_way_go_out(_folder):
    with wire.store("--server.threads=2") as server, server.client() as client:
        client.ask("SET", "v", "x" * 1000)
        client.socket.sendall(client.packed("GET", "v") * 5000)
        time.sleep(0.2)  # the server has read them and waits for us
        server.process.send_signal(signal.SIGTERM)
        got = 0
        try:
            while client.read() == b"x" * 1000:
                got += 1
        except (EOFError, ConnectionError):
            pass
        assert got > 0
        server.process.wait(timeout=support.TIMEOUT_S)

# SPDX-License-Identifier: Apache-2.0
"""`kill -9` under load, again and again, and a checker of what was acknowledged.

Each client has keys of its own and writes numbers that only rise, one after another. After the
crash a key must show a number from the last one that had to be durable (`always`: any that was
acknowledged; a window: acknowledged longer ago than that) to the last one that was sent. With a
window, all that is lost was written within one window, whatever the machine did: the server
acknowledges nothing more while something older than that is not durable.

ULLAGE_CRASH_ROUNDS=200 tests/serve/crash.py runs as many rounds for each durability.
"""
import os
import pathlib
import random
import shutil
import signal
import sys
import threading
import time

import support

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import wire  # noqa: E402

ROUNDS = int(os.environ.get("ULLAGE_CRASH_ROUNDS", "60" if support.FULL else "3"))
CLIENTS = 4
WINDOW_MS = 50
# A machine that gives the server no processor for a while delays what it hands to the disk: on one
# that many tests share, by up to a second. `make crash` allows a window more.
STARVED_MS = int(os.environ.get("ULLAGE_CRASH_STARVED_MS", "1000"))


class Writer(threading.Thread):
    """One client: what it sent, and what it was told, with the time."""

    def __init__(self, port, number, starts):
        super().__init__()
        self.port, self.number = port, number
        self.sent = dict(starts)
        # Value, when it was acknowledged, when it was sent.
        self.acknowledged = {name: [(value, 0.0, 0.0)] for name, value in starts.items()}
        self.strange = None

    def run(self):
        try:
            with wire.Client(self.port) as client:
                while True:
                    self.step(client)
        except OSError:
            pass  # the server is gone, as it should be
        except EOFError:
            pass
        except BaseException as problem:
            self.strange = problem

    def write(self, client, name, *commands):
        value = self.sent[name] + 1
        self.sent[name] = value
        sent_at = time.monotonic()
        for words in commands:
            client.send(*(word.format(v=value) if isinstance(word, str) else word for word in words))
        for _ in commands:
            client.read()
        self.acknowledged[name].append((value, time.monotonic(), sent_at))

    def step(self, client):
        key = f"crash:{self.number}:"
        self.write(client, "set", ("SET", key + "set", "{v}"))
        self.write(client, "incr", ("INCR", key + "incr"))
        # There when odd, gone when even.
        if self.sent["del"] % 2 == 0:
            self.write(client, "del", ("SET", key + "del", "{v}", "EX", "10000"))
        else:
            self.write(client, "del", ("DEL", key + "del"))
        self.write(client, "exec", ("MULTI",), ("SET", key + "exec", "{v}"), ("GET", key + "exec"), ("EXEC",))
        self.write(client, "large", ("SET", key + "large", "{v}:" + "x" * random.randrange(20_000)))


NAMES = ("set", "incr", "del", "exec", "large")


def must_be_there(writer, name, killed_at, window_ms):
    """The least number that may not be lost."""
    before = killed_at - (window_ms + STARVED_MS) / 1000
    return max(value for value, at, _ in writer.acknowledged[name] if window_ms == 0 or at <= before)


def mistakes(writer, values, killed_at, window_ms):
    """What the store shows and may not, or lost."""
    for name in NAMES:
        least, most = must_be_there(writer, name, killed_at, window_ms), writer.sent[name]
        value = values[name]
        if value is None and name == "del":
            good = any(v % 2 == 0 for v in range(least, most + 1))
        else:
            shown = 0 if value is None else int(value.split(b":")[0])
            good = least <= shown <= most and not (name == "del" and shown % 2 == 0)
        if not good:
            yield (f"client {writer.number}, {name}: shows {value if value is None else value[:20]}, "
                   f"expected {least} to {most}")


def newest_shown(writer, name, value):
    """The newest number that what is shown can be."""
    if value is not None:
        return int(value.split(b":")[0])
    return writer.sent[name] // 2 * 2 if name == "del" else 0


def lost_ms(writers, shown_by):
    """How long the server went on acknowledging what is lost, at least: from the acknowledgement of
    the first such write to the sending of the last, over all clients; and how many they are."""
    lost = [(at, sent_at) for writer, values in zip(writers, shown_by) for name in NAMES
            for value, at, sent_at in writer.acknowledged[name]
            if value > newest_shown(writer, name, values[name])]
    if not lost:
        return 0.0, 0
    return max(0.0, max(sent for _, sent in lost) - min(at for at, _ in lost)) * 1000, len(lost)


def shown(client, number):
    return {name: client.ask("GET", f"crash:{number}:{name}") for name in NAMES}


def number_of(name, value, writer):
    """Where the next round begins: at what the store shows."""
    if value is not None:
        return int(value.split(b":")[0])
    return 0 if writer is None else writer.sent[name] + writer.sent[name] % 2 if name == "del" else 0


def round_of(folder, starts, flags, threads, window_ms=0):
    """Load, kill -9; the writers and when it was."""
    with wire.store(f"--persistence.directory={folder}/crash", f"--server.threads={threads}", *flags,
                    signal_at_end=signal.SIGKILL, expect=-signal.SIGKILL) as server:
        writers = [Writer(server.port, i, starts[i]) for i in range(CLIENTS)]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.1, 0.6) if window_ms == 0 else random.uniform(1.2, 1.6))
        killed_at = time.monotonic()
        server.process.kill()
        for writer in writers:
            writer.join()
            assert writer.strange is None, writer.strange
    return writers, killed_at


def crash(folder, rounds, flags, window_ms, restart_flags=None):
    """Problems of all rounds, how many writes were acknowledged in them, and the most that lost ones
    were apart."""
    starts = [dict.fromkeys(NAMES, 0) for _ in range(CLIENTS)]
    found, acknowledged, widest = [], 0, (0.0, 0)
    for i in range(rounds):
        writers, killed_at = round_of(folder, starts, flags, 1 + i % 2, window_ms)
        acknowledged += sum(len(a) - 1 for w in writers for a in w.acknowledged.values())
        with wire.store(f"--persistence.directory={folder}/crash", *(restart_flags or flags)) as server:
            with server.client() as client:
                shown_by = [shown(client, writer.number) for writer in writers]
                span_ms, lost = lost_ms(writers, shown_by)
                widest = max(widest, (span_ms, lost))
                if window_ms != 0 and span_ms > window_ms:
                    found.append(f"round {i}: {lost} lost writes were acknowledged over {span_ms:.1f} ms")
                for writer, values in zip(writers, shown_by):
                    found += [f"round {i}: {text}" for text in mistakes(writer, values, killed_at, window_ms)]
                    starts[writer.number] = {n: number_of(n, v, writer) for n, v in values.items()}
        if found:
            break
    return found, acknowledged, widest


def test_nothing_acknowledged_is_lost_when_it_is_killed(folder):
    found, acknowledged, _ = crash(folder, ROUNDS, ["--persistence.durability=always"], 0)
    assert not found, "\n".join(found)
    assert acknowledged > ROUNDS * 20, acknowledged
    print(f"always: {ROUNDS} rounds, {acknowledged} acknowledged writes, none lost")


def test_at_most_the_window_is_lost_when_it_is_killed(folder):
    found, acknowledged, widest = crash(folder, ROUNDS, [f"--persistence.durability={WINDOW_MS}ms"], WINDOW_MS)
    assert not found, "\n".join(found)
    print(f"{WINDOW_MS}ms: {ROUNDS} rounds, {acknowledged} acknowledged writes, none lost beyond the window; "
          f"at worst {widest[1]} lost, acknowledged within {widest[0]:.1f} ms")


def swapped(count):
    """Which database is where after so many swaps, each of two neighbours: it comes back after 240."""
    order = list(range(16))
    for i in range(count % 240):
        one = i % 15
        order[one], order[one + 1] = order[one + 1], order[one]
    return order


def swap_until_killed(port, done, acknowledged):
    """Swaps, and behind each writes how many there were, without waiting; as many as were acknowledged."""
    with wire.Client(port) as client:
        client.send("SET", "count", done)
        client.read()
        while True:
            for i in range(done, done + 5):
                client.send("SWAPDB", i % 15, i % 15 + 1)
                client.send("SET", "count", i + 1)
            for _ in range(5):
                assert client.read() == "OK"
                done += 1
                acknowledged.append(done)
                assert client.read() == "OK"


def test_swapped_databases_and_what_was_written_after_it_are_of_one_moment(folder):
    flags = [f"--persistence.directory={folder}/swap", "--persistence.durability=no"]
    with wire.store(*flags) as server, server.client() as client:
        for db in range(16):
            client.ask("SELECT", db)
            client.ask("SET", "name", db)
    done, total = 0, 0
    for i in range(ROUNDS):
        acknowledged = [done]
        with wire.store(*flags, f"--server.threads={1 + i % 2}", signal_at_end=signal.SIGKILL,
                        expect=-signal.SIGKILL) as server:
            timer = threading.Timer(random.uniform(0.1, 0.6), server.process.kill)
            timer.start()
            try:
                swap_until_killed(server.port, done, acknowledged)
            except (OSError, EOFError):
                pass  # it is gone, as it should be
            timer.join()
        names, counts = [], []
        with wire.store(*flags) as server, server.client() as client:
            for db in range(16):
                client.ask("SELECT", db)
                names.append(int(client.ask("GET", "name")))
                counts.append(int(client.ask("GET", "count") or 0))
        count = max(counts)
        told = f"round {i}: {acknowledged[-1]} were acknowledged, {count} written down, and it is {names}"
        assert names in (swapped(count), swapped(count + 1)), told
        total += acknowledged[-1] - done
        done = count if names == swapped(count) else count + 1
        assert done >= acknowledged[-1], told
    assert total > ROUNDS, total


def test_the_checker_finds_what_a_store_that_lies_has_lost(folder):
    # It says OK and keeps nothing.
    lies = ["--persistence.prefixes=crash:=off"]
    found, _, _ = crash(folder, 1, lies, 0)
    assert len(found) >= CLIENTS, found
    # It shows an older state than it acknowledged.
    shutil.rmtree(pathlib.Path(folder) / "crash")
    always = ["--persistence.durability=always"]
    starts = [dict.fromkeys(NAMES, 0) for _ in range(CLIENTS)]
    round_of(folder, starts, always, 1)
    shutil.copytree(pathlib.Path(folder) / "crash", pathlib.Path(folder) / "old")
    with wire.store(f"--persistence.directory={folder}/crash", *always) as server, server.client() as client:
        starts = [{n: number_of(n, v, None) for n, v in shown(client, i).items()} for i in range(CLIENTS)]
    for each in starts:
        each["del"] += each["del"] % 2
    writers, killed_at = round_of(folder, starts, always, 1)
    with wire.store(f"--persistence.directory={folder}/old", *always) as server, server.client() as client:
        shown_by = [shown(client, w.number) for w in writers]
    old = [m for w, values in zip(writers, shown_by) for m in mistakes(w, values, killed_at, 0)]
    assert len(old) >= CLIENTS, old
    # All of the round is lost, which took 100 ms or more.
    span_ms, lost = lost_ms(writers, shown_by)
    assert span_ms > WINDOW_MS and lost >= CLIENTS, (span_ms, lost)


if __name__ == "__main__":
    support.main(globals())

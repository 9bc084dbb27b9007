# SPDX-License-Identifier: Apache-2.0
"""`ullage backup` while a store serves, `ullage restore`, and a store that goes on from there."""
import pathlib
import shutil
import threading

import support

import wire


def tiered(directory, *flags):
    return wire.store(f"--persistence.directory={directory}", *flags)


def backup(store, directory, expect=0):
    return support.ullage("backup", directory, "--port", store.port, expect=expect)


def test_a_backup_is_made_under_load_and_restored_to_a_store_that_serves(folder):
    stop = threading.Event()

    def load(port):
        with wire.Client(port) as client:
            number = 0
            while not stop.is_set():
                number += 1
                assert client.ask("SET", "running", str(number)) == "OK"

    with tiered(folder / "one", "--server.threads=2") as store, wire.Client(store.port) as client:
        for i in range(2000):
            client.send("SET", f"key:{i}", f"value {i}" * 10, "EX", "1000")
        for _ in range(2000):
            assert client.read() == "OK"
        client.ask("SWAPDB", "0", "3")
        before = int(client.ask("DBSIZE"))
        writer = threading.Thread(target=load, args=(store.port,))
        writer.start()
        try:
            done = backup(store, folder / "copy")
        finally:
            stop.set()
            writer.join()
        assert "whole" in done.stdout, support.shown(done)
        assert before == 0
        client.ask("SET", "later", "1")
        again = backup(store, folder / "copy", expect=3)
        assert "not empty" in again.stderr, support.shown(again)

    done = support.ullage("restore", folder / "copy", "--to", folder / "two")
    assert "every block checked" in done.stdout, support.shown(done)
    with tiered(folder / "two") as store, wire.Client(store.port) as client:
        client.ask("SELECT", "3")
        assert client.ask("GET", "key:1999") == b"value 1999" * 10
        assert 0 < int(client.ask("TTL", "key:7")) <= 1000
        client.ask("SELECT", "0")
        assert client.ask("GET", "later") is None


def test_a_damaged_backup_is_refused_and_a_target_that_is_not_empty_is_left(folder):
    with tiered(folder / "one") as store, wire.Client(store.port) as client:
        client.ask("SET", "key", "value" * 1000)
        backup(store, folder / "copy")
    (table,) = pathlib.Path(folder / "copy" / "db").glob("*.sst")
    mine = folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("text")
    done = support.ullage("restore", folder / "copy", "--to", mine, expect=3)
    assert "not empty" in done.stderr and [p.name for p in mine.iterdir()] == ["thesis.txt"], support.shown(done)
    damaged = bytearray(table.read_bytes())
    damaged[100] ^= 1
    table.unlink()  # of its own: a backup's tables are links
    table.write_bytes(damaged)
    done = support.ullage("restore", folder / "copy", "--to", folder / "two", expect=3)
    assert "damaged" in done.stderr and not (folder / "two").exists(), support.shown(done)
    shutil.rmtree(folder / "copy")
    done = support.ullage("restore", folder / "copy", "--to", folder / "two", expect=3)
    assert "no directory of a cold store" in done.stderr, support.shown(done)


def test_without_a_cold_tier_or_a_server_it_says_so(folder):
    with wire.store() as store:
        done = backup(store, folder / "copy", expect=3)
        assert "no cold tier" in done.stderr, support.shown(done)
        with wire.Client(store.port) as client:
            assert client.error("ULLAGE.BACKUP", "STATUS").startswith("ERR there is no cold tier")
    done = backup(store, folder / "copy", expect=3)
    assert "no server at" in done.stderr, support.shown(done)

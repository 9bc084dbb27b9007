# SPDX-License-Identifier: Apache-2.0
"""A store whose disk is slow, damaged, or gone: what it says, what it goes on with, how it comes back."""
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import support
import wire

from persistence import fields, tiered

# fdatasync() that takes as long as FSYNC_MS says.
SLOW = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int fdatasync(int fd) {
  const long ms = atol(getenv("FSYNC_MS"));
  const struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&wait, 0);
  return (int)syscall(SYS_fdatasync, fd);
}
"""


def slow_disk(folder, ms):
    """What to run a program with, so that each sync of it takes so long."""
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(SLOW)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
    return "env", f"LD_PRELOAD={library}", f"FSYNC_MS={ms}"


# From when the file $HUNG is there until it is gone, nothing below $BELOW is read, written or synced.
HUNG = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
static void wait(int fd) {
  char link[64], path[512];
  if (access(getenv("HUNG"), F_OK) != 0) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return;
  path[n] = 0;
  if (strncmp(path, getenv("BELOW"), strlen(getenv("BELOW"))) != 0) return;
  while (access(getenv("HUNG"), F_OK) == 0) usleep(1000);
}
ssize_t write(int fd, const void* p, size_t n) { wait(fd); return syscall(SYS_write, fd, p, n); }
ssize_t pwrite64(int fd, const void* p, size_t n, off_t at) { wait(fd); return syscall(SYS_pwrite64, fd, p, n, at); }
ssize_t pwrite(int fd, const void* p, size_t n, off_t at) { return pwrite64(fd, p, n, at); }
ssize_t pread64(int fd, void* p, size_t n, off_t at) { wait(fd); return syscall(SYS_pread64, fd, p, n, at); }
ssize_t pread(int fd, void* p, size_t n, off_t at) { return pread64(fd, p, n, at); }
int fdatasync(int fd) { wait(fd); return (int)syscall(SYS_fdatasync, fd); }
int fsync(int fd) { wait(fd); return (int)syscall(SYS_fsync, fd); }
"""


def test_a_disk_that_hangs_fails_reads_and_does_not_hold_up_the_end(folder):
    support.need("cc")
    source, library, hung = folder / "hung.c", folder / "hung.so", folder / "hung"
    source.write_text(HUNG)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
    before = "env", f"LD_PRELOAD={library}", f"HUNG={hung}", f"BELOW={folder}/cold/"
    flags = "--persistence.durability=no", "--persistence.prefixes=memory:=off", "--persistence.warm_keys=0"
    count = 4000
    with tiered(folder, *flags) as server, server.client() as client:
        for i in range(count):
            client.send("SET", f"key:{i}", os.urandom(500))
        for _ in range(count):
            assert client.read() == "OK"
    with tiered(folder, *flags):
        pass  # what was in the log is in tables now
    with tiered(folder, *flags, "--server.drain=1s", before=before) as server, server.client() as client:
        client.ask("SET", "hot", "v")
        hung.touch()
        # Whatever is not in memory ends, for everybody who asks.
        with server.client() as other:
            client.send("MGET", *[f"key:{i}" for i in range(0, count, 40)])
            other.send("GET", "key:7")
            for each in (client, other):
                try:
                    raise AssertionError(each.read())
                except wire.ReplyError as error:
                    assert str(error).startswith("TRYAGAIN the cold tier"), error
        # Also a transaction about the keyspace, as a whole, and it can be tried again or given up.
        with server.client() as names:
            assert names.ask("MULTI") == "OK" and names.ask("SET", "exec", "v") == names.ask("KEYS", "*") == "QUEUED"
            names.send("EXEC")
            assert client.ask("GET", "hot") == b"v" and client.ask("EXISTS", "memory:exec") == 0
            try:
                raise AssertionError(names.read())
            except wire.ReplyError as error:
                assert str(error).startswith("TRYAGAIN the cold tier"), error
            assert names.ask("DISCARD") == "OK"
        assert client.ask("GET", "hot") == b"v" and client.ask("SET", "memory:k", "w") == "OK"
        assert client.ask("SET", "late", "v") == "OK"  # nothing was promised
        server.process.send_signal(signal.SIGTERM)
        _, told = server.process.communicate(timeout=support.TIMEOUT_S)
        assert server.process.returncode == 0, told
        assert "does not answer: not all is on it bytes=" in told and "it is left as it is" in told, told
        assert told.rstrip().endswith("stopped"), told
    hung.unlink()
    with tiered(folder, *flags) as server, server.client() as client:
        assert len(client.ask("GET", "key:7")) == 500


def test_a_slow_disk_holds_up_those_who_write_and_nobody_else(folder):
    support.need("cc")
    with tiered(folder, "--persistence.durability=20ms", "--persistence.prefixes=memory:=off,any:=no",
                before=slow_disk(folder, 200)) as server, server.client() as writer, server.client() as other:
        assert writer.ask("SET", "hot", "v") == "OK"
        # In a row they take several syncs: nothing is acknowledged while a write is older than 20 ms.
        done, problems, asked = threading.Event(), [], 0

        def write():
            try:
                for i in range(2000):
                    assert writer.ask("SET", f"key:{i % 12}", f"{i}") == "OK"
                    if int(fields(eye, "tiers")["cold_late_replies"]) >= 3:
                        break
            except BaseException as problem:
                problems.append(problem)
            done.set()

        with server.client() as eye:
            thread = threading.Thread(target=write)
            thread.start()
            while not done.is_set():
                assert other.ask("GET", "hot") == b"v"
                assert other.ask("SET", "memory:k", "v") == "OK" and other.ask("SET", "any:k", "v") == "OK"
                asked += 1
            thread.join()
        assert not problems, problems
        assert int(fields(other, "tiers")["cold_late_replies"]) >= 3 and asked > 0


def test_a_damaged_table_fails_the_reads_of_its_blocks_alone(folder):
    count = 4000
    with tiered(folder, "--persistence.durability=no") as server, server.client() as client:
        for i in range(count):
            client.send("SET", f"key:{i}", os.urandom(500))
        for _ in range(count):
            assert client.read() == "OK"
    with tiered(folder, "--persistence.durability=no"):
        pass  # what was in the log is in tables now
    table = max(pathlib.Path(folder / "cold/db").glob("*.sst"), key=lambda path: path.stat().st_size)
    with open(table, "r+b") as file:
        file.seek(table.stat().st_size // 3)
        old = file.read(64)
        file.seek(-64, os.SEEK_CUR)
        file.write(bytes(byte ^ 0xFF for byte in old))
    with tiered(folder, "--persistence.durability=no", "--persistence.warm_keys=0") as server, \
            server.client() as client:
        client.ask("SET", "hot", "v")
        lost = []
        for i in range(count):
            try:
                assert len(client.ask("GET", f"key:{i}")) == 500
            except wire.ReplyError as error:
                lost.append(str(error))
        assert 0 < len(lost) < count / 10, len(lost)
        assert all(error.startswith("TRYAGAIN") for error in lost) and "backup" in lost[-1], lost[-1]
        assert client.ask("GET", "hot") == b"v" and client.ask("SET", "hot", "w") == "OK"


def test_a_directory_that_goes_refuses_writes_and_is_taken_again_when_it_is_back(folder):
    with tiered(folder, "--persistence.durability=always", "--persistence.prefixes=memory:=off") as server, \
            server.client() as client:
        assert client.ask("SET", "hot", "v") == "OK"
        shutil.move(folder / "cold", folder / "elsewhere")

        def works():
            try:
                return client.ask("SET", "late", "v") == "OK"
            except wire.ReplyError as error:
                assert str(error).startswith("MISCONF"), error
                return False

        support.wait_until(lambda: not works(), "it notices")
        assert "not there" in client.error("SET", "late", "v")
        assert client.ask("GET", "hot") == b"v" and client.ask("SET", "memory:k", "v") == "OK"
        shutil.move(folder / "elsewhere", folder / "cold")
        support.wait_until(works, "it goes on")
        assert client.ask("GET", "hot") == b"v"
    with tiered(folder) as server, server.client() as client:
        assert client.ask("MGET", "hot", "late") == [b"v", b"v"]

# SPDX-License-Identifier: Apache-2.0
"""When a write of `always` is acknowledged: behind its own fdatasync, by what the system saw."""
import os
import re
import signal
import subprocess

import support

from persistence import in_threads, tiered

# While the file $HELD is there, no fdatasync() ends. Each tells $TOLD when it begins and when it has ended.
HELD = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static void tell(const char* what) {
  const int fd = open(getenv("TOLD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || syscall(SYS_write, fd, what, strlen(what)) < 0) abort();
  close(fd);
}
int fdatasync(int fd) {
  tell("begin\n");
  while (access(getenv("HELD"), F_OK) == 0) usleep(1000);
  const int done = (int)syscall(SYS_fdatasync, fd);
  tell("end\n");
  return done;
}
"""


def test_nothing_of_always_is_acknowledged_while_its_sync_has_not_ended(folder):
    support.need("cc")
    source, library, held, told = folder / "held.c", folder / "held.so", folder / "held", folder / "told"
    source.write_text(HELD)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
    before = "env", f"LD_PRELOAD={library}", f"HELD={held}", f"TOLD={told}"
    flags = "--persistence.durability=always", "--persistence.prefixes=any:=no,memory:=off"
    with tiered(folder, *flags, "--server.threads=2", before=before) as server, server.client() as client, \
            server.client() as other, server.client() as third:
        assert client.ask("SET", "first", "v") == "OK"
        for words, reply in ((("SET", "k", "v"), "OK"), (("INCR", "n"), 1), (("DEL", "k"), 1)):
            ended = told.read_text().count("end")
            held.touch()
            begun = told.read_text().count("begin")
            client.send(*words)
            third.send("SET", "beside", "v")
            support.wait_until(lambda: told.read_text().count("begin") > begun, "it syncs")
            assert client.silent(0.3) and third.silent(0.01), f"{words}: acknowledged before it is on the disk"
            # It was done, and others go on, also those whose writes promise less.
            assert other.ask("EXISTS", "k") == (0 if words[0] == "DEL" else 1)
            assert other.ask("SET", "any:k", "v") == other.ask("SET", "memory:k", "v") == "OK"
            assert client.silent(0.1) and told.read_text().count("end") == ended
            held.unlink()
            assert client.read() == reply and third.read() == "OK"
            assert told.read_text().count("end") > ended


CALL = re.compile(r"^(\d+) +(?:(\w+)\((\d+)|<\.\.\. (\w+) resumed>)")


def synced_before(calls, key, reply):
    """Between the write of `key` into the log and the reply, a sync of that file began and ended. None: not there."""
    sent = next((i for i, line in enumerate(calls) if "send" in line and f'":{reply}\\r\\n' in line), None)
    written = next((i for i, line in enumerate(calls) if " write(" in line and key in line), None)
    if sent is None or written is None:
        return None
    file = CALL.match(calls[written])[3]
    under_way = set()
    for line in calls[written + 1:sent]:
        call = CALL.match(line)
        if not call or "fdatasync" not in (call[2], call[4]):
            continue
        if call[2] and call[3] == file and "unfinished" in line:
            under_way.add(call[1])
        elif (call[2] and call[3] == file or call[1] in under_way) and line.endswith("= 0"):
            return True
    return False


def test_by_the_order_of_system_calls_each_reply_of_always_comes_after_a_sync_that_began_after_its_write(folder):
    strace, = support.need("strace")
    count, threads = 12, 4
    flags = "--persistence.durability=always", "--persistence.prefixes=any:=no"
    trace = folder / "trace"
    with tiered(folder, *flags, "--server.threads=2") as server, server.client() as client:
        tracer = subprocess.Popen(
            [strace, "-f", "-o", trace, "-s", "100000", "-e", "trace=write,fdatasync,sendto,sendmsg", "-e",
             "signal=none", "-p", str(server.process.pid)],
            stderr=subprocess.PIPE, text=True)
        line = tracer.stderr.readline()
        if "attached" not in line:
            tracer.wait()
            raise support.Skip(f"strace can't be used here: {line.strip()}")
        try:
            for i in range(count):
                assert client.ask("INCRBY", f"any:{i}.", 70000 + i) == 70000 + i

            def body(thread):
                with server.client() as mine:
                    for i in range(count):
                        number = 80000 + thread * 100 + i
                        assert mine.ask("INCRBY", f"sure:{thread}:{i}.", number) == number

            in_threads(threads, body)
            assert client.ask("INCRBY", "sure:last", 90000) == 90000
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=support.TIMEOUT_S)
    calls = trace.read_text(errors="replace").splitlines()
    sure = {(thread, i): synced_before(calls, f"sure:{thread}:{i}.", 80000 + thread * 100 + i)
            for thread in range(threads) for i in range(count)}
    assert set(sure.values()) == {True}, [key for key, found in sure.items() if not found]
    # The same look at writes that promise nothing finds no sync: it can tell.
    loose = [synced_before(calls, f"any:{i}.", 70000 + i) for i in range(count)]
    assert True not in loose, loose

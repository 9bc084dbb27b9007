# SPDX-License-Identifier: Apache-2.0
"""A disk that may only be read: at the start, and from a moment on while the store serves."""
import os
import subprocess

import support
import wire

from persistence import fields, tiered

# While the file $READ_ONLY is there, nothing below $BELOW can be changed, as on a file system that was mounted
# read-only because of an error: files that are open for writing are still open, and can't be written.
READ_ONLY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
static int on(void) { return access(getenv("READ_ONLY"), F_OK) == 0; }
static int below(const char* path) { return strncmp(path, getenv("BELOW"), strlen(getenv("BELOW"))) == 0; }
static int refused(const char* path) {
  if (!below(path) || !on()) return 0;
  errno = EROFS;
  return 1;
}
static int refused_fd(int fd) {
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return refused(path);
}
ssize_t write(int fd, const void* p, size_t n) { return refused_fd(fd) ? -1 : syscall(SYS_write, fd, p, n); }
ssize_t pwrite64(int fd, const void* p, size_t n, off_t at) {
  return refused_fd(fd) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}
ssize_t pwrite(int fd, const void* p, size_t n, off_t at) { return pwrite64(fd, p, n, at); }
int fallocate(int fd, int mode, off_t at, off_t n) {
  return refused_fd(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, n);
}
int ftruncate(int fd, off_t n) { return refused_fd(fd) ? -1 : (int)syscall(SYS_ftruncate, fd, n); }
static int opened(int at, const char* path, int flags, int mode) {
  if ((flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0 && refused(path)) return -1;
  return (int)syscall(SYS_openat, at, path, flags, mode);
}
#define MODE(flags) \
  va_list list; \
  va_start(list, flags); \
  const int mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; \
  va_end(list)
int open(const char* path, int flags, ...) { MODE(flags); return opened(AT_FDCWD, path, flags, mode); }
int open64(const char* path, int flags, ...) { MODE(flags); return opened(AT_FDCWD, path, flags, mode); }
FILE* fopen(const char* path, const char* mode) {
  static FILE* (*real)(const char*, const char*);
  if (real == NULL) real = (FILE* (*)(const char*, const char*))dlsym(RTLD_NEXT, "fopen");
  return mode[0] != 'r' && refused(path) ? NULL : real(path, mode);
}
int rename(const char* from, const char* to) {
  return refused(from) || refused(to) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int unlink(const char* path) { return refused(path) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
int mkdir(const char* path, mode_t mode) { return refused(path) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode); }
"""


def test_a_disk_that_becomes_read_only_serves_what_it_has_and_takes_writes_again_when_it_may(folder):
    support.need("cc")
    source, library, switch = folder / "read_only.c", folder / "read_only.so", folder / "read_only"
    source.write_text(READ_ONLY)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    before = "env", f"LD_PRELOAD={library}", f"READ_ONLY={switch}", f"BELOW={folder}/cold"
    flags = "--persistence.prefixes=memory:=off,any:=no,soon:=50ms", "--persistence.durability=always"
    with tiered(folder, *flags, before=before) as server, server.client() as client, server.client() as other:
        for key in ("hot", "cold", "any:k", "soon:k"):
            assert client.ask("SET", key, "v") == "OK"
        assert client.ask("DEBUG", "EVICT") == "OK" and client.ask("GET", "hot") == b"v"
        switch.touch()

        def refused():
            try:
                client.ask("SET", "late", "v")
            except wire.ReplyError as error:
                return str(error)
            raise AssertionError("a write that is nowhere was acknowledged")

        problem = refused()
        assert problem.startswith("MISCONF") and "ead-only" in problem, problem
        # By whatever door, and whatever was promised: once it is known, nothing persisted is changed.
        for key in ("hot", "any:k", "soon:k"):
            problem = other.error("SET", key, "w")
            assert problem.startswith("MISCONF") and "ead-only" in problem, problem
        told = fields(other, "tiers")
        assert told["cold_writable"] == "0" and told["cold_readable"] == "1", told
        # What is in memory, and what is on the disk; and keys that need none.
        assert client.ask("MGET", "hot", "cold", "any:k", "none") == [b"v", b"v", b"v", None]
        assert client.ask("SET", "memory:k", "v") == "OK" and sorted(client.ask("KEYS", "c*")) == [b"cold"]
        switch.unlink()

        def works():
            try:
                return client.ask("SET", "hot", "w") == "OK"
            except wire.ReplyError as error:
                assert str(error).startswith("MISCONF"), error
                return False

        support.wait_until(works, "it goes on once it may write")
        assert fields(client, "tiers")["cold_writable"] == "1"
        assert client.ask("SET", "any:k", "w") == client.ask("SET", "soon:k", "w") == "OK"
    with tiered(folder, *flags) as server, server.client() as client:
        assert client.ask("MGET", "hot", "cold", "any:k", "soon:k") == [b"w", b"v", b"w", b"w"]


def test_a_start_on_a_read_only_disk_is_refused_with_what_to_do(folder):
    unshare, = support.need("unshare")
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    inside = [unshare, "-m", "sh", "-c", script, "sh", str(folder)]
    if support.run([*inside, "true"]).returncode != 0:
        raise support.Skip("no file system can be mounted here")
    with tiered(folder, "--persistence.durability=always") as server, server.client() as client:
        assert client.ask("SET", "k", "v") == "OK"
    (folder / "empty").mkdir()
    for name in ("cold", "empty", "new"):  # the last one would be made
        flags = f"--persistence.directory={folder}/{name}", "--residency.hot=32MiB", "--server.resp_port=0"
        done = support.run([*inside, support.BIN, "serve", *flags])
        assert done.returncode == 3, support.shown(done)
        assert f"{folder}/{name}" in done.stderr and "ead-only file system" in done.stderr, support.shown(done)
        assert "\n  " in done.stderr, f"what to do about it is not said: {support.shown(done)}"
    # Nothing was changed by trying.
    with tiered(folder) as server, server.client() as client:
        assert client.ask("GET", "k") == b"v"

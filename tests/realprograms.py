#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that are not ours: what is called growth there is growth, and every stack is right.

Of the strong findings (of all strong sites, where findings are few) at least nine in ten name a
growth function: realloc itself, or a known one in the first three frames (profiler design, section
9). Places in code that no symbol covers are left out: stripped statics have no name to be known by.
They are counted and printed. A second, slower unwinder agrees with every stack compared.
"""
import os
import signal
import socket
import subprocess

import support
from support import record

NAMED_SHARE_MIN = 0.9
VERIFY_EVERY = 97
# Fewer findings than this say little about a share; then all strong sites are judged.
FINDINGS_MIN = 10


def has_symbol(site):
    return site["growth"]["exact"] and site["growth"]["function"]


def is_named(site):
    return site["named_growth"] or site["verdict"].upper() == "REALLOC"


def check(recorded, what, few):
    """Enough growth is found, it is named, and the second unwinder found no difference."""
    reports = recorded.reports()
    for report in reports:
        assert report["process"]["verify_differences"] == 0, report["process"]
    found = [report["growth_sites"][index] for report in reports
             for index in sorted({f["growth_site"] for f in report["findings"] if "growth_site" in f})]
    found = [site for site in found if support.strong(site)]
    everywhere = [site for report in reports for site in report["growth_sites"] if support.strong(site)]
    judged = [site for site in (found if len(found) >= FINDINGS_MIN else everywhere) if has_symbol(site)]
    named = sum(map(is_named, judged))
    print(f"      {what}: {named} of {len(judged)} named; {len(found)} findings and {len(everywhere)} sites are "
          f"strong, {len(everywhere) - sum(map(bool, map(has_symbol, everywhere)))} without a symbol; "
          f"{sum(r['process']['verify_checked'] for r in reports)} stacks compared")
    unnamed = [f"{site['verdict']} {site['links']} links in {site['growth']['label']}"
               for site in judged if not is_named(site)]
    assert len(everywhere) >= few, f"{what}: only {len(everywhere)} strong sites"
    assert named >= NAMED_SHARE_MIN * len(judged), f"{what}: {named} of {len(judged)} named; not: {unnamed}"


def recorded_with_verify(folder, command, **options):
    return record(folder, command, f"--verify-unwind={VERIFY_EVERY}", **options)


def test_sqlite_shows_its_growth(folder):
    sqlite3, = support.need("sqlite3")
    sql = ("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
           "SELECT i+1 FROM n WHERE i < 60000) INSERT INTO t SELECT i, printf('order-%08d', i*7919%60000) FROM n; "
           "CREATE INDEX by_name ON t(name); SELECT count(*), length(group_concat(name)) FROM t; "
           "SELECT count(*) FROM (SELECT name FROM t ORDER BY name DESC);")
    recorded = recorded_with_verify(folder, [sqlite3, ":memory:", sql])
    check(recorded, "sqlite3", few=2)


def test_redis_shows_its_growth(folder):
    server, client = support.need("redis-server", "redis-cli")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    out = folder / "out.ulg"
    recorder = subprocess.Popen(
        [support.BIN, "record", "-q", f"--verify-unwind={VERIFY_EVERY}", "-o", str(out), "--", server, "--port", port,
         "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "local", "--dir", str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        def ask(*words):
            return support.run([client, "-p", port, *words]).stdout.strip()

        support.wait_until(lambda: ask("PING") == "PONG", "redis-server answers")
        assert ask("DEBUG", "POPULATE", "200000") == "OK"
        ask("SHUTDOWN", "NOSAVE")
        assert recorder.wait(timeout=support.TIMEOUT_S) == 0, recorder.stderr.read()
    finally:
        support.stop(recorder, signal.SIGTERM)
    recorded = support.Recorded(None, folder)
    check(recorded, "redis-server", few=1)


def test_cppcheck_shows_its_growth(folder):
    cppcheck, = support.need("cppcheck")
    files = [support.SRC / "src/base" / name for name in ("format.cpp", "text.cpp")]
    recorded = recorded_with_verify(folder, [cppcheck, "--quiet", "-j1", "--language=c++", *files])
    check(recorded, "cppcheck", few=20)


TEMPLATES = """
#include <map>
#include <string>
#include <vector>
template <int N> struct Deep { std::map<int, std::vector<std::string>> m; Deep<N - 1> next;
  int run(int x) { m[x].push_back(std::to_string(x + N)); return next.run(x + 1) + static_cast<int>(m.size()); } };
template <> struct Deep<0> { int run(int x) { return x; } };
int run(int x) { Deep<20> d; return d.run(x); }
"""


def test_clang_shows_its_growth(folder):
    clang, = support.need("clang++")
    source = folder / "templates.cpp"
    source.write_text(TEMPLATES)
    recorded = recorded_with_verify(folder, [clang, "-std=c++17", "-O1", "-c", source, "-o", folder / "out.o"])
    check(recorded, "clang++", few=20)


def test_python_shows_its_growth(folder):
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        raise support.Skip("there is no /usr/bin/python3")
    script = "d = {i: str(i) for i in range(200000)}; l = list(d); b = bytearray(); " \
             "[b.extend(b'x' * 100) for _ in range(20000)]; print(len(d), len(l), len(b))"
    recorded = recorded_with_verify(folder, [python, "-S", "-c", script])
    check(recorded, "python3", few=2)


if __name__ == "__main__":
    support.main(globals())

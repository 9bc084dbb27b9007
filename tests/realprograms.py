#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that are not ours: what is called growth there is growth, and every stack is right.

Of the strong findings of all five programs together at least nine in ten name a growth function, and
so do at least nine in ten of their strong sites, found or too cheap to be told: realloc itself, a
known one in the first three frames (profiler design, section 9), or the one that the machine code
holds or calls where symbols are stripped (docs/symbols.md). Places without any symbol count like all
others. A second, slower unwinder agrees with every stack compared.
"""
import os
import signal
import socket
import subprocess

import support
from support import record

NAMED_SHARE_MIN = 0.9
VERIFY_EVERY = 97
# Programs that must have been there for the share to mean something.
PROGRAMS_MIN = 3

judged = {}  # program -> (strong findings' sites, all strong sites)


def is_named(site):
    return site["named_growth"] or site["growth_in_code"] or site["verdict"].upper() == "REALLOC"


def has_symbol(site):
    return site["growth"]["exact"] and site["growth"]["function"]


def check(recorded, what, few):
    """Enough growth is found, and the second unwinder found no difference."""
    reports = [support.diagnose(path, "--top", "0") for path in recorded.paths]
    for report in reports:
        assert report["process"]["verify_differences"] == 0, report["process"]
    found = [report["growth_sites"][index] for report in reports
             for index in sorted({f["growth_site"] for f in report["findings"] if "growth_site" in f})]
    everywhere = [site for report in reports for site in report["growth_sites"] if support.strong(site)]
    judged[what] = ([site for site in found if support.strong(site)], everywhere)
    print(f"      {what}: {sum(r['process']['verify_checked'] for r in reports)} stacks compared")
    assert len(everywhere) >= few, f"{what}: only {len(everywhere)} strong sites"


def share(sites):
    named = sum(map(bool, map(is_named, sites)))
    return f"{named:4} of {len(sites):4} {100 * named / len(sites) if sites else 100:5.1f} %"


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


def test_nine_in_ten_strong_findings_name_a_growth_function(folder):
    del folder
    if len(judged) < PROGRAMS_MIN:
        raise support.Skip(f"only {len(judged)} of the programs were recorded")
    together = [sum((pair[side] for pair in judged.values()), []) for side in (0, 1)]
    print(f"      {'':14}{'findings named':>22}{'sites named':>22}{'of those with a symbol':>25}")
    for what, (found, everywhere) in [*judged.items(), ("together", together)]:
        print(f"      {what:14}{share(found):>22}{share(everywhere):>22}"
              f"{share(list(filter(has_symbol, everywhere))):>25}")
    for what, sites in zip(("findings", "sites"), together):
        unnamed = [f"{site['verdict']} {site['links']} links in {site['growth']['label']}"
                   for site in sites if not is_named(site)]
        assert len(unnamed) <= (1 - NAMED_SHARE_MIN) * len(sites), \
            f"{len(unnamed)} of {len(sites)} strong {what} name no growth function: {unnamed}"


if __name__ == "__main__":
    support.main(globals())

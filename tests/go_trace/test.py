#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Go execution traces are read as Go's own tool reads them.

Events by type equal `go tool trace -d=wire`; stops of the world and assists equal `-d=parsed`, each
within a nanosecond where that reader left the times alone. (It makes times unique by pushing events
later, so a duration of its own may be off by as many nanoseconds as events it pushed.)

Needs a Go toolchain of 1.23 or later: GO=/path/to/go, or go in PATH. GOS lists more of them, by
colons; each records traces of its own. Traces that others left in ../shared/data are read as well.
"""
import collections
import gzip
import os
import pathlib
import re
import subprocess
import tempfile

import support

HERE = pathlib.Path(__file__).resolve().parent
SHARED = pathlib.Path(os.environ.get("ULLAGE_SHARED_DATA", support.SRC / "../shared/data"))
CHATTY = support.SRC / "bench/compare/traces/chatty.go"
# A pushed event moves by a nanosecond. (Several that share a tick would push one further: none did.)
PUSHED_NS_MAX = 1
SECONDS = {"busy": "1.5", "chatty": "0.3"}
made = {}


def go_environment(folder):
    return {**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off", "GOFLAGS": "",
            "GOCACHE": os.environ.get("GOCACHE", str(folder / "gocache"))}


def kept():
    """One folder for all tests: what is built and recorded once serves each of them."""
    if "folder" not in made:
        made["folder"] = tempfile.TemporaryDirectory(prefix="ullage-go-trace-")
    return pathlib.Path(made["folder"].name)


def go():
    return support.need(os.environ.get("GO", "go"))[0]


def oracle(folder):
    """Go's own reader, built once."""
    if "oracle" not in made:
        path = folder / "trace-tool"
        result = subprocess.run([go(), "build", "-o", str(path), "cmd/trace"], cwd=folder,
                                env=go_environment(folder), capture_output=True, text=True,
                                check=False)
        if result.returncode != 0 or "-d=mode" not in usage(path):
            raise support.Skip("this Go has no reader of v2 traces that prints them: 1.23 or later "
                               "is needed\n" + result.stderr[-300:])
        made["oracle"] = path
    return made["oracle"]


def usage(path):
    return subprocess.run([str(path), "-h"], capture_output=True, text=True, check=False).stderr


def facts_program(folder):
    if "facts" not in made:
        path = folder / "facts"
        library = support.BUILD / "libullage_trace.a"
        if not library.exists():
            raise support.Skip(f"{library} was not built")
        sanitizer = {"address": ["-fsanitize=address,undefined"], "thread": ["-fsanitize=thread"]}
        subprocess.run(
            [support.CXX, "-std=c++20", "-O1", f"-I{support.SRC}/src", f"-I{support.SRC}/include",
             *sanitizer.get(os.environ.get("ULLAGE_SANITIZE", ""), []),
             str(support.SRC / "bench/compare/traces/facts.cpp"), "-o", str(path), str(library),
             str(support.BUILD / "libullage_evidence.a"), str(support.BUILD / "libullage_base.a"),
             "-Wl,--as-needed", "-ldw", "-lelf", "-lz", "-lzstd", "-pthread"], check=True)
        made["facts"] = path
    return made["facts"]


def ours(folder, trace, *options):
    result = subprocess.run([str(facts_program(folder)), *options, str(trace)],
                            capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), (trace, result.returncode, result.stderr)
    return result


def recorded(folder):
    """Traces of every toolchain that there is: [(name, path)]."""
    if "recorded" not in made:
        made["recorded"] = []
        for number, tool in enumerate([go(), *filter(None, os.environ.get("GOS", "").split(":"))]):
            for source in (HERE / "busy.go", CHATTY):
                program = folder / f"{source.stem}-{number}"
                subprocess.run([tool, "build", "-o", str(program), str(source)], check=True,
                               env=go_environment(folder), cwd=folder)
                trace = folder / f"{source.stem}-{number}.trace"
                subprocess.run([str(program), "-seconds", SECONDS[source.stem], "-o", str(trace)], check=True)
                version = subprocess.run([tool, "version"], capture_output=True, text=True,
                                         check=True).stdout.split()[2]
                made["recorded"].append((f"{source.stem} of {version}", trace))
    return made["recorded"]


def given(folder):
    """Traces that others made: [(name, path)]."""
    traces = [(p.name, p) for p in sorted((SHARED / "go-incidents").glob("*.trace"))]
    for packed in sorted((SHARED / "go-traces").glob("*.bin.gz")):
        path = folder / packed.stem
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        traces.append((packed.stem, path))
    return traces


def events_of_oracle(folder, trace):
    counts = collections.Counter()
    with subprocess.Popen([str(oracle(folder)), "-d=wire", str(trace)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, errors="replace") as tool:
        for line in tool.stdout:
            if line[:1].isupper() and not line.startswith("Trace "):
                counts[line.split(None, 1)[0]] += 1
    return counts


def ranges_of_oracle(folder, trace):
    """({kind: [duration]}, {goroutine: [duration of an assist]}, whether it read all of it)"""
    stops, assists, begun = collections.defaultdict(list), collections.defaultdict(list), {}
    pattern = re.compile(r'Range(Begin|Active|End) Time=(-?\d+) Name="([^"]*)" '
                         r'Scope=Goroutine\((\d+)\)')
    with subprocess.Popen([str(oracle(folder)), "-d=parsed", str(trace)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, errors="replace") as tool:
        for line in tool.stdout:
            match = pattern.search(line)
            if not match:
                continue
            what, at, name, goroutine = match.groups()
            if what != "End":
                begun.setdefault((goroutine, name), int(at))
                continue
            start = begun.pop((goroutine, name), None)
            assert start is not None, line
            if name == "GC mark assist":
                assists[goroutine].append(int(at) - start)
            elif name.startswith("stop-the-world ("):
                stops[name[len("stop-the-world ("):-1]].append(int(at) - start)
        whole = tool.wait() == 0
    return stops, assists, whole


def near(a, b, events):
    """Durations that agree, and by how much they differ at most."""
    assert abs(a - b) <= PUSHED_NS_MAX * events, (a, b, events)
    return abs(a - b) / events


def test_events_by_type_are_those_of_gos_own_reader(_):
    folder = kept()
    tool = oracle(folder)
    for name, trace in recorded(folder) + given(folder):
        result = ours(folder, trace)
        found = {words[1]: int(words[2]) for words in map(str.split, result.stdout.splitlines())
                 if words[0] == "count"}
        expected = events_of_oracle(folder, trace)
        assert found == expected, (name, tool, {k: (found.get(k), expected.get(k))
                                                for k in set(found) | set(expected)
                                                if found.get(k) != expected.get(k)})
        print(f"      {name}: {sum(found.values())} events of {len(found)} types")


def test_stops_and_assists_are_those_of_gos_own_reader(_):
    folder = kept()
    oracle(folder)
    for name, trace in recorded(folder) + given(folder):
        stops, assists, whole = ranges_of_oracle(folder, trace)
        if not whole:
            continue  # refused; see the last test
        found_stops, found_assists = collections.defaultdict(list), {}
        for words in map(str.split, ours(folder, trace).stdout.splitlines()):
            if words[0] == "pause":
                found_stops[" ".join(words[3:])].append(int(words[2]))
            elif words[0] == "assist":
                found_assists[words[1]] = tuple(map(int, words[2:5]))
        assert {k: len(v) for k, v in found_stops.items()} == \
            {k: len(v) for k, v in stops.items()}, (name, found_stops, stops)
        worst = 0
        for kind, durations in stops.items():
            for a, b in zip(sorted(durations), sorted(found_stops[kind])):
                worst = max(worst, near(a, b, 1))
        # Goroutines beyond the first thousand are not told one by one.
        if len(assists) <= 1000:
            assert {g: len(v) for g, v in assists.items()} == \
                {g: v[0] for g, v in found_assists.items()}, (name, found_assists)
            for goroutine, durations in assists.items():
                count, total, longest = found_assists[goroutine]
                worst = max(worst, near(sum(durations), total, count),
                            near(max(durations), longest, 1))
        print(f"      {name}: {sum(map(len, stops.values()))} stops, "
              f"{sum(map(len, assists.values()))} assists, at most {worst:.1f} ns apart")


def test_the_strict_reader_accepts_what_gos_own_does(_):
    folder = kept()
    oracle(folder)
    for name, trace in recorded(folder) + given(folder):
        whole = subprocess.run([str(oracle(folder)), "-d=parsed", str(trace)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               check=False).returncode == 0
        result = ours(folder, trace, "--verify")
        assert (result.returncode == 0) == whole, (name, whole, result.stderr)
        if not whole:
            print(f"      {name}: refused by both: {result.stderr.splitlines()[0][-90:]}")


if __name__ == "__main__":
    support.main(globals())

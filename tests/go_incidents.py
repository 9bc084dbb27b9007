#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Planted incidents of Go programs, run live: the fault is the first finding, at its line and its cost.

Each folder of examples/incidents/go is a program with a fault, marked by the comment `// growth here`, and a
twin without it (-good). It prints what it counted itself. Skipped where no Go of 1.22 or later is found in
$GO or PATH; $GO_OLD names one before 1.24 for what was mended then.

What the programs left behind stands in captured/ as well (Go 1.26, -trimpath, without the programs
themselves), and is read wherever this test runs. UPDATE_CAPTURED=1 makes those archives anew.
"""
import json
import os
import pathlib
import re
import shutil
import tarfile

import support

ROOT = support.SRC / "examples/incidents/go"
OLDEST = 22
TRIE_SINCE = 24  # sync.Map copies nothing from here on
ARCHIVES = ROOT / "captured"
MARK = "// growth here"
# Costs are within a tenth of what the program counted.
TOLERANCE = 0.10
# Faults without a line of source: the machine's, and the log's.
WITHOUT_A_LINE = {"go-cpu-starvation"}
# Two symptoms of one copy: which of them leads depends on when the collection began.
SAME_COPY = {"go-growth-delays-mark": {"go-growth-delays-stop"}}
# Whether these show at all is up to how the machine runs threads: they may try again.
TRIES = {"cpu_starvation": 3, "growth_delays_mark": 3, "growth_delays_stop": 3, "waits_on_stop": 3}
# A twin may still be short of processors on a machine that is: then less than a quarter of it.
OF_THE_MACHINE = {"go-cpu-starvation"}


def minor(go):
    done = support.run([go, "version"], env={**os.environ, "GOTOOLCHAIN": "local"})
    match = re.search(r"go1\.(\d+)", done.stdout)
    return int(match.group(1)) if match else 0


def toolchain(variable, fits):
    for go in filter(None, [os.environ.get(variable), shutil.which("go")]):
        if fits(minor(go)):
            return go
    return None


def build(folder, go, name):
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GO111MODULE": "on",
                   "GOWORK": "off"}
    if not os.environ.get("HOME"):
        environment.setdefault("GOCACHE", str(folder / "cache"))
    program = folder / name
    done = support.run([go, "build", "-trimpath", "-o", program, f"./{name}"], cwd=ROOT, env=environment)
    assert done.returncode == 0, support.shown(done)
    return program


def capture(folder, program, good):
    out = folder / (program.name + (".good" if good else ".bad"))
    done = support.run([program, "-out", out, *(["-good"] if good else [])])
    assert done.returncode == 0, support.shown(done)
    truth = json.loads(done.stdout)
    report = json.loads(support.ullage("diagnose", out, "--json").stdout)
    return truth, report["findings"]


def marked_line(name):
    lines = (ROOT / name / "main.go").read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if MARK in line]
    return found[0] if found else None


def said(finding):
    return f"{finding['detector']} at {finding['where']['place']}: {finding['title']}"


def speakers(finding):
    return {finding["detector"]} | {related["detector"] for related in finding["also"]}


def check_cost(finding, truth):
    for key, cost in (("wasted_bytes", finding["cost"]["wasted_bytes"]), ("events", finding["cost"]["events"])):
        expected = truth.get(key)
        if expected:
            assert abs(cost - expected) <= TOLERANCE * expected, f"{key}: {cost}, in truth {expected}; {said(finding)}"


def serious(findings):
    return [finding for finding in findings if finding["severity"] != "note"]


def check_bad(name, truth, findings):
    detector = truth["detector"]
    findings = serious(findings)
    assert findings, f"{name}: no finding"
    shown = "\n  ".join(said(finding) for finding in findings)
    first = findings[0]
    expected = {detector} | SAME_COPY.get(detector, set())
    assert first["detector"] in expected and detector in speakers(first), f"{name}, expected {detector}:\n  {shown}"
    if detector not in WITHOUT_A_LINE:
        place = f"main.go:{marked_line(name)}"
        assert first["where"]["place"] == place, f"{name}, expected {place}:\n  {shown}"
    check_cost(first, truth)
    return first


def check_twin(name, detector, findings):
    twins = [finding for finding in serious(findings) if detector in speakers(finding)]
    assert not twins, f"{name}: the twin has it as well:\n  " + "\n  ".join(said(twin) for twin in twins)


def check_incident(folder, name, go):
    program = build(folder, go, name)
    truth, findings = capture(folder, program, good=False)
    detector = truth["detector"]
    first = check_bad(name, truth, findings)

    _, twins = capture(folder, program, good=True)
    if detector in OF_THE_MACHINE and os.getloadavg()[0] > os.cpu_count():
        return  # the twin is short of processors, too, and says so rightly
    if detector in OF_THE_MACHINE:
        twins = [t for t in twins if t["cost"]["stall_ns"] * 4 > first["cost"]["stall_ns"]]
    check_twin(name, detector, twins)


def pack(folder, name, kind, truth):
    """What a run left in `folder`, without the program, as captured/NAME.KIND.tar.xz."""
    source = folder / f"{name}.{kind}"
    (source / "program").unlink(missing_ok=True)
    ARCHIVES.mkdir(exist_ok=True)
    archive = ARCHIVES / f"{name}.{kind}.tar.xz"
    (source.parent / "truth.json").write_text(json.dumps(truth) + "\n")
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(source.parent / "truth.json", "truth.json")
        for path in sorted(source.iterdir()):
            tar.add(path, path.name)


def test_what_was_captured_is_found_first_and_the_twins_are_clean(folder):
    if os.environ.get("UPDATE_CAPTURED"):
        go = toolchain("GO", lambda version: version >= OLDEST)
        for path in planted_programs():
            name = path.parent.name
            if name == "sync_map_promotion":
                continue
            program = build(folder, go, name)
            for good in (False, True):
                truth, _ = capture(folder, program, good)
                pack(folder, name, "good" if good else "bad", truth)
    archives = sorted(ARCHIVES.glob("*.bad.tar.xz"))
    assert len(archives) >= 17, archives
    for bad in archives:
        name = bad.name.split(".")[0]
        with tarfile.open(bad) as tar:
            truth = json.load(tar.extractfile("truth.json"))
        first = check_bad(name, truth, json.loads(support.ullage("diagnose", bad, "--json").stdout)["findings"])
        good = ARCHIVES / f"{name}.good.tar.xz"
        twins = json.loads(support.ullage("diagnose", good, "--json").stdout)["findings"]
        if truth["detector"] in OF_THE_MACHINE:
            twins = [twin for twin in twins if twin["cost"]["stall_ns"] * 4 > first["cost"]["stall_ns"]]
        check_twin(name, truth["detector"], twins)


def planted_programs():
    """Those that keep to the form above; others stand beside them for other tests."""
    return [path for path in sorted(ROOT.glob("*/main.go")) if "incidents/internal/capture" in path.read_text()]


def add_tests():
    for path in planted_programs():
        name = path.parent.name
        if name == "sync_map_promotion":
            continue

        def test(folder, name=name):
            go = toolchain("GO", lambda version: version >= OLDEST)
            if not go:
                raise support.Skip(f"no Go of 1.{OLDEST} or later in $GO or PATH")
            tries = TRIES.get(name, 1)
            for left in reversed(range(tries)):
                try:
                    check_incident(folder, name, go)
                    return
                except AssertionError:
                    if not left:
                        raise
        globals()[f"test_{name}_is_the_first_finding_and_its_twin_is_clean"] = test


def test_a_sync_map_before_go_1_24_is_the_first_finding_and_its_twin_is_clean(folder):
    go = toolchain("GO_OLD", lambda version: OLDEST <= version < TRIE_SINCE)
    if not go:
        raise support.Skip(f"no Go before 1.{TRIE_SINCE} in $GO_OLD or PATH")
    check_incident(folder, "sync_map_promotion", go)


def test_every_detector_of_go_programs_has_a_planted_incident(_):
    registry = (support.SRC / "src/diagnose/detectors/detectors.def").read_text()
    detectors = set(re.findall(r'"(go-[\w-]+)"', registry))
    planted = {re.search(r'"detector": "([\w-]+)"', path.read_text()).group(1)
               for path in planted_programs()}
    assert planted == detectors, planted ^ detectors


# Incidents that were captured once, by a program of modes: the detector and the line that each must lead with.
CAPTURED = {
    "append": ("go-append-without-capacity", 26), "defer": ("go-defer-in-loop", 65),
    "deferuse": ("go-defer-in-loop", 74), "huge": ("go-growth-delays-mark", 208),
    "mapptr": ("go-pointer-map", 106), "retry": ("go-retry-leak", 143),
    "stack": ("go-stack-growth", 170), "sub": ("go-subslice-retention", 41)}
CAPTURED_CLEAN = {"appendpre": "go-append-without-capacity", "mapval": "go-pointer-map",
                  "subgood": "go-subslice-retention"}


def test_captured_incidents_are_found_at_their_lines_and_their_twins_are_clean(folder):
    data = os.environ.get("ULLAGE_SHARED_DATA", support.SRC / "../shared/data")
    data = pathlib.Path(data) / "go-incidents"
    if not data.exists():
        raise support.Skip("no captured incidents here (ULLAGE_SHARED_DATA)")
    for mode in [*CAPTURED, *CAPTURED_CLEAN]:
        inputs = [*sorted(data.glob(f"{mode}.go126.*")), data / "incident-go126.gz"]
        findings = json.loads(support.ullage("diagnose", *inputs, "--json").stdout)["findings"]
        findings = [finding for finding in findings if finding["severity"] != "note"]
        shown = f"{mode}:\n  " + "\n  ".join(said(finding) for finding in findings)
        if mode in CAPTURED:
            detector, line = CAPTURED[mode]
            assert findings and findings[0]["detector"] == detector, shown
            assert findings[0]["where"]["place"] == f"main.go:{line}", shown
        else:
            assert all(CAPTURED_CLEAN[mode] not in speakers(finding) for finding in findings), shown


add_tests()
if __name__ == "__main__":
    support.main(globals())

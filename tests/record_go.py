#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ullage record` of Go programs: what is collected without a change of theirs, and that they do not notice."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import support

SOURCE = support.SRC / "tests/programs/go_server.go.txt"


BUILT = []  # the server, built once, in a folder that goes with it


def build(_):
    if not BUILT:
        BUILT.append(tempfile.TemporaryDirectory(prefix="ullage-go-"))
        BUILT.append(build_in(pathlib.Path(BUILT[0].name)))
    return BUILT[1]


def build_in(folder):
    go = shutil.which("go") or next((str(p) for p in sorted(pathlib.Path("/usr/lib").glob("go-1.*/bin/go"), reverse=True)), None)
    if not go:
        BUILT.clear()
        raise support.Skip("no Go toolchain is installed")
    source = folder / "server.go"
    source.write_text(SOURCE.read_text())
    env = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOTOOLCHAIN="local", GOCACHE=str(folder / "cache"), CGO_ENABLED="0")
    done = support.run([go, "build", "-o", folder / "server", source], env=env)
    assert done.returncode == 0, support.shown(done)
    return folder / "server"


def manifest(path):
    lines = (path / "manifest.txt").read_text().splitlines()
    assert lines[0] == "ullage incident 1", lines[:3]
    return lines[1:]


def have(path):
    return {line.split()[1] for line in manifest(path) if line.startswith("have ")}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_go_program_is_recognised_and_its_collections_are_collected(folder):
    server, out = build(folder), folder / "run.incident"
    done = support.ullage("record", "-o", out, "--", server, "1.5", expect=7)
    assert done.stdout.strip() == "400000", support.shown(done)
    # Its own words arrive whole; the lines it did not ask for do not.
    assert "no end of line: gc is not a collection\n" in done.stderr, support.shown(done)
    assert "%: " not in done.stderr, support.shown(done)
    assert "gc 1 @" in (out / "stderr.log").read_text()
    assert have(out) == {"stderr.log"}, manifest(out)
    rss = [line for line in manifest(out) if line.startswith("rss ")]
    assert len(rss) >= 2 and int(rss[-1].split()[2]) > 1 << 20, manifest(out)
    assert (out.stat().st_mode & 0o777) == 0o700
    assert f"Next: ullage diagnose {out}" in done.stderr

    report = support.diagnose(out)
    incident = report["incident"]
    assert incident["facts"]["program"] == "server" and incident["facts"]["runtime"] == "Go", incident["facts"]
    assert len(incident["cycles"]) > 3 and incident["cycles"][0]["ordinal"] == 1
    log = next(a for a in incident["artefacts"] if a["format"] == "gctrace")
    assert log["alignment"]["how"] in ("process start", "wall clock", "reference clock"), log


def test_gctrace_that_the_user_asked_for_is_the_users(folder):
    server, out = build(folder), folder / "run.incident"
    done = support.ullage("record", "-q", "-o", out, "--", server, "0.3", expect=7, env=dict(os.environ, GODEBUG="madvdontneed=1,gctrace=1"))
    assert "gc 1 @" in done.stderr, support.shown(done)


def test_profiles_and_a_trace_are_fetched_while_it_runs(folder):
    server, out, address = build(folder), folder / "run.incident", folder / "address"
    process = subprocess.Popen([server, "60", address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        support.wait_until(lambda: address.exists() and address.read_text(), "the server listens")
        done = support.ullage("record", "--pprof", address.read_text(), "--for", "1s", "-o", out)
    finally:
        support.stop(process)
    wanted = {"goroutine.start.pb.gz", "heap.start.pb.gz", "cpu.pb.gz", "execution.trace", "heap.end.pb.gz", "allocs.end.pb.gz",
              "goroutine.end.pb.gz", "mutex.end.pb.gz", "block.end.pb.gz", "goroutines.txt"}
    assert wanted <= have(out), (manifest(out), support.shown(done))
    # expvar is not part of net/http/pprof: that it is not served is no failure.
    assert not any(line.startswith("lack ") for line in manifest(out)), manifest(out)
    assert (out / "execution.trace").read_bytes().startswith(b"go 1."), "an execution trace"


def test_a_program_that_ends_early_leaves_what_there_was(folder):
    server, out = build(folder), folder / "run.incident"
    port = free_port()
    # Nothing listens there: the program ends with its own code all the same, and the manifest says why.
    done = support.ullage("record", f"--pprof=127.0.0.1:{port}", "-o", out, "--", server, "0.5", expect=7)
    lacking = [line for line in manifest(out) if line.startswith("lack goroutine.start.pb.gz ")]
    assert lacking and "not there" in done.stderr, (manifest(out), support.shown(done))
    assert "stderr.log" in have(out)


def test_an_interrupt_reaches_the_program_and_ends_the_recording_well(folder):
    server, out = build(folder), folder / "run.incident"
    process = subprocess.Popen([support.BIN, "record", "-o", out, "--", server, "60"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    support.wait_until(lambda: (out / "stderr.log").exists() and "gc 2 @" in (out / "stderr.log").read_text(), "it collects")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=support.TIMEOUT_S)
    assert process.returncode == 128 + signal.SIGINT, (process.returncode, said)
    assert "stderr.log" in have(out)
    assert "ended by signal 2" in said, said


def test_native_recording_stays_reachable(folder):
    server = build(folder)
    done = support.ullage("record", "--native", "-o", folder / "x.ulg", "--", server, "0.1", expect=3)
    assert "Go program" in done.stderr, support.shown(done)


if __name__ == "__main__":
    support.main(globals())

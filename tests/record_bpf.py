#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ullage record --bpf`: growth of a Go program counted by uprobes, or the reason why not, and the recording goes on."""
import os
import shutil

import record_go
import support


def calls(path):
    return {words[1]: int(words[2]) for words in map(str.split, record_go.manifest(path)) if words[0] == "calls"}


def test_growth_is_counted_or_the_reason_is_told(folder):
    server, out = record_go.build(folder), folder / "run.incident"
    done = support.ullage("record", "--bpf", "-o", out, "--", server, "0.5", expect=7)
    assert "stderr.log" in record_go.have(out), support.shown(done)
    counted = calls(out)
    if not counted:
        assert "--bpf: " in done.stderr and "The recording goes on without these counts" in done.stderr, support.shown(done)
        assert any(line.startswith("lack growth-counts ") for line in record_go.manifest(out)), record_go.manifest(out)
        raise support.Skip("no probe can be set here: " + done.stderr.split("--bpf: ")[1].splitlines()[0])
    # 400 000 ints in one slice are some 40 steps, and it is made many times over.
    assert counted["runtime.growslice"] >= 40, counted
    assert any("maps" in name or name == "runtime.hashGrow" for name in counted) and "runtime.copystack" in counted, counted
    text = support.ullage("diagnose", out).stdout
    assert "slices that grew" in text, text


def test_without_the_right_for_it_the_recording_goes_on(folder):
    server, out = record_go.build(folder), folder / "run.incident"
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            raise support.Skip("setpriv is not installed")
        # Without the rights, as root: everything can still be read.
        command = ["setpriv", "--bounding-set=-sys_admin,-perfmon", "--inh-caps=-all", support.BIN]
    else:
        command = [support.BIN]
    done = support.run([*command, "record", "--bpf", "-o", out, "--", server, "0.2"])
    if done.returncode != 7 and "setpriv" in done.stderr:
        raise support.Skip("rights can't be given up here: " + done.stderr)
    assert done.returncode == 7, support.shown(done)
    assert "--bpf: " in done.stderr and "goes on without" in done.stderr, support.shown(done)
    assert not calls(out) and "stderr.log" in record_go.have(out), record_go.manifest(out)


def test_a_native_program_is_refused(folder):
    done = support.ullage("record", "--bpf", "--", "true", expect=2)
    assert "Go programs" in done.stderr, support.shown(done)


if __name__ == "__main__":
    support.main(globals())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The loop of examples/second_run.cpp: the first run grows, the second does not."""
import os
import pathlib
import re

import support

BATCHES = 1000
# What grows all the same, of the first run: a segment of a map that chance favours (one in a thousand).
MAP_SHARE = 0.01
LINE = re.compile(r"(\S+) +growths (\d+), moved (\d+) elements, began with room for (\d+)(?: \((.*): (\d+) runs?, p95\))?")


def run(folder):
    environment = {**os.environ, "ULLAGE_PROFILE": "app.sizes"}
    done = support.run([support.program("second_run")], env=environment, cwd=folder)
    assert done.returncode == 0 and done.stderr == "", support.shown(done)
    return {m[1]: {"growths": int(m[2]), "moved": int(m[3]), "expected": int(m[4]), "file": m[5],
                   "runs": int(m[6] or 0)} for m in LINE.finditer(done.stdout)}


def hardly_grows(again, first):
    for name, containers in (("orders", 1), ("batches", BATCHES)):
        site = again[name]
        assert (site["growths"], site["moved"]) == (containers, 0), f"{name}: first memory only: {site}"
    for what in ("growths", "moved"):
        now, before = again["orders.by_id"][what], first["orders.by_id"][what]
        assert now <= 1 + MAP_SHARE * before, f"{what}: {now} of {before}"


def test_the_first_run_grows_and_the_second_does_not(folder):
    first = run(folder)
    assert set(first) == {"orders", "orders.by_id", "batches"}, first
    for name, site in first.items():
        assert site["expected"] == 0 and site["file"] is None, (name, site)
        assert site["growths"] > 10 and site["moved"] > 1000, (name, site)
    for runs in (1, 2, 3):
        again = run(folder)
        hardly_grows(again, first)
        for site in again.values():
            assert site["runs"] == runs and site["file"] == str(pathlib.Path(folder).resolve() / "app.sizes"), site
        assert again["orders"]["expected"] == again["orders.by_id"]["expected"] == 200000, again
        assert 95 <= again["batches"]["expected"] <= 99, "the 95th percentile, and never above the largest"


def test_a_recording_of_the_first_run_serves_as_well(folder):
    clean = {name: value for name, value in os.environ.items() if name != "ULLAGE_PROFILE"}
    recorded = support.record(folder, [support.program("second_run")], env=clean)
    support.ullage("diagnose", recorded.root, f"--experience={folder}/app.sizes")
    again = run(folder)
    first = {site["name"]: {"growths": site["growths"], "moved": site["moved_elements"]}
             for site in support.diagnose(recorded.root)["container_sites"]}
    hardly_grows(again, first)


if __name__ == "__main__":
    support.main(globals())

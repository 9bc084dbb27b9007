#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A finished archive that was cut short, by a full disk or a broken transfer, is still worth reading.

Contexts lie before the events that name them, so growth is linked in whatever remains.
"""
import os

import support
from support import diagnose, links

PHASES = ("grow_parent", "grow_child", "grow_late")
CALLS = 2000
LINKS = 14  # growths of each call


def cut(recorded, share):
    path = recorded.folder / f"cut-{share}.ulg"
    whole = open(recorded.root, "rb").read()
    path.write_bytes(whole[:int(len(whole) * share)])
    return path


def check(folder, *options):
    recorded = support.record(folder, [support.program("process_cases"), "phases"], *options)
    whole = diagnose(recorded.root)
    assert [links(whole, phase) for phase in PHASES] == 3 * [CALLS * LINKS], "the recording itself"
    events = whole["process"]["events"]
    remained = []
    for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        report = diagnose(cut(recorded, share))
        seen = [links(report, phase) for phase in PHASES]
        remained.append(report["process"]["events"])
        print(f"      {options} cut at {share}: {remained[-1]} of {events} events, links {seen}")
        # All events are alike: as large a share of the growths must be linked. A segment that ends
        # within a growth may cost one link.
        wanted = 3 * CALLS * LINKS * remained[-1] / events
        assert abs(sum(seen) - wanted) <= 0.001 * wanted + LINKS, (share, seen, wanted)
        for i, phase in enumerate(PHASES):
            before = min(max(wanted - i * CALLS * LINKS, 0), CALLS * LINKS)
            assert abs(seen[i] - before) <= 0.001 * wanted + 2 * LINKS, (share, phase, seen, wanted)
        notes = report["understood"]["notes"]
        assert any("cut short" in note for note in notes), notes
        assert not any("contexts" in note or "stack nodes" in note for note in notes), notes
    return recorded, remained


def test_growth_is_linked_in_what_remains_of_a_cut_archive(folder):
    recorded, remained = check(folder)
    assert remained == sorted(remained) and remained[0] < remained[-1], remained
    print(f"      {os.path.getsize(recorded.root)} B")


def test_so_it_is_in_what_remains_of_a_recorder_whose_live_file_was_lost(folder):
    # The part is what the archive is before its end: read alone, it must do.
    go = folder / "go"
    recorder = support.subprocess.Popen(
        [support.BIN, "record", "-q", "-o", str(folder / "out.ulg"), "--", support.program("process_cases"),
         "phases", str(go)],
        stdin=support.subprocess.DEVNULL, stdout=support.subprocess.DEVNULL, stderr=support.subprocess.DEVNULL)
    try:
        support.wait_until(lambda: any(path.stat().st_size > 100_000 for path in folder.glob("out.*.ulg.part")),
                           "segments were archived", seconds=support.TIMEOUT_S)
        part, = folder.glob("out.*.ulg.part")
        alone = folder / "alone.ulg"
        alone.write_bytes(part.read_bytes())
    finally:
        go.write_text("")
        recorder.wait(timeout=support.TIMEOUT_S)
    report = diagnose(alone)
    assert links(report, "grow_parent") > CALLS * LINKS / 2, support.sites(report, "grow_parent")
    assert not any("contexts" in note for note in report["understood"]["notes"]), report["understood"]


if __name__ == "__main__":
    support.main(globals())

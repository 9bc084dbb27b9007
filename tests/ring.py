#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record --max-size: a recording of any length stays small, and keeps its newest events."""
import os

import support


def test_the_newest_events_stay_and_the_file_is_bounded(folder):
    program = [support.program("process_cases"), "many"]
    whole = support.record(folder, program)
    ring = support.record(folder, program, "--max-size=4MiB")
    sizes = [os.path.getsize(one.root) for one in (whole, ring)]
    everything, kept = (support.diagnose(one.root) for one in (whole, ring))
    print(f"      {sizes[0]} B and {everything['process']['events']} events whole, {sizes[1]} B and "
          f"{kept['process']['events']} events in a ring")
    assert sizes[1] <= 5 << 20, sizes
    assert kept["process"]["events"] < everything["process"]["events"]
    # The growth at the very end of the program is the newest there is.
    assert support.links(kept, "grow_late") == 14, support.sites(kept, "grow_late")
    assert any("--max-size" in note for note in kept["understood"]["notes"]), kept["understood"]
    assert "--max-size" in ring.done.stderr, support.shown(ring.done)


def test_a_size_too_small_to_be_useful_is_refused(_):
    done = support.ullage("record", "--max-size=100K", "--", "true", expect=2)
    assert "4MiB" in done.stderr, support.shown(done)


if __name__ == "__main__":
    support.main(globals())

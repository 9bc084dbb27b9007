#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Threads that leave at any moment: nothing that they held inside the agent is missed by anybody.

programs/leave_cases.cpp holds one case per argument. A thread that jumps out of a handler, or is
cancelled, may have been inserting a calling context; whoever comes after it must not wait for ever,
and must be recorded. Each call of a grow_* function makes exactly LINKS growths.
"""
import support
from support import diagnose, links

LINKS = 14
# Each case takes about a second; waiting for a lock that is never given back takes for ever.
LIMIT_S = 60


def left(folder, case):
    recorded = support.record(folder, [support.program("leave_cases"), case], timeout=LIMIT_S)
    report = diagnose(recorded.root)
    assert report["understood"]["segments_damaged"] == 0, report["understood"]
    assert links(report, "grow_late") == LINKS, support.shown(recorded.done)
    return report


def test_handlers_that_jump_away_from_new_contexts_hang_nobody(folder):
    report = left(folder, "jumps")
    assert links(report, "grow_thread") == 4 * LINKS, "a thread fell silent after its jumps"


def test_threads_that_jump_away_and_never_return_are_not_waited_for(folder):
    left(folder, "idlers")


def test_threads_cancelled_at_any_moment_hang_nobody(folder):
    left(folder, "cancelled")


if __name__ == "__main__":
    support.main(globals())

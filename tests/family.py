#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every function that gives memory is recorded, once, with the bytes that were asked for.

The same program is recorded with no further rounds and with ROUNDS of them: what differs are their calls, to
the last one, whatever the C library and its loader did besides.
"""
import re

import support

ROUNDS = 1000
COUNTED = ("allocations", "frees", "reallocs", "allocated_bytes")


def process_of(folder, kind, rounds):
    recorded = support.record(folder, [support.program("family_cases"), kind, rounds])
    report = support.diagnose(recorded.root)
    assert report["understood"]["events_unmatched"] == 0, (kind, report["understood"])
    said = re.search(r"([\d ]+) events? in", recorded.done.stderr)
    assert int(said[1].replace(" ", "")) == report["process"]["events"], (kind, said[0], report["process"]["events"])
    return report["process"], [int(number) for number in recorded.done.stdout.split()]


def check(folder, kind):
    once, one_round = process_of(folder, kind, 0)
    often, _ = process_of(folder, kind, ROUNDS)
    seen = [often[what] - once[what] for what in COUNTED]
    assert seen == [ROUNDS * number for number in one_round], (kind, seen, one_round)
    assert often["live_bytes_end"] == once["live_bytes_end"], (kind, often["live_bytes_end"], once["live_bytes_end"])


def test_the_c_librarys_functions_are_counted_to_the_call_and_byte(folder):
    check(folder, "c_family")


def test_reallocations_are(folder):
    check(folder, "reallocations")


def test_blocks_that_realloc_gives_back_are(folder):
    check(folder, "vanishing")


def test_every_form_of_operator_new_and_delete_is(folder):
    check(folder, "operators")


def test_the_programs_own_large_mappings_are(folder):
    check(folder, "mappings")


def test_growth_by_mremap_copies_nothing(folder):
    report = support.diagnose(support.record(folder, [support.program("family_cases"), "mappings", ROUNDS]).root)
    site, = support.sites(report, "mappings")
    assert (site["links"], site["copied_bytes"]) == (ROUNDS + 1, 0), site


if __name__ == "__main__":
    support.main(globals())

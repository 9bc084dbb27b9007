#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record --slack: capacity that was never written, within 64 B per block of the truth.

slack_cases prints what its containers held and what they could have held.
"""
import support

# One canary per 64 bytes: what is found is at most this far from the truth, for each block.
RESOLUTION_BYTES = 64


def test_unused_capacity_is_found_to_the_canary(folder):
    recorded = support.record(folder, [support.program("slack_cases")], "--slack")
    report = support.diagnose(recorded.root)
    assert report["process"]["slack_recorded"]
    for line in recorded.done.stdout.splitlines():
        case, blocks, capacity, unused = line.split()
        blocks, capacity, unused = int(blocks), int(capacity), int(unused)
        found = [site for site in support.sites(report, case) if site["stands"]]
        assert found, f"{case}: no growth site"
        painted = sum(site["slack_blocks"] for site in found)
        # The last block of each container, from the second container on: until a place was seen
        # to grow, it is not painted.
        assert blocks - 2 <= painted <= blocks, f"{case}: {painted} of {blocks} blocks"
        share = unused / capacity
        truth = share * sum(site["slack_painted_bytes"] for site in found)
        seen = sum(site["slack_unused_bytes"] for site in found)
        print(f"      {case}: {seen / painted:.0f} B unused per block, truth {truth / painted:.0f} B")
        assert abs(seen - truth) <= RESOLUTION_BYTES * painted, (case, seen, truth, painted)


def test_slack_is_a_finding_where_it_is_large_and_only_there(folder):
    report = support.diagnose(support.record(folder, [support.program("slack_cases")], "--slack").root)
    told = [f for f in report["findings"] if f["detector"] == "slack" or
            any(also["detector"] == "slack" for also in f["also"])]
    names = " ".join(f["where"]["function"] for f in told)
    assert "wasteful_vector" in names, [f["title"] for f in report["findings"]]
    assert "full_vector" not in names, names


def test_without_slack_memory_is_left_as_it_is(folder):
    report = support.diagnose(support.record(folder, [support.program("slack_cases")]).root)
    assert not report["process"]["slack_recorded"]
    assert sum(site["slack_blocks"] for site in report["growth_sites"]) == 0


if __name__ == "__main__":
    support.main(globals())

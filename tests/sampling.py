#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record --sample: most ordinary allocations are passed over, totals stay right, growth stays known."""
import support

CASES = ["case_vector", "case_unordered_map", "case_map"]


def test_totals_are_estimated_and_far_fewer_events_are_kept(folder):
    program = support.program("growth_cases")
    full = support.diagnose(support.record(folder, [program, *CASES]).root)["process"]
    sampled = support.diagnose(support.record(folder, [program, *CASES], "--sample=4K").root)["process"]
    assert sampled["sample_bytes"] == 4096, sampled
    assert sampled["events"] < full["events"] / 5, (sampled["events"], full["events"])
    # Some 1 000 samples: 1/sqrt(1000) is 3 %; five times that.
    ratio = sampled["allocated_bytes"] / full["allocated_bytes"]
    print(f"      {sampled['events']} of {full['events']} events; bytes estimated at {ratio:.3f} of the truth")
    assert 0.85 < ratio < 1.15, ratio


def test_growth_of_a_place_that_grows_often_is_kept_in_full(folder):
    """order_service's book grows 18 times; the large steps, which cost, are all there."""
    program = support.program("order_service")
    full = support.diagnose(support.record(folder, [program]).root)
    sampled = support.diagnose(support.record(folder, [program], "--sample=64K").root)
    copied = [sum(site["copied_bytes"] for site in support.sites(report, "add") if site["stands"])
              for report in (full, sampled)]
    print(f"      copied: {copied[0]} B in full, {copied[1]} B sampled")
    assert copied[1] >= 0.5 * copied[0], copied
    assert copied[1] <= 1.01 * copied[0], copied


def test_blocks_that_were_passed_over_go_unseen_however_they_go(folder):
    """20 000 blocks that realloc(block, 0) gives back."""
    program = support.program("family_cases")
    report = support.diagnose(support.record(folder, [program, "vanishing", 20_000], "--sample=64M").root)
    assert report["process"]["events"] < 1000, report["process"]["events"]


if __name__ == "__main__":
    support.main(globals())

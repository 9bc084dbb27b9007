#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The loop closes: record, read the advice, apply it, record again; the growth is gone.

The example service has one --reserve-X=N per planted growth: the edit that the advice asks for. The
number comes from the findings of the first recording and from nowhere else.
"""
import support

# The function that a finding names -> the edit it asks for.
EDITS = {
    "OrderBook::add": "--reserve-orders",
    "Sessions::touch": "--reserve-sessions",
    "LogBuffer::grow": "--reserve-log",
    "write_report": "--reserve-report",
}


def frames(finding):
    return [finding["where"], finding["growth"], *finding["stack"]]


def advised(report):
    """The advised number per edit: from the finding about repeated growth at that place."""
    numbers = {}
    for finding in report["findings"]:
        if finding["advised_elements"] == 0:
            continue
        for frame in frames(finding):
            edit = next((e for name, e in EDITS.items() if support.named(frame["function"], name)), None)
            if edit:
                numbers.setdefault(edit, finding["advised_elements"])
                break
    return numbers


def links_and_copied(report, name):
    found = [site for site in support.sites(report, name) if site["stands"]]
    return sum(site["links"] for site in found), sum(site["copied_bytes"] for site in found)


def test_applying_the_printed_advice_removes_the_growth(folder):
    service = support.program("order_service")
    before = support.record(folder, [service])
    planted = support.diagnose(before.root)
    numbers = advised(planted)
    assert set(numbers) == set(EDITS.values()), (
        f"advice for {sorted(numbers)} only; findings: "
        f"{[(f['detector'], f['where']['function'], f['advised_elements']) for f in planted['findings']]}")

    after = support.record(folder, [service, *(f"{edit}={number}" for edit, number in numbers.items())])
    assert after.done.stdout == before.done.stdout, "the advice changed what the service computes"
    applied = support.diagnose(after.root)
    for name in EDITS:
        links, _ = links_and_copied(planted, name)
        assert links >= 5, f"{name}: only {links} growths were planted"
        links, copied = links_and_copied(applied, name)
        assert (links, copied) == (0, 0), f"{name}: still {links} growths, {copied} B, with {numbers}"

    text = support.ullage("diff", "--json", before.root, after.root).stdout
    difference = support.json.loads(text)
    copied_before = difference["before"]["growth"]["copied_bytes"]
    copied_after = difference["after"]["growth"]["copied_bytes"]
    assert copied_before > 10_000_000, copied_before
    assert copied_after <= 0.05 * copied_before, (copied_before, copied_after)
    fixed = [site for site in difference["sites"] if site["change"] == "fixed"]
    assert len(fixed) >= len(EDITS), [(s["change"], s["where"]["function"]) for s in difference["sites"]]
    assert all(site["after"]["links"] == 0 for site in fixed), fixed


def test_the_gate_of_a_build_notices_when_growth_comes_back(folder):
    service = support.program("order_service")
    grows = support.record(folder, [service]).root
    reserved = support.record(folder, [service, *(f"{edit}=8000000" for edit in EDITS.values())]).root
    support.ullage("diff", grows, reserved, "--fail-on=worse,new", expect=0)
    done = support.ullage("diff", reserved, grows, "--fail-on=worse,new", expect=1)
    assert "failed:" in done.stderr, support.shown(done)
    support.ullage("diagnose", grows, "--fail-on=repeated-growth", expect=1)
    support.ullage("diagnose", grows, f"--baseline={grows}", "--fail-on=new", expect=0)


if __name__ == "__main__":
    support.main(globals())

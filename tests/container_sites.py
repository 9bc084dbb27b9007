#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers of the library tell a recording of their growth, and a profile of their sizes."""
import os
import pathlib

import support


def environment(**extra):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ULLAGE_PROFILE")}
    return {**clean, **{name: str(value) for name, value in extra.items()}}


def counts(done):
    """{site: {word: number}} of what the program prints."""
    assert done.returncode == 0, support.shown(done)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {words[0]: dict(zip(words[1::2], map(int, words[2::2]))) for words in lines}


def run(**extra):
    return support.run([support.program("container_sites")], env=environment(**extra))


def by_name(report):
    return {site["name"]: site for site in report["container_sites"]}


def test_a_recording_says_what_containers_counted_themselves(folder):
    recorded = support.record(folder, [support.program("container_sites")], env=environment())
    printed = counts(recorded.done)
    report = support.diagnose(recorded.root)
    told = by_name(report)
    assert set(printed) <= set(told), told.keys()
    for name, own in printed.items():
        site = told[name]
        assert site["moved_elements"] == own["moved"], (name, site, own)
        assert site["denied"] == own["denied"], (name, site, own)
    # The first memory of each is no growth that a reserve would spare.
    assert told["orders.by_id"]["growths"] == printed["orders.by_id"]["growths"] - 5
    assert told["sessions"]["growths"] == 399
    assert told["orders.by_id"]["element_bytes"] == 32
    assert told["orders.by_id"]["final_elements"] == {
        "count": 5, "min": 100000, "p50": 100000, "p95": 100000, "max": 100000}
    assert told["orders.by_id"]["where"]["function"].endswith("load_orders"), told["orders.by_id"]["where"]
    assert told["at_exit"]["final_elements"]["max"] == 1000, "the end of a global one is told as well"
    assert report["understood"]["notes"] == [], report["understood"]["notes"]


def test_growth_that_allocated_is_reported_once_and_by_name(folder):
    report = support.diagnose(support.record(folder, [support.program("container_sites")],
                                             env=environment()).root)
    for name, growths in (("orders.by_id", 70), ("threads", 4 * 12)):
        sites = [site for site in report["growth_sites"] if site["container_site"] == name]
        assert len(sites) == 1, [(s["container_site"], s["user"]["place"], s["links"]) for s in sites]
        assert sites[0]["verdict"] == "reported", sites[0]["verdict"]
        assert sites[0]["links"] == growths, (name, sites[0]["links"])
        assert sites[0]["copied_bytes"] > 0
    arena = [site for site in report["growth_sites"] if site["container_site"] == "sessions"]
    assert [(site["links"], site["copied_bytes"]) for site in arena] == [(399, 399 * 500 * 16)], arena
    nameless = [site for site in report["growth_sites"] if site["stands"] and not site["container_site"]]
    assert nameless == [], [site["user"]["place"] for site in nameless]
    told = [finding for finding in report["findings"] if finding["title"].startswith("orders.by_id (")]
    assert [finding["detector"] for finding in told] == ["repeated-growth"], told
    assert any("site orders.by_id" in line for line in told[0]["evidence"]), told[0]["evidence"]
    assert "ULLAGE_PROFILE=FILE" in told[0]["remedy"]
    denied = [finding for finding in report["findings"] if finding["detector"] == "growth-denied"]
    assert len(denied) == 1 and "cache" in denied[0]["title"], denied


def test_text_and_page_name_the_container_site(folder):
    recorded = support.record(folder, [support.program("container_sites")], env=environment())
    page = pathlib.Path(folder) / "page.html"
    text = support.ullage("diagnose", recorded.root, f"--html={page}").stdout
    assert "orders.by_id (" in text and "sessions (ullage::hash_map) grew 399 times" in text, text
    assert "orders.by_id" in page.read_text() and "ullage::hash_map" in page.read_text()


def test_the_second_run_begins_with_the_sizes_of_the_first(folder):
    profile = pathlib.Path(folder) / "app.sizes"
    first = counts(run(ULLAGE_PROFILE=profile))
    assert first["orders.by_id"]["growths"] == 75 and first["orders.by_id"]["expected"] == 0
    second = counts(run(ULLAGE_PROFILE=profile))
    assert second["orders.by_id"]["growths"] == 5, "one first memory each, and no growth"
    assert second["orders.by_id"]["moved"] == 0
    assert 100000 <= second["orders.by_id"]["expected"] <= 112500, second
    assert second["at_exit"]["growths"] == 1, "a global container that was made before main"
    assert {site["runs"] for site in second.values()} == {1}
    assert counts(run(ULLAGE_PROFILE=profile))["orders.by_id"]["runs"] == 2
    before = profile.read_bytes()
    counts(run(ULLAGE_PROFILE=profile, ULLAGE_PROFILE_SAVE=0))
    assert profile.read_bytes() == before, "it was only to be read"
    assert os.listdir(folder) == ["app.sizes"], os.listdir(folder)


def test_a_recording_becomes_a_profile(folder):
    recorded = support.record(folder, [support.program("container_sites")], env=environment())
    profile = pathlib.Path(folder) / "from.sizes"
    said = support.ullage("diagnose", recorded.root, f"--experience={profile}").stderr
    assert "to " + str(profile) in said, said
    after = counts(run(ULLAGE_PROFILE=profile))
    assert after["orders.by_id"]["growths"] == 5 and after["orders.by_id"]["moved"] == 0, after
    assert after["threads"]["growths"] == 4, after
    nothing = support.record(folder, ["true"], env=environment())
    done = support.ullage("diagnose", nothing.root, f"--experience={profile}", expect=3)
    assert "no container site told of its sizes" in done.stderr, support.shown(done)


def test_a_bad_profile_is_named_once_and_stops_nothing(folder):
    profile = pathlib.Path(folder) / "bad.sizes"
    profile.write_text("ullage-experience 1\nsaves many\n")
    done = run(ULLAGE_PROFILE=profile)
    assert counts(done)["orders.by_id"]["growths"] == 75
    assert done.stderr.count("ullage:") == 1, done.stderr
    assert f"{profile}:2: expected" in done.stderr, done.stderr
    assert profile.read_text() == "ullage-experience 1\nsaves many\n"
    elsewhere = pathlib.Path(folder) / "no/such/folder/app.sizes"
    done = run(ULLAGE_PROFILE=elsewhere)
    assert counts(done)["orders.by_id"]["growths"] == 75
    assert "were not saved" in done.stderr and done.stderr.count("ullage:") == 1, done.stderr


if __name__ == "__main__":
    support.main(globals())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Rust program's Vec, String and HashMap are seen growing, and named."""
import pathlib

import support

SOURCE = r"""
use std::collections::HashMap;

#[inline(never)]
fn grow_vec() -> Vec<u64> {
    let mut v = Vec::new();
    for i in 0..200_000u64 { v.push(i); }
    v
}

#[inline(never)]
fn grow_string() -> String {
    let mut s = String::new();
    for _ in 0..100_000 { s.push_str("abcdefgh"); }
    s
}

#[inline(never)]
fn grow_map() -> HashMap<u64, u64> {
    let mut m = HashMap::new();
    for i in 0..50_000u64 { m.insert(i, i); }
    m
}

#[inline(never)]
fn reserved() -> Vec<u64> {
    let mut v = Vec::with_capacity(200_000);
    for i in 0..200_000u64 { v.push(i); }
    v
}

fn main() {
    println!("{}", grow_vec().len() + grow_string().len() + grow_map().len() + reserved().len());
}
"""


def build(folder, *flags):
    rustc = next((path for path in ("/usr/bin/rustc",) if pathlib.Path(path).exists()), None)
    rustc = rustc or support.need("rustc")[0]
    source = folder / "grows.rs"
    source.write_text(SOURCE)
    done = support.run([rustc, "-g", *flags, "-o", folder / "grows", source])
    if done.returncode != 0 and "error[" not in done.stderr:
        raise support.Skip(f"rustc does not work here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, support.shown(done)
    return folder / "grows"


def check(folder, *flags):
    report = support.diagnose(support.record(folder, [build(folder, *flags)]).root)
    for function, least in (("grow_vec", 15), ("grow_string", 12), ("grow_map", 10)):
        sites = [site for site in support.sites(report, function) if site["stands"]]
        links = sum(site["links"] for site in sites)
        assert links >= least, (function, links, [s["growth"]["label"] for s in report["growth_sites"]])
        assert any(site["named_growth"] for site in sites), (function, [s["growth"]["label"] for s in sites])
    assert not support.links(report, "reserved"), support.sites(report, "reserved")
    growing = [f for f in report["findings"] if f["detector"] == "repeated-growth"]
    users = " ".join(frame["function"] for f in growing for frame in [f["where"], *f["stack"]])
    assert "grow_map" in users, users


def test_a_debug_build_shows_its_growth(folder):
    check(folder)


def test_an_optimised_build_shows_its_growth(folder):
    check(folder, "-O")


if __name__ == "__main__":
    support.main(globals())

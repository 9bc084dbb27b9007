#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nineteen containers whose growth is known: the profiler counts exactly what they did.

growth_cases counts the growths of its containers from their capacities and prints them; the
recording must show the same number of links and bytes, whatever compiled the program. What a
profiler of malloc cannot see at all is stated at the head of programs/growth_cases.cpp.

A few builds that differ in everything run by default; ULLAGE_TEST_FULL=1 runs the whole matrix.
"""
import itertools

import support

SOURCE = support.SRC / "tests/programs/growth_cases.cpp"
ABSL = ["-labsl_raw_hash_set", "-labsl_hash", "-labsl_city", "-labsl_low_level_hash"]
# Stacks that may end early: before main, the loader calls from code without unwind rules.
STARTUP_FAILURES = 2
SILENT = ["case_flat_hash_map_reserved", "case_vector_reserved", "case_map", "case_ping_pong",
          "case_temporaries", "case_fresh_messages"]

FEW = [
    ("g++", "-O2", "-g"),
    ("g++", "-O0"),
    ("g++", "-O3", "-flto", "-g"),
    ("clang++", "-O2"),
    ("clang++", "-O2", "-g", "-stdlib=libc++"),
]
ALL = [build for build in itertools.chain(
    (("g++", *flags) for flags in itertools.product(
        ("-O0", "-O2", "-O3", "-O2 -flto", "-O2 -fno-omit-frame-pointer", "-O2 -no-pie", "-Os"), ("", "-g"))),
    (("clang++", *flags) for flags in itertools.product(
        ("-O0", "-O2", "-O3", "-O2 -flto -fuse-ld=lld"), ("", "-g"), ("", "-stdlib=libc++"))))]


def build(folder, compiler, *flags):
    flags = " ".join(flags).split()
    name = "-".join([compiler, *flags]).replace("/", "_")
    out = folder / name
    if "-stdlib=libc++" in flags:
        flags.append("-DULLAGE_NO_ABSL")  # the packaged Abseil was built for the other library
    else:
        flags += ABSL
    return support.compile_program(SOURCE, out, "-Wno-non-template-friend", *flags, compiler=compiler)


def truth_of(done):
    truth = {}
    for line in done.stdout.splitlines():
        case, links, copied = line.split()
        truth[case] = (int(links), int(copied))
    assert "case_vector" in truth and "case_realloc" in truth, support.shown(done)
    return truth


def complaints(truth, report):
    for case, (links, copied) in truth.items():
        found = support.sites(report, case)
        # One-shot growths of temporaries whose growth function is inlined and has no name (-O3 without
        # -g) are counted, but proved by nothing: their site need not stand.
        seen = [site for site in found if site["stands"] or case == "case_string_sums"]
        seen_links = sum(site["links"] for site in seen)
        seen_copied = sum(site["copied_bytes"] for site in seen)
        verdicts = sorted(f"{site['verdict']} {site['links']} in {site['growth']['label']}" for site in found)
        if seen_links != links:
            yield f"{case}: {links} growths happened, {seen_links} were found; sites: {verdicts}"
        elif case == "case_realloc":
            if seen_copied > copied:  # what grew in place was not copied
                yield f"{case}: at most {copied} B were copied, {seen_copied} found"
        elif seen_copied != copied:
            yield f"{case}: {copied} B were copied, {seen_copied} found"
        if case in SILENT:
            loud = [f for f in report["findings"] if support.named(f["where"]["function"], case)
                    and f["severity"] != "note" and f["cost"]["events_unit"] == "growths"]
            if loud:
                yield f"{case} should be silent: {[f['title'] for f in loud]}"


def check(folder, builds):
    failures = []
    built = 0
    for flags in builds:
        try:
            binary = build(folder, *flags)
        except support.Skip as reason:
            print(f"      without {' '.join(flags)}: {reason}")
            continue
        built += 1
        recorded = support.record(folder, [binary])
        truth = truth_of(recorded.done)
        report = support.diagnose(recorded.root)
        failures += [f"{' '.join(flags)}: {text}" for text in complaints(truth, report)]
        if report["process"]["cfi_failures"] > STARTUP_FAILURES:
            failures.append(f"{' '.join(flags)}: {report['process']['cfi_failures']} stacks were cut")
    if not built:
        raise support.Skip("no compiler")
    assert not failures, "\n  ".join(["", *failures])


def test_every_growth_is_counted_and_nothing_else(folder):
    check(folder, ALL if support.FULL else FEW)


def test_a_stripped_program_shows_the_same_growths(folder):
    """Without a symbol the places are addresses; the counts stay."""
    support.need("strip")
    binary = build(folder, "g++", "-O2")
    support.run(["strip", "--strip-all", binary], check=True)
    recorded = support.record(folder, [binary])
    truth = truth_of(recorded.done)
    report = support.diagnose(recorded.root)
    standing = sum(site["links"] for site in report["growth_sites"] if site["stands"])
    assert standing == sum(links for links, _ in truth.values()), (standing, truth)
    assert report["process"]["symbols_missing"], "nobody was told that names are missing"


def test_verify_mode_finds_no_difference(folder):
    binary = support.program("growth_cases")
    report = support.diagnose(support.record(folder, [binary], "--verify-unwind=7").root)
    process = report["process"]
    assert process["verify_checked"] > 1000, process["verify_checked"]
    assert process["verify_differences"] == 0, process["verify_differences"]


def test_a_program_that_reserves_everything_has_no_growth_finding(folder):
    binary = support.program("growth_cases")
    cases = ["case_vector_reserved", "case_flat_hash_map_reserved", "case_map"]
    report = support.diagnose(support.record(folder, [binary, *cases]).root)
    growth = [f for f in report["findings"] if f["cost"]["events_unit"] == "growths"]
    assert not growth, [f["title"] for f in growth]


def test_inlined_vector_growth_is_named_without_debug_information(folder):
    """By the text its code refers to; what grows by itself in such a program gets no such name."""
    binary = build(folder, "g++", "-O2")
    report = support.diagnose(support.record(folder, [binary]).root)

    def told(case):
        return {site["growth_in_code"] or site["growth"]["function"]
                for site in support.sites(report, case) if site["stands"]}

    for case in ("case_vector", "case_vector_of_objects"):
        assert told(case) and all("std::vector" in name for name in told(case)), told(case)
    for case in ("case_exact_growth", "case_realloc"):
        assert not any("std::vector" in name for name in told(case)), told(case)


CONTAINERS = """
#include <unordered_map>
#include <vector>
#if __has_include(<absl/container/flat_hash_map.h>)
#include <absl/container/flat_hash_map.h>
#define ULLAGE_ABSL 1
#endif
namespace {
struct Order { long id, price, count; };
void* volatile escaped;
}
__attribute__((noinline)) static void fill_vector() {
  std::vector<Order> v;
  for (long i = 0; i < 9000; ++i) v.push_back({i, i, i});
  escaped = v.data();
}
__attribute__((noinline)) static void fill_nested() {
  std::vector<std::vector<Order>> v;
  for (long i = 0; i < 9000; ++i) v.emplace_back();
  escaped = v.data();
}
__attribute__((noinline)) static void fill_map() {
  std::unordered_map<int, Order> m;
  for (int i = 0; i < 9000; ++i) m[i] = {i, i, i};
  escaped = &m;
}
#if ULLAGE_ABSL
__attribute__((noinline)) static void fill_flat() {
  absl::flat_hash_map<int, Order> m;
  for (int i = 0; i < 9000; ++i) m[i] = {i, i, i};
  escaped = &m;
}
#else
static void fill_flat() {}
#endif
int main() { fill_vector(); fill_nested(); fill_map(); fill_flat(); }
"""


def test_containers_are_named_as_their_author_wrote_them(folder):
    """Also where the names come from debug information and the types from an anonymous namespace."""
    binary = support.compile_text(CONTAINERS, folder / "containers", "-O2", "-g", *ABSL, compiler="g++")
    report = support.diagnose(support.record(folder, [binary]).root)
    told = {}
    for site in report["growth_sites"]:
        if site["links"] > 5:
            told[site["user"]["function"]] = (site["container"], site["element_type"], site["element_bytes"])
    assert told["fill_vector"] == ("std::vector<Order>", "Order", 24), told
    assert told["fill_nested"] == ("std::vector<std::vector<Order>>", "std::vector<Order>", 24), told
    assert told["fill_map"][0] == "std::unordered_map<int, Order>", told
    assert told["fill_flat"] == ("absl::flat_hash_map<int, Order>", "std::pair<int const, Order>", 32), told


if __name__ == "__main__":
    support.main(globals())

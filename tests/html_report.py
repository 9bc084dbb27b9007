#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTML report in a real browser: it draws, answers to mouse and keys, and asks the network nothing.

Two pages are opened: one of a made-up incident with a bit of everything, hostile names included
(left by diagnose_test), and one of a program recorded here. The other files for other people's tools
(--pprof, --perfetto, --folded) are checked on the same recording.
"""
import gzip
import json

import chromium
import support

HOSTILE = "</script><img src=x onerror=document.title='owned'>"

# Vectors and a table that grow, below functions with names to look for.
PROGRAM = """
#include <cstdio>
#include <string>
#include <unordered_map>
#include <vector>
struct Order { long id; char note[56]; };
[[gnu::noinline]] void load_orders(std::vector<Order>& orders, long n) {
  for (long i = 0; i < n; ++i) orders.push_back({i, {}});
}
[[gnu::noinline]] void open_sessions(std::unordered_map<long, long>& sessions, long n) {
  for (long i = 0; i < n; ++i) sessions.emplace(i, i);
}
int main() {
  std::vector<Order> orders;
  std::unordered_map<long, long> sessions;
  for (int round = 1; round <= 4; ++round) {
    load_orders(orders, 100'000);
    open_sessions(sessions, 30'000 * round);
  }
  std::printf("%zu %zu\\n", orders.size(), sessions.size());
}
"""


def browser():
    if not chromium.find():
        raise support.Skip("no chromium is installed")
    return chromium.Chromium()


def sample_page(folder):
    test = support.BUILD / "tests/unit/diagnose_test"
    if not test.exists():
        raise support.Skip(f"{test} is not built")
    path = folder / "sample.html"
    done = support.run([test, "--gtest_filter=HtmlReport.HoldsEveryFinding*"],
                       env={"ULLAGE_DUMP_HTML": str(path)})
    assert done.returncode == 0 and path.exists(), support.shown(done)
    return path


def recording(folder):
    program = support.compile_text(PROGRAM, folder / "shop", "-O1", "-g")
    return support.record(folder, [program, HOSTILE]).root


def expect(page, expression, wanted=True):
    seen = page.value(expression)
    assert seen == wanted, f"{expression}\n  is {seen!r}\n  expected {wanted!r}"


def text(page, selector):
    """What an element says, its narrow and unbreakable spaces as plain ones."""
    return page.value(f"document.querySelector({json.dumps(selector)}).textContent.replace(/\\s/g, ' ')")


def quiet(page):
    """What must hold at the end of every visit."""
    assert page.problems == [], page.problems
    assert len(page.requests) == 1 and page.requests[0].startswith("file:"), page.requests
    expect(page, "document.images.length", 0)
    expect(page, "document.title.includes('owned')", False)


def drawn(page):
    """Every section holds what it is for."""
    expect(page, "document.documentElement.getAttribute('data-drawn')", "yes")
    for what in (".finding", ".finding .evidence li", ".finding .do code", "#flame-boxes .box", "#timeline-chart circle.link",
                 "#timeline-chart .band", "#timeline-chart rect.copied", "#sites-table tbody tr.row", ".stacked i", "#facts dd"):
        assert page.value(f"document.querySelectorAll({json.dumps(what)}).length") > 0, f"nothing drawn: {what}"
    # Every control has a name, and no id stands twice.
    expect(page, "[...document.querySelectorAll('button,input,select')].filter(e => e.offsetParent && "
                 "!(e.textContent.trim() || e.ariaLabel || (e.labels && e.labels.length))).length", 0)
    expect(page, "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))", 0)


def boxes(page):
    return page.value("[...document.querySelectorAll('#flame-boxes .box')].map(b => "
                      "({name: b.dataset.name, value: +b.dataset.value, width: b.getBoundingClientRect().width}))")


def test_a_page_draws_every_section_and_asks_the_network_nothing(folder):
    path = sample_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        drawn(page)
        expect(page, "document.querySelectorAll('.finding').length", 4)
        expect(page, "document.querySelector('.finding .place b').textContent", "book.cpp:88")
        assert text(page, "#headline").startswith("3 findings and 1 note in 58.2 s. Growth copied 6.25 GB"), text(page, "#headline")
        # A hostile name is shown as the text it is.
        expect(page, "[...document.querySelectorAll('.evidence li')].some(e => e.textContent.startsWith('</script><img'))")
        quiet(page)


def test_the_flame_graph_switches_zooms_searches_and_walks_by_keys(folder):
    path = sample_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        first = boxes(page)
        total = {box["name"]: box for box in first}["all"]
        assert total["value"] == page.value("data.totals.copied_bytes"), total
        # Only the function that grew is marked as one, not those it was called from.
        grown = page.value("[...document.querySelectorAll('.box.growth')].map(b => b.dataset.name)")
        assert {name.split("<")[0] for name in grown} == {"std::vector", "log_append", "std::_Hashtable"}, grown
        # Width is value: the orders vector holds half of everything.
        add = next(box for box in first if box["name"] == "checkout::Book::add")
        assert abs(add["width"] / total["width"] - add["value"] / total["value"]) < 0.01, add

        page.value("document.querySelector('input[value=stall]').click()")
        assert boxes(page)[0]["value"] == page.value("data.totals.stall_ns")
        expect(page, "document.getElementById('flame-lead').textContent.includes('stood still')")
        page.value("document.querySelector('input[value=slack]').click()")
        assert boxes(page)[0]["value"] != page.value("data.totals.stall_ns")
        page.value("document.querySelector('input[value=callers]').click()")
        assert boxes(page)[1]["name"].startswith("std::"), boxes(page)[1]
        page.value("document.querySelector('input[value=calls]').click()")
        page.value("document.querySelector('input[value=copied]').click()")

        find = "[...document.querySelectorAll('#flame-boxes .box')].find(b => b.dataset.name === 'checkout::Book::add')"
        page.value(find + ".click()")
        zoomed = next(box for box in boxes(page) if box["name"] == "checkout::Book::add")
        assert abs(zoomed["width"] - total["width"]) < 2, zoomed
        expect(page, "document.getElementById('flame-reset').disabled", False)
        page.value("document.getElementById('flame-reset').click()")
        assert boxes(page) == first

        # Keys: down to the largest child, zoom, out again.
        page.value("document.querySelector('#flame-boxes .box').focus()")
        page.press("ArrowDown")
        expect(page, "document.activeElement.dataset.name", "main")
        page.press("ArrowDown")
        page.press("ArrowDown")
        expect(page, "document.activeElement.dataset.name", "checkout::Book::load")
        page.press("ArrowRight")
        expect(page, "document.activeElement.dataset.name", "checkout::audit")
        page.press("Enter", "\r")
        expect(page, "document.activeElement.dataset.name", "checkout::audit")
        assert abs(next(b for b in boxes(page) if b["name"] == "log_append")["width"] - total["width"]) < 2
        page.press("Escape")
        page.press("Escape")
        page.press("Escape")
        assert len(boxes(page)) == len(first)

        page.press("/")
        expect(page, "document.activeElement.id", "flame-search")
        page.type("log.c")
        expect(page, "document.querySelectorAll('.box.hit').length", 1)
        assert text(page, "#flame-readout").endswith("passes through 1 matching frame."), text(page, "#flame-readout")
        quiet(page)


def test_the_timeline_tells_what_is_under_the_pointer_and_under_the_keys(folder):
    path = sample_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        page.value("document.getElementById('timeline-chart').focus()")
        page.press("ArrowRight")
        expect(page, "document.getElementById('timeline-readout').textContent.includes('alive ')")
        first = page.value("document.getElementById('timeline-readout').textContent")
        page.press("ArrowRight")
        assert page.value("document.getElementById('timeline-readout').textContent") != first
        page.value("document.querySelector('[data-link=\"0\"]').scrollIntoView({block: 'center'})")
        page.settle()
        dot = page.value("(r => [r.x + r.width / 2, r.y + r.height / 2])"
                         "(document.querySelector('[data-link=\"0\"]').getBoundingClientRect())")
        page.hover(*dot)
        expect(page, "document.getElementById('tip').hidden", False)
        expect(page, "document.getElementById('tip').textContent.includes('book.cpp:88')")
        page.value("document.querySelector('[data-link=\"0\"]').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        expect(page, "document.querySelector('.open[aria-expanded=true]').textContent", "book.cpp:88")
        expect(page, "document.querySelectorAll('circle.off').length > 0")  # dots of other sites fade
        quiet(page)


def test_the_table_sorts_filters_and_opens(folder):
    path = sample_page(folder)
    column = "[...document.querySelectorAll('tr.row td:nth-child(%d)')].map(e => e.textContent)"
    with browser() as chrome:
        page = chrome.open(path)
        expect(page, "document.querySelector('th[data-key=copied]').ariaSort", "descending")
        expect(page, "document.querySelector('tr.row .open').textContent", "book.cpp:88")
        page.value("document.querySelector('th[data-key=links] button').click()")
        expect(page, "document.querySelector('tr.row .open').textContent", "log.c:203")
        page.value("document.querySelector('th[data-key=links] button').click()")
        expect(page, "document.querySelector('th[data-key=links]').ariaSort", "ascending")
        assert page.value(column % 5)[0] == "14"
        page.value("document.querySelector('#sites-more').click()")
        expect(page, "document.querySelectorAll('tr.row').length", 30)

        page.value("(e => { e.value = 'replace'; e.dispatchEvent(new Event('input')); })(document.getElementById('sites-verdict'))")
        assert page.value(column % 3) == ["replace"]
        page.value("(e => { e.value = 'any'; e.dispatchEvent(new Event('input')); })(document.getElementById('sites-verdict'))")
        page.value("document.getElementById('sites-text').focus()")
        page.type("unordered_map")
        expect(page, "document.querySelectorAll('tr.row').length", 1)
        page.value("document.querySelector('tr.row .open').click()")
        expect(page, "document.querySelector('.more-row .stack').textContent.includes('</script><img src=x')")

        # From a finding to its site, whatever the filter was.
        page.value("[...document.querySelectorAll('#finding-1 button')].find(b => b.textContent === 'In the table').click()")
        expect(page, "document.querySelector('.open[aria-expanded=true]').textContent", "book.cpp:88")
        quiet(page)


def test_a_phone_shows_it_without_scrolling_sideways_in_light_and_dark(folder):
    path = sample_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        page.resize(380, 800)
        light = page.value("getComputedStyle(document.body).backgroundColor")
        expect(page, "document.documentElement.scrollWidth <= innerWidth")
        page.resize(380, 800, dark=True)
        assert page.value("getComputedStyle(document.body).backgroundColor") != light
        page.resize(794, 1100, media="print")
        expect(page, "document.documentElement.scrollWidth <= innerWidth")
        quiet(page)


def test_a_recorded_program_becomes_a_page(folder):
    source, path = recording(folder), folder / "shop.html"
    support.ullage("diagnose", source, f"--html={path}")
    with browser() as chrome:
        page = chrome.open(path)
        drawn(page)
        expect(page, "document.getElementById('program').textContent", "shop")
        expect(page, f"document.getElementById('command').textContent.includes({json.dumps(HOSTILE[:20])})")
        expect(page, "[...document.querySelectorAll('.finding .place')].some(e => e.textContent.includes('load_orders'))")
        assert any("load_orders" in box["name"] for box in boxes(page)), boxes(page)
        assert page.value("data.totals.copied_bytes") > 10_000_000
        quiet(page)


def test_the_same_recording_becomes_a_trace_a_profile_and_folded_stacks(folder):
    source = recording(folder)
    paths = {form: folder / form for form in ("perfetto", "pprof", "folded")}
    support.ullage("diagnose", source, *(f"--{form}={path}" for form, path in paths.items()))

    trace = json.loads(paths["perfetto"].read_text())["traceEvents"]
    begun = {e["id"]: e for e in trace if e["ph"] == "b"}
    ended = {e["id"]: e for e in trace if e["ph"] == "e"}
    assert begun and begun.keys() == ended.keys()
    assert all(ended[i]["ts"] >= begun[i]["ts"] >= 0 for i in begun)
    assert any(e["args"]["new_bytes"] > e["args"]["old_bytes"] for e in begun.values())
    assert {"alive", "resident"} <= {e["name"] for e in trace if e["ph"] == "C"}

    profile = gzip.decompress(paths["pprof"].read_bytes())
    assert b"load_orders" in profile and b"alloc_space" in profile

    folded = dict(line.rsplit(" ", 1) for line in paths["folded"].read_text().splitlines())
    copied = sum(int(value) for stack, value in folded.items() if "load_orders" in stack)
    # 400 000 orders of 64 B, doubling: every size below the last was copied once.
    assert copied == sum(64 << i for i in range(19)), copied
    assert all(stack.split(";")[0] for stack in folded)


if __name__ == "__main__":
    support.main(globals())

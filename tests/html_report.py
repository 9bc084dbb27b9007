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


def incident_page(folder, which="LinksFindings"):
    """A made-up incident of a Go program; "StaysSmall" is the largest that the model lets through."""
    test = support.BUILD / "tests/unit/diagnose_test"
    if not test.exists():
        raise support.Skip(f"{test} is not built")
    path = folder / "incident.html"
    done = support.run([test, f"--gtest_filter=HtmlIncident.{which}*"], env={"ULLAGE_DUMP_HTML": str(path)})
    assert done.returncode == 0 and path.exists(), support.shown(done)
    return path


def view(page):
    """The part of the incident that its timeline shows, in ns."""
    return page.value("incident_timeline.view()")


def middle_of(page, selector):
    return page.value("(r => [r.x + r.width / 2, r.y + r.height / 2])"
                      f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")


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


def test_an_incident_shows_its_timeline_and_nothing_of_a_recording(folder):
    path = incident_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        expect(page, "document.documentElement.getAttribute('data-drawn')", "yes")
        assert text(page, "#headline") == ("2 findings in 2 s. The world stood still 10 times, for 34.7 ms in all and "
                                           "33.6 ms at worst."), text(page, "#headline")
        for what in (".flag", "path.edge", "path.goal", "path.pause.waited", "path.cycle.grew", "rect.span-bar", "line.snapshot",
                     "#artefacts tbody tr", "#incident-overview path", "#flame-boxes .box"):
            assert page.value(f"document.querySelectorAll({json.dumps(what)}).length") > 0, f"nothing drawn: {what}"
        for section in ("timeline", "sites", "lifetimes"):
            expect(page, f"document.getElementById('{section}').offsetParent === null")
        expect(page, "document.querySelectorAll('#artefacts tbody tr').length", 3)
        assert "aligned by GC ordinal \u00b1 1 ms" in text(page, "#artefacts"), text(page, "#artefacts")
        # A flame graph for each kind of cost.
        metrics = page.value("[...document.querySelectorAll('#flame-metric input')].map(e => e.value)")
        assert metrics == ["assist", "stopped", "alloc_space", "inuse_space", "growth_cpu", "growth_samples", "wait"], metrics
        assert any(box["name"] == "main.handle" and box["value"] == 900_000_000 for box in boxes(page)), boxes(page)
        expect(page, "[...document.querySelectorAll('button,input,select')].filter(e => e.offsetParent && "
                     "!(e.textContent.trim() || e.ariaLabel || (e.labels && e.labels.length))).length", 0)
        expect(page, "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))", 0)
        quiet(page)


def test_the_timeline_of_an_incident_zooms_by_wheel_drag_and_keys(folder):
    path = incident_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        whole = view(page)
        assert whole == [0, 2_000_000_000], whole
        page.value("document.getElementById('incident-chart').scrollIntoView({block: 'center'})")
        page.settle()
        x, y = middle_of(page, "#incident-chart")
        page.wheel(x, y, -120)
        page.wait_for("incident_timeline.view()[1] - incident_timeline.view()[0] < 2e9")
        near = view(page)
        assert 0 < near[0] and near[1] < 2_000_000_000, near
        page.wheel(x, y, 120)
        page.wait_for("incident_timeline.view()[1] - incident_timeline.view()[0] === 2e9")
        page.settle()

        page.drag(x - 100, y, x + 100, y)
        page.settle()
        chosen = view(page)
        assert 0 < chosen[1] - chosen[0] < 500_000_000, chosen
        page.drag(x, y, x + 50, y, modifiers=8)  # Shift: moves
        page.settle()
        moved = view(page)
        assert abs((moved[1] - moved[0]) - (chosen[1] - chosen[0])) < 2 and moved[0] < chosen[0], (chosen, moved)

        page.value("document.getElementById('incident-chart').focus()")
        page.press("Escape")
        assert view(page) == whole
        page.press("+", "+")
        zoomed = view(page)
        assert zoomed[1] - zoomed[0] < 2_000_000_000
        page.press("ArrowLeft")
        assert view(page)[0] < zoomed[0]
        page.press("-", "-")
        assert view(page)[1] - view(page)[0] > zoomed[1] - zoomed[0]
        page.press("0", "0")
        assert view(page) == whole
        # What is under the pointer is told.
        page.settle()
        page.hover(x, y)
        expect(page, "document.getElementById('incident-readout').textContent.includes('heap')")
        quiet(page)


def test_findings_lead_into_the_timeline_and_back(folder):
    path = incident_page(folder)
    with browser() as chrome:
        page = chrome.open(path)
        page.value("document.querySelector('#finding-2 .to-timeline').click()")
        page.settle()
        low, high = view(page)
        assert low < 999_000_000 and 1_032_600_000 < high and high - low < 200_000_000, (low, high)
        expect(page, "document.activeElement.id", "incident-chart")
        expect(page, "document.querySelectorAll('rect.about').length", 2)  # its pause and its collection
        expect(page, "document.querySelector('.flag.lit').dataset.finding", "1")
        page.settle()
        page.value("document.querySelector('.flag[data-finding=\"1\"]').scrollIntoView({block: 'center'})")
        page.settle()
        page.click(*middle_of(page, ".flag[data-finding='1'] rect"))
        expect(page, "document.activeElement.id", "finding-2")
        # From finding to finding by keys.
        page.value("document.getElementById('incident-chart').focus()")
        page.press("n", "n")
        first = view(page)
        page.press("n", "n")
        assert view(page) != first
        quiet(page)


def test_the_largest_incident_stays_small_and_draws_little(folder):
    path = incident_page(folder, "StaysSmall")
    assert path.stat().st_size < 3_000_000, path.stat().st_size
    with browser() as chrome:
        page = chrome.open(path)
        expect(page, "document.documentElement.getAttribute('data-drawn')", "yes")
        # 20 000 pauses and 200 000 collections are a few paths, not an element each.
        assert page.value("document.querySelectorAll('#incident *').length") < 400
        assert page.value("document.querySelectorAll('*').length") < 12_000
        print("opened in", page.value("performance.timing.domComplete - performance.timing.navigationStart"), "ms")
        quiet(page)


def test_a_phone_shows_it_without_scrolling_sideways_in_light_and_dark(folder):
    for path in (sample_page(folder), incident_page(folder)):
        on_a_phone(path)


def on_a_phone(path):
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

# SPDX-License-Identifier: Apache-2.0
"""The live page in a real browser: it draws, hears of growth, and asks nobody but the server.

    tests/serve/live_page.py --picture docs/images/live-page.png      makes the README's picture

The pictured server has eight megabytes of budget, so that it grows, evicts and has a curve.
"""
import pathlib
import random
import sys
import threading
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

import chromium
import rest
import support
import wire


def opened(chrome, server):
    page = chrome.open(f"http://127.0.0.1:{server.http_port}/")
    page.wait_for("document.getElementById('state').textContent === 'live'")
    return page


def need_page(server):
    if not chromium.find():
        raise support.Skip("no chromium is installed")
    with rest.Http(server) as http:
        answer = http("GET", "/")
    if answer.status == 404 and answer.json()["type"] == "urn:ullage:problem:no-live-page":
        if (support.BUILD / "dashboard/fetched").exists():
            raise AssertionError("the build fetched what the page is made with, and has no page")
        raise support.Skip("this build has no live page: npm could not fetch what it is made with")
    assert answer.status == 200, answer
    return answer


def write(client, first, last, size=60):
    for start in range(first, last, 500):
        client.socket.sendall(b"".join(client.packed("SET", f"key:{i}", "v" * size) for i in range(start, start + 500)))
        for _ in range(500):
            client.read_raw()


def quiet(page, server):
    """What must hold at the end of every visit."""
    assert page.problems == [], page.problems
    ours = f"http://127.0.0.1:{server.http_port}/"
    strange = [url for url in page.requests if not url.startswith((ours, "data:"))]
    assert not strange, f"it asked somebody else: {strange}"


def count(page, what):
    return page.value(f"document.querySelectorAll({what!r}).length")


def test_the_page_draws_and_asks_nobody_but_the_server(_folder):
    with wire.store("--server.threads=2", http=True) as server:
        answer = need_page(server)
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'sha256-"):
            assert part in policy and "unsafe" not in policy, policy
        with server.client() as client, chromium.Chromium() as chrome:
            write(client, 0, 3000)
            for i in range(3000):
                client.ask("GET", f"key:{i % 300}")
            page = opened(chrome, server)
            page.wait_for("document.getElementById('now-keys').textContent === '3.00 k'")
            assert count(page, ".chart canvas") == 5
            # Something other than the ground is drawn in each chart of time.
            page.wait_for("charts_drawn = [...document.querySelectorAll('.chart canvas')].slice(0, 4).every(c => new Set("
                          "new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size > 2)")
            rows = page.value("[...document.querySelectorAll('#topology tbody tr')].map(r => r.cells[0].textContent)")
            assert rows[0] == "hot" and "clients" in rows and "process" in rows, rows
            assert count(page, "#topology svg.bar rect") >= 9
            names = page.value("[...document.querySelectorAll('#time tbody tr')].map(r => r.cells[0].textContent)")
            assert "get" in names and "set" in names, names
            assert page.value("document.getElementById('cold').hidden"), "there is no cold tier here"
            # The key names of strangers are text.
            client.ask("CONFIG", "SET", "slowlog-log-slower-than", "0")
            client.ask("SET", "<img src=x onerror=document.title='owned'>", "v")
            page.wait_for("document.querySelector('#slow').textContent.includes('<img src=x')")
            assert page.value("document.images.length") == 0 and page.value("document.title") == "Ullage"
            quiet(page, server)


def test_a_growth_appears_after_the_page_was_loaded(_folder):
    with wire.store(http=True) as server, server.client() as client:
        need_page(server)
        with chromium.Chromium() as chrome:
            page = opened(chrome, server)
            assert count(page, "#events tr[data-id]") == 0, "nothing has grown yet"
            write(client, 0, 20_000)
            page.wait_for("document.querySelectorAll('#events tr[data-id]').length > 10")
            # Growths come a few at a time, and the first are of what holds the segments.
            page.wait_for("document.querySelector('#events').textContent.includes('segment splits')")
            first = page.value("+document.querySelector('#events tr[data-id]').dataset.id")
            write(client, 20_000, 40_000)
            page.wait_for(f"+document.querySelector('#events tr[data-id]').dataset.id > {first}")
            assert count(page, "#events tr[data-id]") <= 60, "the list has a bound"
            quiet(page, server)


def test_the_page_fits_small_screens_both_lights_and_the_keyboard(_folder):
    with wire.store(http=True) as server, server.client() as client:
        need_page(server)
        write(client, 0, 2000)
        with chromium.Chromium() as chrome:
            page = opened(chrome, server)
            grounds = set()
            for width, dark in ((360, True), (360, False), (768, True), (1280, False)):
                page.resize(width, 800, dark)
                page.settle()
                page.wait_for("document.documentElement.scrollWidth <= innerWidth")
                grounds.add(page.value("getComputedStyle(document.body).backgroundColor"))
                wide = page.value("[...document.querySelectorAll('.chart canvas')].every(c => "
                                  "c.getBoundingClientRect().right <= innerWidth)")
                assert wide, f"a chart is wider than {width} px"
            assert len(grounds) == 2, grounds
            page.press("p", "p")
            assert page.value("document.getElementById('state').textContent") == "paused"
            page.press("p", "p")
            page.press("t", "t")
            assert page.value("document.documentElement.classList.contains('light')") is False
            # What can be reached by Tab has a name; a chart is walked through by arrow keys.
            unnamed = page.value("[...document.querySelectorAll('button, [tabindex=\"0\"]')].filter(e => !(e.ariaLabel || "
                                 "e.getAttribute('aria-labelledby') || e.textContent.trim())).length")
            assert unnamed == 0
            page.wait_for("document.querySelector('#chart-memory').ariaLabel.includes('resident')")
            page.value("document.querySelector('#chart-memory').focus()")
            page.press("ArrowLeft")
            page.wait_for("/iB/.test(document.querySelector('#chart-memory .u-legend').textContent)")
            quiet(page, server)


def test_nothing_on_the_page_moves_when_figures_arrive(_folder):
    with wire.store(http=True) as server, server.client() as client:
        need_page(server)
        with chromium.Chromium() as chrome:
            page = opened(chrome, server)
            page.value("shift = 0; new PerformanceObserver(list => list.getEntries().forEach(e => shift += e.value))"
                       ".observe({type: 'layout-shift', buffered: true}); 0")
            write(client, 0, 5000)
            page.wait_for("document.getElementById('now-keys').textContent === '5.00 k'")
            page.settle()
            assert page.value("shift") < 0.02, page.value("shift")


def test_the_page_says_when_the_server_is_silent_and_finds_it_again(_folder):
    port = wire.free_port()
    flag = f"--server.http_port={port}"
    with chromium.Chromium() if chromium.find() else wire.contextlib.nullcontext() as chrome:
        with wire.store(flag, http=False) as server:
            server.http_port = port
            need_page(server)
            page = opened(chrome, server)
        page.wait_for("/silent|no connection/.test(document.getElementById('state').textContent)")
        with wire.store(flag, http=False):
            page.wait_for("document.getElementById('state').textContent === 'live'")


def picture(path):
    """A server at work, as the README shows it."""
    done = threading.Event()
    draw = random.Random(1)

    def work(server):
        with server.client() as client:
            at = 0
            while not done.is_set():
                at += 1
                keys = [f"session:{min(int(draw.paretovariate(0.35)), 10 ** 9) % 120_000}" for _ in range(400)]
                client.socket.sendall(b"".join(client.packed("GET", key) for key in keys))
                missing = [key for key in keys if len(client.read_raw()) == 5]
                client.socket.sendall(b"".join(client.packed("SET", key, "v" * draw.randrange(40, 400)) for key in missing))
                for _ in missing:
                    client.read_raw()
                time.sleep(0.012 + 0.01 * (at // 200 % 3))

    with wire.store("--residency.hot=12MiB", "--residency.process=512MiB", "--server.threads=2", "--server.slowlog_slower_than=400us", http=True) as server:
        need_page(server)
        worker = threading.Thread(target=work, args=(server,))
        worker.start()
        try:
            with chromium.Chromium() as chrome:
                time.sleep(75)
                page = opened(chrome, server)
                page.resize(1280, 800, dark=True)
                time.sleep(10)
                page.screenshot(path, clip=(0, 0, 1280, 1230))
        finally:
            done.set()
            worker.join()


if __name__ == "__main__":
    if sys.argv[1:2] != ["--picture"] or len(sys.argv) != 3:
        sys.exit(__doc__)
    picture(sys.argv[2])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ullage record --pprof` against a server that answers as we like: interrupts, closed ports, what few programs serve."""
import http.server
import signal
import socket
import subprocess
import threading

import support

TRACE = b"go 1.25 trace\0\0\0"


class Server:
    """Serves profiles; what takes seconds goes on until its client goes away."""

    def __init__(self, extra=None, page_for_all=False, hold=()):
        self.asked, self.extra, self.hold, self.lock = [], extra or {}, set(hold), threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                path = self.path.removeprefix("/debug/").split("?seconds")[0]
                with outer.lock:
                    outer.asked.append(path)
                    times = outer.asked.count(path)
                if (path, times) in outer.hold or path in ("pprof/profile", "pprof/trace"):
                    self.stream(TRACE if path == "pprof/trace" else b"")
                elif path in outer.extra:
                    self.answer(outer.extra[path])
                elif path.removeprefix("pprof/") in ("goroutine", "goroutine?debug=2", "heap", "allocs", "mutex", "block"):
                    self.answer(b"a profile")
                elif page_for_all:
                    self.answer(b"<html>welcome</html>")
                else:
                    self.send_error(404)

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def stream(self, first):
                self.send_response(200)
                self.end_headers()
                try:
                    while not outer.over.wait(0.02):
                        self.wfile.write(first or b" ")
                except OSError:
                    pass

        self.over = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()


def have(path):
    return {line.split()[1] for line in (path / "manifest.txt").read_text().splitlines() if line.startswith("have ")}


def start(server, out, *options):
    return subprocess.Popen([support.BIN, "record", "--pprof", server.address, "-o", out, *options], stderr=subprocess.PIPE, text=True)


def test_an_interrupt_ends_the_trace_and_still_fetches_the_last_snapshots(folder):
    out = folder / "x.incident"
    with Server() as server:
        process = start(server, out, "--for", "1h")
        support.wait_until(lambda: {"pprof/trace", "pprof/profile"} <= set(server.asked), "it traces")
        support.wait_until(lambda: (out / "execution.trace").exists() and (out / "execution.trace").stat().st_size, "the trace comes")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=support.TIMEOUT_S)
    assert process.returncode == 0 and "interrupted: the execution trace ends there" in said, (process.returncode, said)
    assert {"heap.start.pb.gz", "execution.trace", "heap.end.pb.gz", "goroutine.end.pb.gz", "goroutines.txt"} <= have(out), said
    assert not {"cpu.pb.gz", "allocs.end.pb.gz"} & have(out), "what can't be read when cut, and what can wait"
    assert "lack cpu.pb.gz " in (out / "manifest.txt").read_text()


def test_a_second_interrupt_ends_at_once(folder):
    out = folder / "x.incident"
    with Server(hold=[("pprof/heap", 2)]) as server:  # the last heap never comes
        process = start(server, out, "--for", "1h")
        support.wait_until(lambda: "pprof/trace" in server.asked, "it traces")
        process.send_signal(signal.SIGINT)
        support.wait_until(lambda: server.asked.count("pprof/heap") == 2, "it asks for the last heap")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=support.TIMEOUT_S)
    assert "interrupted again" in said and "heap.end.pb.gz" not in have(out), said
    assert (out / "manifest.txt").exists()


def test_attaching_asks_once_and_leaves_nothing_behind(folder):
    accepted = []
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()

        def close_all():
            try:
                while True:
                    accepted.append(1)
                    port.accept()[0].close()
            except OSError:
                pass

        threading.Thread(target=close_all, daemon=True).start()
        out = folder / "x.incident"
        address = "127.0.0.1:%d" % port.getsockname()[1]
        done = support.ullage("record", "--pprof", address, "-o", out, expect=3)
        port.shutdown(socket.SHUT_RDWR)
    assert len(accepted) == 2, f"accepted {len(accepted) - 1} connections"  # one, and the wait for the next
    assert "no profiles there" in done.stderr and f"ullage record --pprof {address} -- COMMAND" in done.stderr, support.shown(done)
    assert not out.exists(), "a folder without anything in it"
    done = support.ullage("record", "--pprof", address, "-o", out, expect=3)  # now closed
    assert "no profiles there" in done.stderr, support.shown(done)


SERVED = {"flightrecorder": TRACE + b"rest", "metrics": b'{"/gc/cycles/total:gc-cycles": 3}', "pprof/heapdump": b"go1.7 heap dump\nrest"}


def recorded(folder, server, *options):
    out = folder / "x.incident"
    process = start(server, out, "--for", "1h", *options)
    support.wait_until(lambda: {"pprof/trace", "pprof/profile"} <= set(server.asked), "it traces")
    server.over.set()  # what takes time is done
    _, said = process.communicate(timeout=support.TIMEOUT_S)
    assert process.returncode == 0, said
    return out


def test_the_flight_recorder_metrics_and_a_heap_dump_are_taken_where_they_are_served(folder):
    with Server(SERVED) as server:
        out = recorded(folder, server, "--heap-dump")
        assert (out / "flight.trace").read_bytes() == SERVED["flightrecorder"]
        assert {"metrics.json", "heap.dump"} <= have(out), have(out)
        assert server.asked.index("flightrecorder") < server.asked.index("pprof/trace"), "before the past is overwritten"


def test_a_heap_dump_is_taken_only_when_asked_for(folder):
    with Server(SERVED) as server:
        out = recorded(folder, server)
        assert "heap.dump" not in have(out) and "pprof/heapdump" not in server.asked, server.asked


def test_a_page_that_answers_everything_is_no_artefact(folder):
    with Server(page_for_all=True) as server:
        out = recorded(folder, server, "--heap-dump")
        assert not {"flight.trace", "metrics.json", "heap.dump"} & have(out), have(out)
        assert "flight" not in (out / "manifest.txt").read_text()


if __name__ == "__main__":
    support.main(globals())

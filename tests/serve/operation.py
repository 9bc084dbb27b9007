# SPDX-License-Identifier: Apache-2.0
"""Contract, reload, metrics and HTTP of `ullage serve`."""
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import support
import wire

SCRAPE = "application/openmetrics-text; version=1.0.0"


def get(server, path, accept=None):
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}")
    if accept:
        request.add_header("Accept", accept)
    with urllib.request.urlopen(request, timeout=wire.REPLY_SECONDS_MAX) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_metrics_are_what_prometheus_takes(_folder):
    with wire.store(http=True) as server, server.client() as client:
        for i in range(10):
            client.ask("SET", f"k{i}", "v")
        client.ask("GET", "k1")
        kind, text = get(server, "/metrics")
        assert kind == "text/plain; version=0.0.4; charset=utf-8", kind
        assert 'ullage_server_command_calls_total{command="set"} 10\n' in text, text[:2000]
        assert 'ullage_server_command_calls_total{command="del"} 0\n' in text, "a series appears only later"
        kind, text = get(server, "/metrics", SCRAPE)
        assert kind.startswith("application/openmetrics-text; version=1.0.0") and text.endswith("# EOF\n"), kind
        promtool, = support.need("promtool")
        done = subprocess.run([promtool, "check", "metrics"], input=get(server, "/metrics")[1], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0 and not done.stderr + done.stdout, done.stdout + done.stderr


def test_a_real_prometheus_scrapes_it(folder):
    prometheus, = support.need("prometheus")
    with wire.store("--server.threads=2", http=True) as server, server.client() as client:
        client.ask("SET", "k", "v")
        config = folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
                          "scrape_configs:\n- job_name: ullage\n  static_configs:\n"
                          f"  - targets: ['127.0.0.1:{server.http_port}']\n")
        port = wire.free_port()
        process = subprocess.Popen(
            [prometheus, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            def value():
                query = f"http://127.0.0.1:{port}/api/v1/query?query=ullage_server_command_calls_total"
                try:
                    with urllib.request.urlopen(query, timeout=5) as answer:
                        results = json.load(answer)["data"]["result"]
                except OSError:
                    return None
                return {r["metric"]["command"]: r["value"][1] for r in results}.get("set")

            support.wait_until(lambda: value() == "1", "prometheus has the number of SETs")
        finally:
            process.terminate()
            process.communicate()


def test_http_answers_and_refuses(_folder):
    with wire.store(http=True) as server:
        assert get(server, "/healthz")[1] == "ok\n"
        assert get(server, "/readyz")[1] == "ready\n"
        topology = json.loads(get(server, "/topology")[1])
        assert topology["budget_bytes"] == 256 << 20
        assert topology["accounted_resident_bytes"] <= topology["kernel_resident_bytes"] * 1.05
        series = re.findall(r'^ullage_topology_bytes\{component="(\w+)",memory="(\w+)",figure="(\w+)"\} (\S+)$',
                            get(server, "/metrics")[1], re.M)
        assert len(series) == len(topology["components"]) * 4 * 5, series
        held = sum(float(value) for _, memory, figure, value in series if figure == "resident" and memory != "disk")
        assert 0.8 < held / topology["kernel_resident_bytes"] < 1.25, "they add up to what the kernel says"
        assert ("hot", "heap", "budget", str(256 << 20)) in series, series
        for path, code in (("/nothing", 404), ("/metrics", 405)):
            request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}",
                                             method="GET" if code == 404 else "DELETE")
            try:
                urllib.request.urlopen(request, timeout=wire.REPLY_SECONDS_MAX)
                raise AssertionError(f"{path} was answered")
            except urllib.error.HTTPError as problem:
                assert problem.code == code, (path, problem.code)
        for nonsense in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"):
            with wire.Client(server.http_port) as client:
                client.socket.sendall(nonsense)
                assert client.socket.recv(1 << 12).startswith(b"HTTP/1.1 400 "), nonsense
        with wire.Client(server.http_port) as client:
            try:
                client.socket.sendall(b"GET /" + b"x" * 100_000)
            except ConnectionError:
                pass
            assert client.closed()


def test_sighup_takes_over_what_may_change_and_refuses_the_rest(folder):
    contract = folder / "ullage.toml"
    contract.write_text('[residency]\nhot = "64MiB"\n[server]\nmax_clients = 50\n')
    with wire.store("--contract", str(contract), "--residency.hot=96MiB") as server, server.client() as client:
        asked = lambda name: client.ask("CONFIG", "GET", name)[1]
        assert asked("maxclients") == b"50"
        assert asked("maxmemory") == str(96 << 20).encode(), "a flag wins over the file"
        contract.write_text('[residency]\nhot = "32MiB"\n[server]\nmax_clients = 60\n')
        server.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: asked("maxclients") == b"60", "the file was read again")
        assert asked("maxmemory") == str(96 << 20).encode()
        contract.write_text("[server]\nhttp_port = 2\nmax_clients = 70\n")
        server.process.send_signal(signal.SIGHUP)
        line = ""
        while "not reloaded" not in line:
            line = server.process.stderr.readline()
        assert "ullage.toml:2: server.http_port can't change while the server runs" in line, line
        assert asked("maxclients") == b"60", "half of a refused contract was taken over"
        contract.write_text("[server\n")
        server.process.send_signal(signal.SIGHUP)
        while "is not TOML" not in line:
            line += server.process.stderr.readline()
        assert asked("maxclients") == b"60"


def test_what_config_set_changed_stays_unless_the_file_changes_it(folder):
    contract = folder / "ullage.toml"
    contract.write_text('[server]\nmax_value = "64MiB"\n')
    with wire.store("--contract", str(contract), "--server.threads=2") as server, server.client() as client:
        asked = lambda name: client.ask("CONFIG", "GET", name)[1]
        client.ask("CONFIG", "SET", "timeout", "77", "slowlog-log-slower-than", "5")
        client.ask("CONFIG", "SET", "server.max_value", "48MiB")
        contract.write_text('[server]\nmax_value = "64MiB"\nmax_clients = 60\n')
        server.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: asked("maxclients") == b"60", "the file was read again")
        assert asked("timeout") == b"77" and asked("slowlog-log-slower-than") == b"5"
        assert asked("proto-max-bulk-len") == str(48 << 20).encode()
        contract.write_text('[server]\nmax_value = "32MiB"\nmax_clients = 60\n')
        server.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: asked("proto-max-bulk-len") == str(32 << 20).encode(), "what the file changes holds")
        assert asked("timeout") == b"77"
        assert f"config_file:{contract}\r\n" in client.ask("INFO", "server").decode()
        assert str(contract) in client.error("CONFIG", "REWRITE")
        assert client.error("CONFIG", "SET", "active-expire", "perhaps").endswith("'yes' or 'no'")


def test_growth_is_measured_in_metrics(_folder):
    with wire.store("--server.threads=2", "--residency.hot=16MiB", "--residency.process=128MiB",
                    http=True) as server, server.client() as client:
        def metric(name):
            lines = [line for line in get(server, "/metrics")[1].splitlines() if line.startswith(name + " ")]
            assert len(lines) == 1, (name, lines)
            return float(lines[0].rsplit(" ", 1)[1])

        assert metric('ullage_growth_stall_seconds_count{container="tier"}') <= 16
        for start in range(0, 60_000, 500):
            client.socket.sendall(b"".join(client.packed("SET", f"key:{i}", "v" * 500) + client.packed("GET", f"key:{i}")
                                           for i in range(start, start + 500)))
            for _ in range(1000):
                client.read()
        assert metric('ullage_growths_total{container="tier",kind="split"}') > 10
        assert metric('ullage_growth_stall_seconds_count{container="tier"}') > 10
        assert metric('ullage_growth_stall_seconds_sum{container="tier"}') > 0
        assert metric('ullage_growth_moved_elements_total{container="tier"}') > 1000
        support.wait_until(lambda: metric('ullage_growths_total{container="tier",kind="evicted"}') > 0,
                           "evictions are told")
        client.ask("CONFIG", "SET", "maxmemory", "8mb")
        support.wait_until(lambda: metric('ullage_growths_total{container="tier",kind="shrunk"}') > 0,
                           "what goes back is told")
        support.wait_until(lambda: metric('ullage_tier_curve_samples{tier="hot"}') > 0, "the curve is told")
        smaller, larger = (metric(f'ullage_tier_miss_ratio{{tier="hot",size_percent="{p}"}}') for p in (25, 300))
        assert 0 <= larger <= smaller <= 1, (smaller, larger)
        assert 0 < metric('ullage_tier_window_ratio{tier="hot"}') < 1
        assert metric("process_cpu_seconds_total") > 0 and metric("process_resident_memory_bytes") > 1 << 20


def test_large_values_are_counted_and_flushed_ones_go_back_without_active_expiry(_folder):
    with wire.store("--server.threads=2") as server, server.client() as client:
        def field(name, section):
            text = client.ask("INFO", section).decode()
            return int(dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)[name])

        assert client.ask("CONFIG", "SET", "active-expire", "no") == "OK"
        client.ask("SET", "large", "x" * (32 << 20))
        for name, section in (("used_memory_dataset", "memory"), ("hot_live_bytes", "tiers"),
                              ("hot_resident_bytes", "tiers")):
            support.wait_until(lambda: field(name, section) >= 32 << 20, f"{name} has it")  # pylint: disable=W0640
        stats = client.ask("MEMORY", "STATS")
        assert dict(zip(stats[::2], stats[1::2]))[b"dataset.bytes"] >= 32 << 20
        client.ask("SET", "soon", "v", "PX", "1")
        client.ask("FLUSHALL")
        support.wait_until(lambda: field("budget_granted_bytes", "budget") < 8 << 20, "what was flushed goes back")
        client.ask("SET", "soon", "v", "PX", "1")
        time.sleep(0.5)
        assert client.ask("DBSIZE") == 1, "nobody was to collect it"


def test_config_set_obeys_the_contract(_folder):
    with wire.store("--server.threads=2") as server, server.client() as client:
        assert client.ask("CONFIG", "SET", "maxmemory", "100mb") == "OK"
        assert client.ask("CONFIG", "GET", "residency.hot")[1] == str(100 << 20).encode()
        assert client.ask("CONFIG", "SET", "server.max_clients", "77", "timeout", "5") == "OK"
        assert client.ask("CONFIG", "GET", "maxclients") == [b"maxclients", b"77"]
        assert "can't change while the server runs" in client.error("CONFIG", "SET", "server.threads", "1")
        assert "can't change while the server runs" in client.error("CONFIG", "SET", "port", "1")
        assert "memory only" in client.error("CONFIG", "SET", "appendonly", "yes")
        assert "nine tenths" in client.error("CONFIG", "SET", "maxmemory", "15TiB")
        assert "whole number" in client.error("CONFIG", "SET", "maxclients", "many")
        assert client.ask("CONFIG", "GET", "maxclients")[1] == b"77", "half of it was taken over"


def test_a_store_that_can_not_start_says_why(folder):
    for first, second in ((1, 1), (2, 2), (1, 2), (2, 1)):
        with wire.store(f"--server.threads={first}") as server:
            done = support.ullage("serve", f"--server.resp_port={server.port}", f"--server.threads={second}", expect=3)
            assert "can't listen on 127.0.0.1" in done.stderr and "--server.resp_port=" in done.stderr, done.stderr
    done = support.ullage("serve", "--server.bind=example.com", expect=3)
    assert "is no address" in done.stderr, done.stderr
    contract = folder / "ullage.toml"
    contract.write_text('[residency]\nprocess = "1GiB"\nhot = "2GiB"\n')
    for words in (("serve", "--contract", contract), ("contract", "check", contract)):
        done = support.ullage(*words, expect=3)
        assert f"{contract}:3: residency.hot" in done.stderr, done.stderr
    contract.write_text('[server]\nthreads = "four"\nresp_prt = 5\nbind = 7\n')
    done = support.ullage("contract", "check", contract, expect=3)
    for mistake in (":2: server.threads: expected a whole number", ":3: server.resp_prt is no key",
                    "server.resp_port", ":4: server.bind: expected a text"):
        assert mistake in done.stderr, done.stderr
    done = support.ullage("serve", "--residency.hot=lots", expect=2)
    assert done.stderr.count("--residency.hot") == 1, support.shown(done)


def test_a_contract_that_no_server_would_start_with_does_not_pass_its_check(folder):
    contract = folder / "ullage.toml"
    for text, line in (('[residency]\nhot = "1MiB"\n', ":2: residency.hot"),
                       ('[server]\nlog_level = "loud"\n', ":2: server.log_level"),
                       ('[server]\nresp_port = "off"\n', ":2: server.resp_port"),
                       ('[persistence]\ndurability = "always"\n', ":2: persistence.durability")):
        contract.write_text(text)
        for words in (("serve", "--contract", contract), ("contract", "check", contract)):
            done = support.ullage(*words, expect=3)
            assert f"{contract}{line}" in done.stderr, done.stderr
    contract.write_text('[residency]\nprocess = "10MiB"\n')  # of a program that is judged by it
    support.ullage("contract", "check", contract)


def listening(process):
    """How many sockets a process listens on."""
    with open(f"/proc/{process.pid}/net/tcp", encoding="ascii") as table:
        inodes = {row[9] for row in map(str.split, table) if row[3] == "0A"}
    held = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{process.pid}/fd")]
    return sum(f"socket:[{inode}]" in held for inode in inodes)


def test_the_port_of_redis_clients_may_be_off_but_not_every_way_in(folder):
    with wire.store(http=True) as server:
        assert listening(server.process) == 2
    contract = folder / "ullage.toml"
    contract.write_text('[server]\nhttp_port = 0\nresp_port = "off"\nthreads = 2\n[residency]\nhot = "64MiB"\n')
    process = subprocess.Popen([support.BIN, "serve", "--contract", contract], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        told = ""
        while "end it:" not in told:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            told += line
        assert "redis-cli" not in told, told
        server = wire.Server(process, 0, int(told.split("http://127.0.0.1:")[1].split("/")[0]))
        assert f"ready on 127.0.0.1:{server.http_port}," in told, told
        assert listening(process) == 1
        base = f"http://127.0.0.1:{server.http_port}"
        put = urllib.request.Request(f"{base}/v1/keys/k", data=b"v", method="PUT")
        assert urllib.request.urlopen(put).status == 201
        assert urllib.request.urlopen(f"{base}/v1/keys/k").read() == b"v"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=support.TIMEOUT_S)
        assert process.returncode == 0, err
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    done = support.ullage("serve", "--contract", contract, "--server.http_port=off", expect=3)
    assert f'{contract}:3: server.resp_port = "off", and there is no other way in' in done.stderr, done.stderr


def test_growth_is_told_and_bounded(_folder):
    with wire.store() as server, server.client() as client:
        for start in range(0, 50_000, 500):
            client.socket.sendall(b"".join(client.packed("SET", f"key:{i}", "v" * 50)
                                           for i in range(start, start + 500)))
            for _ in range(500):
                assert client.read() == "OK"
        told = client.ask("ULLAGE.GROWTH")
        growth = dict(zip(told[::2], told[1::2]))
        assert growth[b"splits"] > 0, growth
        told = client.ask("ULLAGE.TIER", "key:7")
        where = dict(zip(told[::2], told[1::2]))
        assert where[b"tier"] == b"hot" and where[b"bytes"] > 50, where
        assert b"hot tier" in client.ask("ULLAGE.EXPLAIN", "key:7")
        assert client.ask("ULLAGE.TIER", "absent") is None
        told = client.ask("ULLAGE.BUDGET")
        budget = dict(zip(told[::2], told[1::2]))
        assert 0 < budget[b"granted_bytes"] <= budget[b"limit_bytes"] == 256 << 20, budget
        for section in ("tiers", "growth", "budget"):
            assert client.ask("INFO", section).decode().startswith(f"# {section.capitalize()}\r\n")


def test_the_longest_command_is_told_by_the_clock_and_by_what_its_thread_ran(_folder):
    with wire.store() as server, server.client() as client:
        def longest():
            text = client.ask("INFO", "growth").decode()
            fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
            return float(fields["command_us_max"]), float(fields["command_cpu_us_max"])

        client.ask("SET", "k", "v")
        by_clock, by_thread = longest()
        assert by_clock > 0 and by_thread == 0, "nobody asked for it"
        client.ask("CONFIG", "SET", "latency-monitor-threshold", "1000000")
        client.ask("DEBUG", "SLEEP", "0.05")
        by_clock, by_thread = longest()
        assert by_clock >= 50_000 and 0 < by_thread < by_clock / 2, (by_clock, by_thread)  # it only slept
        client.ask("CONFIG", "RESETSTAT")
        assert longest()[0] < by_clock


# Fields of INFO that would not be true here: what jemalloc, forks or the main thread do, and what is not counted.
INFO_WITHOUT = {
    "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time",
    "current_active_defrag_time", "current_eviction_exceeded_time", "total_eviction_exceeded_time", "atomicvar_api",
    "dump_payload_sanitizations", "expire_cycle_cpu_milliseconds", "io_threaded_reads_processed", "io_threaded_writes_processed",
    "lazyfreed_objects", "reply_buffer_expands", "reply_buffer_shrinks", "total_reads_processed", "total_writes_processed",
    "unexpected_error_replies", "used_cpu_sys_main_thread", "used_cpu_user_main_thread", "used_memory_lua_human",
    "used_memory_scripts_human", "used_memory_vm_total_human"}


def test_info_has_the_fields_of_redis(folder):
    def fields(client):
        text = client.ask("INFO", "everything").decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    with wire.redis(folder) as redis, wire.store("--server.threads=2") as server, server.client() as client:
        with redis.client() as other:
            theirs = fields(other)
        for i in range(3000):
            client.ask("SET", f"k{i}", "v" * 500)
        support.wait_until(lambda: float(fields(client)["instantaneous_input_kbps"]) > 0, "what comes in is told")
        ours = fields(client)
        of_calls = ("cmdstat_", "latency_percentiles_", "errorstat_", "db")
        missing = {name for name in theirs if name not in ours and not name.startswith(of_calls)}
        assert missing == INFO_WITHOUT, missing ^ INFO_WITHOUT
        number = {name: float(ours[name]) for name in ours if name.startswith(("allocator_", "used_memory_rss", "rss_overhead"))
                  and not name.endswith("human")}
        assert 3000 * 500 < number["allocator_allocated"] <= number["allocator_resident"] < number["used_memory_rss"], number
        assert number["allocator_frag_bytes"] == number["allocator_active"] - number["allocator_allocated"]


def test_slow_moments_are_drawn_and_explained(_folder):
    with wire.store() as server, server.client() as client:
        assert b"latency-monitor-threshold is 0" in client.ask("LATENCY", "DOCTOR")
        client.ask("CONFIG", "SET", "latency-monitor-threshold", "20")
        assert b"No command took 20 ms or more" in client.ask("LATENCY", "DOCTOR")
        assert client.error("LATENCY", "GRAPH", "command") == "ERR No samples available for event 'command'"
        client.ask("DEBUG", "SLEEP", "0.03")
        graph = client.ask("LATENCY", "GRAPH", "command").decode()
        assert graph.startswith("command - high ") and "\n_\n" in graph, graph
        report = client.ask("LATENCY", "DOCTOR").decode()
        assert "1. command: 1 slow moments" in report and "SLOWLOG GET" in report, report


def test_the_budget_holds_while_more_is_written_than_fits(_folder):
    with wire.store("--residency.hot=16MiB") as server, server.client() as client:
        for start in range(0, 100_000, 500):
            client.socket.sendall(b"".join(client.packed("SET", f"key:{i}", "v" * 500)
                                           for i in range(start, start + 500)))
            for _ in range(500):
                assert client.read() == "OK"
        text = client.ask("INFO", "stats", "budget").decode()
        fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        assert int(fields["evicted_keys"]) > 50_000, fields
        assert int(fields["budget_granted_bytes_max"]) <= 16 << 20, fields
        client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        refused = 0
        for i in range(40_000):
            try:
                client.ask("SET", f"more:{i}", "v" * 500)
            except wire.ReplyError as problem:
                assert str(problem) == "OOM command not allowed when used memory > 'maxmemory'.", problem
                refused += 1
                break
        assert refused == 1


def test_shutdown_ends_it(_folder):
    with wire.store("--server.threads=2") as server, server.client() as client:
        client.send("SHUTDOWN", "NOSAVE")
        assert client.closed()
        deadline = time.monotonic() + support.TIMEOUT_S
        while server.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.process.poll() == 0

# SPDX-License-Identifier: Apache-2.0
"""GET of small values over HTTP: wrk with 50 connections, and the servers' own CPU for each."""

import json
import subprocess
import sys
from pathlib import Path

from restart import key_name
from servers import OUT, cpu_s, free_port, load, redis, running, ullage

TASK = Path(__file__).resolve().parent
KEYS = 100_000
VALUE_BYTES = 100


def wrk(port, path, seconds, pids):
    """Lines of one run; `path` has %s where the key goes, if it does."""
    names = OUT / "names"
    names.write_text("".join(key_name(i) + "\n" for i in range(KEYS)))

    def once(duration):
        before = [cpu_s(pid) for pid in pids]
        done = subprocess.run(
            ["wrk", "-t1", "-c50", f"-d{duration}s", "-s", str(TASK / "keys.lua"),
             f"http://127.0.0.1:{port}", "--", path, str(names)],
            stdout=subprocess.PIPE, text=True, check=False)
        told = dict(line.split() for line in done.stdout.splitlines() if line.startswith("wrk_"))
        if done.returncode != 0 or told.get("wrk_errors") != "0":
            sys.exit(f"http_door.py: wrk ended with {done.returncode}\n{done.stdout}")
        cpu = sum(cpu_s(pid) for pid in pids) - sum(before)
        requests = float(told["wrk_requests"])
        return (f"server_us_per_op {cpu * 1e6 / requests:.6g} us\n"
                f"ops_per_s {requests / float(told['wrk_seconds']):.6g} 1/s\n"
                f"p50_us {told['wrk_p50_us']} us\np99_us {told['wrk_p99_us']} us\n")

    once(2)
    return once(seconds)


def ours(options):
    port, http_port, seconds = free_port(), free_port(), options[1]
    with running(ullage(port, OUT / "data", http_port=http_port), port) as server:
        load(port, server.pid, "fill", "--keys", KEYS, "--value", VALUE_BYTES)
        resp = load(port, server.pid, "get", "--keys", KEYS, "--count", 300_000, "--pipeline", 1)
        lines = wrk(http_port, "/v1/keys/%s", seconds, [server.pid])
    return lines + "".join(f"resp_{line}\n" for line in resp.splitlines())


def webdis(options):
    port, http_port, seconds = free_port(), free_port(), options[1]
    config = OUT / "webdis.json"
    config.write_text(json.dumps({
        "redis_host": "127.0.0.1", "redis_port": port, "http_host": "127.0.0.1",
        "http_port": http_port, "threads": 1, "pool_size": 20, "daemonize": False,
        "websockets": False, "verbosity": 0, "logfile": str(OUT / "webdis.log"),
        "acl": [{"enabled": ["GET"]}]}))
    with running(redis(port), port) as server:
        load(port, server.pid, "fill", "--keys", KEYS, "--value", VALUE_BYTES)
        with running(["webdis", str(config)], http_port) as door:
            return wrk(http_port, "/GET/%s.txt", seconds, [server.pid, door.pid])


def nginx(options):
    http_port, seconds = free_port(), options[1]
    (OUT / "value").write_bytes(b"v" * VALUE_BYTES)
    config = OUT / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {OUT}/nginx.pid; error_log {OUT}/nginx-error.log; user root;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; keepalive_requests 100000000;
  client_body_temp_path {OUT}/body; proxy_temp_path {OUT}/proxy; fastcgi_temp_path {OUT}/fastcgi;
  uwsgi_temp_path {OUT}/uwsgi; scgi_temp_path {OUT}/scgi;
  server {{ listen 127.0.0.1:{http_port}; root {OUT}; }}
}}
""")
    with running(["nginx", "-p", str(OUT), "-c", str(config)], http_port) as server:
        return wrk(http_port, "/value", seconds, [server.pid])
